"""What a command waits for: said at the terminal once it has waited for half a second.

All commands get it from one place: each request to the host is a wait (`Progress.watch`), and
so is what else may take long.  A wait is over with its answer; what an interrupted command says
of the one that it has left is in the same table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import unquote

__all__ = ["Display", "Progress", "Wait", "wait_for"]

SLOW_S: Final = 0.5
"""Seconds after which a person wants to know what is waited for."""

TICK_S: Final = 1.0
"""Seconds after which it is said anew, with the time that it has taken."""

TOGETHER_S: Final = 0.05
"""Seconds between two requests that are one wait, as those for the pages of a log are."""


class Wait(NamedTuple):
    """What is waited for, and what becomes of it if nobody waits any more."""

    what: str
    left: str = ""
    """Said by an interrupted command; empty where nothing goes on without it."""


WAITS: Final[Mapping[tuple[str, str], Wait]] = {
    ("POST", "/sessions"): Wait(
        "Waiting until the agent is ready for its first turn",
        "Its start was given up: no agent goes on.",
    ),
    ("POST", "/sessions/:id/turns"): Wait(
        "Waiting until the agent of {id} runs",
        "The agent goes on with it if the host has heard it: sxhost log {id} -f",
    ),
    ("POST", "/sessions/:id/steer"): Wait("Passing it on to the agent of {id}"),
    ("POST", "/sessions/:id/interrupt"): Wait(
        "Waiting until the turn of {id} stops",
        "It goes on if the host has heard it: sxhost show {id}",
    ),
    ("POST", "/sessions/:id/handover"): Wait(
        "Waiting until {id} can be handed over: a turn ends first",
        "It may be handed over nevertheless: sxhost show {id}",
    ),
    ("POST", "/sessions/:id/end"): Wait(
        "Waiting until the agent of {id} has ended",
        "It goes on if the host has heard it: sxhost show {id}",
    ),
    ("DELETE", "/sessions/:id"): Wait(
        "Waiting until {id} has ended and is deleted",
        "It goes on if the host has heard it: sxhost show {id}",
    ),
    ("GET", "/sessions/:id/messages"): Wait("Waiting for messages to {id}"),
    ("GET", "/sessions/:id/transcript"): Wait("Reading the conversation of {id}"),
    ("GET", "/sessions/:id/events"): Wait("Reading the events of {id}"),
    ("GET", "/search"): Wait("Searching, or making the index for it"),
    ("GET", "/agents"): Wait("Looking which agents are installed"),
    ("POST", "/discover"): Wait("Looking for agents that run here"),
    ("POST", "/stop"): Wait(
        "Waiting until the host stops", "It stops if it has heard it: sxhost status"
    ),
}
"""By method and path; all others are over at once, but for a host that does not answer."""

ANY: Final = Wait("Waiting for the host to answer")


def wait_for(method: str, path: str) -> Wait:
    """Return what a request waits for."""
    words = path.partition("?")[0].split("/")
    session = unquote(words[2]) if words[1:2] == ["sessions"] and words[2:] else ""
    if session:
        words[2] = ":id"
    wait = WAITS.get((method, "/".join(words)), ANY)
    return Wait(*(text.replace("{id}", session) for text in wait))


class Display(Protocol):
    """The line of a terminal that is there as long as something is waited for."""

    def show(self, what: str, seconds: float) -> None:
        """Say what is waited for, and for how long already."""

    def clear(self) -> None:
        """Take it away."""


class Progress:
    """The waits of a command, and the line that says so; time is that of `clock`."""

    def __init__(self, clock: Any, display: Display) -> None:
        self.left = ""
        """What is so of the last wait that has ended without an answer."""
        self._clock = clock
        self._display = display
        self._waits: list[Wait] = []
        self._last: Wait | None = None
        """What was waited for last, up to `_ended`."""
        self._began = self._ended = -TOGETHER_S
        self._timer: Any = None
        self._stopped = False

    @contextmanager
    def waiting(self, wait: Wait) -> Iterator[None]:
        """Say what is waited for inside, if it takes long."""
        self._begin(wait)
        try:
            yield
        except BaseException:
            self.left = wait.left or self.left
            raise
        finally:
            self._end(wait)

    def watch(self, method: str, path: str) -> AbstractContextManager[None]:
        """Say what a request waits for (`sxhost.client.requests.Watch`)."""
        return self.waiting(wait_for(method, path))

    def stop(self) -> None:
        """Say no more: what has taken the screen says it itself."""
        self._stopped = True
        self._be_quiet()

    def _begin(self, wait: Wait) -> None:
        now = self._clock.seconds()
        goes_on = wait == self._last and now - self._ended < TOGETHER_S
        if not (self._waits or goes_on):
            self._began = now
        self._waits.append(wait)
        if self._timer is None and not self._stopped:
            left = self._began + SLOW_S - now
            if left > 0:
                self._timer = self._clock.callLater(left, self._tell)
            else:
                self._tell()

    def _end(self, wait: Wait) -> None:
        self._waits.remove(wait)
        if not self._waits:
            self._last, self._ended = wait, self._clock.seconds()
            self._be_quiet()

    def _tell(self) -> None:
        self._display.show(self._waits[-1].what, self._clock.seconds() - self._began)
        self._timer = self._clock.callLater(TICK_S, self._tell)

    def _be_quiet(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._display.clear()
