"""Following a host's stream: each event once and in order, whatever becomes of the link.

The log is the only buffer, here as in the host: what came is held up to a bound, then the
transport waits for its reader.  A link that is lost is replaced when the reader asks for
more than is held, and the stream goes on from the reader's cursor.

    async with host.subscribe("abc-123", after="now") as stream:
        async for event in stream:
            print(event)
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from sxhost.client.link import (
    EndFrame,
    Heartbeat,
    HelloFrame,
    StreamConnection,
    greeting,
    understood,
)
from sxhost.client.requests import Exchange
from sxhost.errors import HostError, HostUnreachable
from sxhost.model.cursor import Cursor
from sxhost.model.session import Event, Gap, StateChange

__all__ = ["BackOff", "Following", "OnLink", "Value", "ignore"]

T = TypeVar("T")

Value = Event | Gap | StateChange
"""What a stream yields."""

OnLink = Callable[[bool, str], object]
"""Told (False, why) when a link is lost, once until (True, "") when there is one again."""

FIRST_WAIT, LONGEST_WAIT = 0.25, 30.0
"""Seconds before the first and the slowest attempts to connect again; they double."""

STEADY = 5.0
"""Seconds after which a link that brought nothing was no failed attempt."""

MOST_PATIENT = 300.0
"""Seconds that a host's `retry_after` may ask for."""

TOO_MANY, SERVER_ERRORS = 429, 500


def ignore(_up: bool, _why: str) -> None:
    """Do nothing about a link that is lost or found."""


