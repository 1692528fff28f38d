"""How long an agent waits for its hook at the most, whatever it is that hangs, or has ended.

A resolver cannot be interrupted, nor can a file on a lost server.  So the work has a thread of
its own, which is left behind when time is up: the process ends, and it with the process.
"""

from __future__ import annotations

import time
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ALONGSIDE_S", "BEFORE_S", "Deadline", "OutOfTime", "default_wait"]

ALONGSIDE_S = 82_800.0
"""Seconds that a hook waits beside its agent's own dialog, if nobody says otherwise: 23 hours.

The host says no after a day (`answer_within`); it is to leave the question to the dialog.
"""

BEFORE_S = 60.0
"""The same where the agent shows no dialog before: its user can do nothing meanwhile."""


def default_wait(agent: str, hook: str, *, is_subagent: bool) -> float:
    """Return how many seconds a hook waits for a decision, if nobody says otherwise.

    Claude shows its dialog at once, but for subagents; Codex when the hook has ended.
    """
    has_dialog = agent == "claude" and hook == "PermissionRequest" and not is_subagent
    return ALONGSIDE_S if has_dialog else BEFORE_S


LOOK_S = 1.0
"""Seconds between two looks at whether the agent still waits."""


def is_abandoned(file: int) -> bool:
    """Return whether nobody reads any more what is written to a pipe or a socket."""
    import select

    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(file, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


class OutOfTime(Exception):
    """The work was not done in time; the message says how much it had."""


class Deadline:
    """A moment `seconds` from now, until which work has time; `extend` puts it off."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds
        self.is_extended = False
        """Whether somebody has heard of the work, and a person may decide about it."""

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._until - time.monotonic()

    def extend(self, seconds: float) -> None:
        """Give the work so much more time: from here on it waits for a person."""
        self.seconds += seconds
        self._until += seconds
        self.is_extended = seconds > 0

    def run(self, work: Callable[[], bytes]) -> bytes:
        """Return what `work` returns, or raise what it raises.

        :raises OutOfTime: it has not ended in time, and is left behind.
        """
        results: list[bytes] = []
        errors: list[BaseException] = []

        def call() -> None:
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                errors.append(error)

        thread = Thread(target=call, daemon=True)
        thread.start()
        while thread.is_alive():
            if self.left <= 0:
                raise OutOfTime(f"it took longer than {self.seconds:g} s")
            if self.is_extended and is_abandoned(1):
                raise OutOfTime("its agent has ended")
            thread.join(min(max(0.0, self.left), LOOK_S))
        if errors:
            raise errors[0]
        return results[0]