class BackOff:
    """How long to wait before the next attempt; `jitter` gives numbers from 0 to 1."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._wait = FIRST_WAIT

    def next(self) -> float:
        """Return seconds: twice those of the last time, less up to a half by chance."""
        wait, self._wait = self._wait, min(2 * self._wait, LONGEST_WAIT)
        return wait * (1 + self._jitter()) / 2

    def reset(self) -> None:
        """Begin anew: the last attempt was a success."""
        self._wait = FIRST_WAIT


class Following:
    """A stream as an asynchronous iterator of events, gaps and changes of state.

    It begins with ``async with`` (which waits until the host has answered: nothing that
    happens from then on is missed) or with the first value that is asked for.  A host that
    refuses is a `HostError`, unless it says 429 or 5xx: then, and where no host answers, it
    is asked again, later and later.  With `fail_fast` no host at the very first attempt is
    a `HostUnreachable`.  `path` makes the path of a cursor.

    The iteration ends when the session is forgotten (`ended` says why) or with `aclose`.
    """

    def __init__(
        self,
        host: Exchange,
        path: Callable[[str], str],
        after: str,
        *,
        fail_fast: bool,
        on_link: OnLink,
        jitter: Callable[[], float],
    ) -> None:
        self.cursor = after
        """The place after the last value that was yielded; a later stream can begin there."""
        self.ended = ""
        self._host = host
        self._path = path
        self._fail_fast = fail_fast
        self._on_link = on_link
        self._back_off = BackOff(jitter)
        self._not_before = 0.0
        self._link: StreamConnection | None = None
        self._up: bool | None = None
        self._epoch = ""
        self._due = ""
        self._states: dict[str, StateChange] = {}
        self._closed = False
        self._asking: Deferred[Any] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Value:
        """Return the next value, over as many links as it takes."""
        value = self._next_held()
        if value is None and not self._closed:
            value = await self._undisturbed(self._next())
        if value is None:
            raise StopAsyncIteration
        return value

    async def __aenter__(self) -> Self:
        if self._link is None and not self._closed:
            await self._undisturbed(self._begin())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; whoever waits for a value is told that there is none."""
        self._finish()
        if self._asking is not None:
            self._asking.cancel()

    # One reader at a time.

    async def _undisturbed(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do what the reader waits for; None if the stream is closed meanwhile."""
        if self._asking is not None:
            work.close()
            raise RuntimeError("somebody waits for this stream already")
        self._asking = asking = Deferred.fromCoroutine(work)
        try:
            return await asking
        except CancelledError:
            if self._closed:
                return None
            raise
        finally:
            self._asking = None

    async def _begin(self) -> None:
        while self._link is None and not self._closed:
            await self._connect()

    async def _next(self) -> Value | None:
        while (value := self._next_held()) is None and not self._closed:
            await (self._connect() if self._link is None else self._link.more())
        return value

    def _next_held(self) -> Value | None:
        """Return the next value among the lines that have come."""
        while self._link is not None:
            line = self._link.take()
            if line is not None:
                value = self._heard(line)
                if value is not None:
                    return value
            elif self._link.lost:
                self._lose(self._link.lost)
            else:
                break
        return None

    # What the host says.

    def _heard(self, line: bytes) -> Value | None:
        try:
            said = understood(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._lose("what it sends is not what a host sends")
            return None
        if self._due:
            self.cursor, self._due = self._due, ""
        match said:
            case Event():
                self.cursor = str(Cursor(said.id, self._epoch))
                self._back_off.reset()
                return said
            case Gap():
                self.cursor = said.end
                return said
            case StateChange():
                return self._changed(said)
            case Heartbeat():
                self.cursor = said.cursor or self.cursor
                self._back_off.reset()
            case EndFrame():
                self._end(said)
        return None

    def _greeted(self, hello: HelloFrame) -> None:
        """Take over the place where the stream begins.

        A gap before that place is told by the very next frame.  If the link is lost before
        it, the gap has to be told again: so a place that was asked for is kept till then.
        """
        self._epoch = hello.epoch
        if self.cursor in ("", "now"):
            self.cursor, self._due = hello.cursor, ""
        else:
            self._due = hello.cursor

    def _changed(self, state: StateChange) -> StateChange | None:
        """Return a state that is news: each new link tells all of them."""
        if self._states.get(state.session) == state:
            return None
        self._states[state.session] = state
        return state

    def _end(self, end: EndFrame) -> None:
        if end.reconnect:
            self._lose(end.reason)
        else:
            self.ended = end.reason
            self._finish()

    # The link.

    async def _connect(self) -> None:
        """Try once to have a link; raise what another attempt cannot mend."""
        await self._wait()
        link = StreamConnection(self._host.clock)
        try:
            hello = await self._host.in_time(self._greeting(link))
        except HostError as error:
            self._refused(error)
        except HostUnreachable as error:
            if self._fail_fast and self._up is None:
                self._finish()
                raise
            self._lose(str(error))
        else:
            link.watch(hello.heartbeat_s)
            self._link = link
            self._greeted(hello)
            self._tell(True, "")
        finally:
            if self._link is not link:
                link.close()

    async def _greeting(self, link: StreamConnection) -> HelloFrame:
        response = await self._host.open(self._path(self.cursor))
        response.deliverBody(link)
        await link.more()
        line = link.take()
        if line is None:
            raise self._host.unreachable(link.lost)
        with self._host.understood():
            return greeting(line)

    def _refused(self, error: HostError) -> None:
        if error.status < SERVER_ERRORS and error.status != TOO_MANY:
            self._finish()
            raise error
        asked = error.details.get("retry_after")
        least = min(asked, MOST_PATIENT) if isinstance(asked, int | float) else 0
        self._lose(error.message, least)

    async def _wait(self) -> None:
        """Wait until it is time for the next attempt."""
        clock = self._host.clock
        seconds = self._not_before - clock.seconds()
        if seconds > 0:
            await deferLater(clock, seconds)

    def _lose(self, why: str, least: float = 0) -> None:
        now = self._host.clock.seconds()
        link, self._link = self._link, None
        if link is not None:
            link.close()
            if now - link.began >= STEADY:
                self._back_off.reset()
        self._not_before = now + least + self._back_off.next()
        self._tell(False, why)

    def _tell(self, up: bool, why: str) -> None:
        before, self._up = self._up, up
        if before is not up and not (before is None and up):
            self._on_link(up, why)

    def _finish(self) -> None:
        self._closed = True
        link, self._link = self._link, None
        if link is not None:
            link.close()
