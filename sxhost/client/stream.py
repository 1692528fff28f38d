"""Following a host's stream: each event once and in order, whatever becomes of the link.

The log is the only buffer, here as in the host: what came is held up to a bound, then the
transport waits for its reader.  A link that is lost is replaced when the reader asks for
more than is held, and the stream goes on from the reader's cursor.

    async with host.subscribe("abc-123", after="now") as stream:
        async for event in stream:
            print(event)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from sxhost.client.link import (
    EndFrame,
    Heartbeat,
    HelloFrame,
    ListedFrame,
    StreamConnection,
    decode_frame,
    decode_hello,
)
from sxhost.client.requests import Exchange
from sxhost.errors import HostError, HostUnreachable
from sxhost.model.cursor import Cursor
from sxhost.model.event import Event, Gap
from sxhost.model.session import (
    SessionRemoved,
    StateChange,
    Summary,
    SummaryChange,
)

__all__ = ["BackOff", "EventStream", "OnLink", "Value", "ignore_link_changes"]

T = TypeVar("T")

Value = Event | Gap | StateChange | SummaryChange | SessionRemoved
"""What a stream yields."""

OnLink = Callable[[bool, str], object]
"""Called with (False, reason) once a connection is lost, with (True, "") once there is one."""

FIRST_WAIT, LONGEST_WAIT = 0.25, 30.0
"""Seconds before the first and the slowest attempts to connect again; they double."""

STEADY = 5.0
"""Seconds after which a link that brought nothing was no failed attempt."""

LONGEST_RETRY_AFTER = 300.0
"""Seconds that a host's `retry_after` may ask for."""

TOO_MANY, SERVER_ERRORS = 429, 500


def ignore_link_changes(_up: bool, _why: str) -> None:
    """Ignore changes of the connection: the default of `on_link`."""


class BackOff:
    """Exponential back-off: the seconds before the next attempt double with each attempt.

    :param jitter: returns a number from 0 to 1.  Each wait is shortened at random by up to a
        half, so that clients which have lost the same host do not come back all at once.
    :param longest: seconds beyond which the wait does not grow.
    """

    def __init__(self, jitter: Callable[[], float], longest: float = LONGEST_WAIT) -> None:
        self._jitter = jitter
        self._longest = longest
        self._wait = FIRST_WAIT

    def next(self) -> float:
        """Return the seconds before the next attempt."""
        wait, self._wait = self._wait, min(2 * self._wait, self._longest)
        return wait * (1 + self._jitter()) / 2

    def reset(self) -> None:
        """Begin anew: the last attempt was a success."""
        self._wait = FIRST_WAIT


class EventStream:
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
        self._cursor_after_gap = ""
        self._states: dict[str, StateChange] = {}
        self._summaries: dict[str, Summary] = {}
        self._listed: set[str] = set()
        """The sessions whose summaries have come over this link."""
        self._forgotten: deque[SessionRemoved] = deque()
        """Sessions that have gone while there was no link."""
        self._closed = False
        self._reading: Deferred[Any] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Value:
        """Return the next value, over as many links as it takes."""
        value = self._next_held()
        if value is None and not self._closed:
            value = await self._as_only_reader(self._wait_for_value())
        if value is None:
            raise StopAsyncIteration
        return value

    async def __aenter__(self) -> Self:
        if self._link is None and not self._closed:
            await self._as_only_reader(self._connect_until_accepted())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the stream; a read that waits ends the iteration."""
        self._finish()
        if self._reading is not None:
            self._reading.cancel()

    # One reader at a time.

    async def _as_only_reader(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Run a read, refusing a second one; None if the stream is closed meanwhile."""
        if self._reading is not None:
            work.close()
            raise RuntimeError("somebody waits for this stream already")
        self._reading = reading = Deferred.fromCoroutine(work)
        try:
            return await reading
        except CancelledError:
            if self._closed:
                return None
            raise
        finally:
            self._reading = None

    async def _connect_until_accepted(self) -> None:
        while self._link is None and not self._closed:
            await self._connect()

    async def _wait_for_value(self) -> Value | None:
        while (value := self._next_held()) is None and not self._closed:
            await (self._connect() if self._link is None else self._link.wait_for_line())
        return value

    def _next_held(self) -> Value | None:
        """Return the next value among the lines that have come."""
        if self._forgotten:
            return self._forgotten.popleft()
        while self._link is not None:
            line = self._link.take_line()
            if line is not None:
                value = self._handle_line(line)
                if value is not None:
                    return value
            elif self._link.lost:
                self._drop_link(self._link.lost)
            else:
                break
        return None

    # What the host says.

    def _handle_line(self, line: bytes) -> Value | None:
        try:
            frame = decode_frame(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._drop_link("what it sends is not what a host sends")
            return None
        if self._cursor_after_gap:
            self.cursor, self._cursor_after_gap = self._cursor_after_gap, ""
        match frame:
            case Event():
                self.cursor = str(Cursor(frame.id, self._epoch))
                self._back_off.reset()
                return frame
            case Gap():
                self.cursor = frame.end
                return frame
            case Heartbeat():
                self.cursor = frame.cursor or self.cursor
                self._back_off.reset()
            case EndFrame():
                self._handle_end(frame)
            case StateChange() | SummaryChange() | SessionRemoved() | ListedFrame():
                return self._handle_change(frame)
        return None

    def _handle_hello(self, hello: HelloFrame) -> None:
        """Set the cursor to where the stream begins.

        A gap before that place is told by the very next frame.  If the link is lost before
        it, the gap has to be told again: so a place that was asked for is kept till then.
        """
        self._epoch = hello.epoch
        self._listed.clear()
        if self.cursor in ("", "now"):
            self.cursor, self._cursor_after_gap = hello.cursor, ""
        else:
            self._cursor_after_gap = hello.cursor

    def _state_if_new(self, state: StateChange) -> StateChange | None:
        if self._states.get(state.session) == state:
            return None
        self._states[state.session] = state
        return state

    def _handle_change(
        self, frame: StateChange | SummaryChange | SessionRemoved | ListedFrame
    ) -> Value | None:
        """Return a change unless it was yielded: each new connection repeats them all."""
        match frame:
            case StateChange():
                return self._state_if_new(frame)
            case SummaryChange(session=session, summary=summary):
                self._listed.add(session)
                before = self._summaries.get(session)
                self._summaries[session] = summary
                return None if before == summary else frame
            case SessionRemoved(session=session):
                return frame if self._summaries.pop(session, None) is not None else None
            case ListedFrame():
                missing = self._summaries.keys() - self._listed
                self._forgotten.extend(map(SessionRemoved, sorted(missing)))
                for session in missing:
                    del self._summaries[session]
                return self._forgotten.popleft() if self._forgotten else None

    def _handle_end(self, end: EndFrame) -> None:
        if end.reconnect:
            self._drop_link(end.reason)
        else:
            self.ended = end.reason
            self._finish()

    # The link.

    async def _connect(self) -> None:
        """Try once to connect; raise errors that another attempt cannot mend."""
        await self._wait_for_back_off()
        link = StreamConnection(self._host.clock)
        try:
            hello = await self._host.in_time(self._open_link(link))
        except HostError as error:
            self._handle_refusal(error)
        except HostUnreachable as error:
            if self._fail_fast and self._up is None:
                self._finish()
                raise
            self._drop_link(str(error))
        else:
            link.watch_heartbeats(hello.heartbeat_s)
            self._link = link
            self._handle_hello(hello)
            self._notify_link_change(True, "")
        finally:
            if self._link is not link:
                link.close()

    async def _open_link(self, link: StreamConnection) -> HelloFrame:
        response = await self._host.open(self._path(self.cursor))
        response.deliverBody(link)
        await link.wait_for_line()
        line = link.take_line()
        if line is None:
            raise self._host.unreachable(link.lost)
        with self._host.understood():
            return decode_hello(line)

    def _handle_refusal(self, error: HostError) -> None:
        if error.status < SERVER_ERRORS and error.status != TOO_MANY:
            self._finish()
            raise error
        retry_after = error.details.get("retry_after")
        at_least = (
            min(retry_after, LONGEST_RETRY_AFTER) if isinstance(retry_after, int | float) else 0
        )
        self._drop_link(error.message, at_least)

    async def _wait_for_back_off(self) -> None:
        """Wait until it is time for the next attempt."""
        clock = self._host.clock
        seconds = self._not_before - clock.seconds()
        if seconds > 0:
            await deferLater(clock, seconds)

    def _drop_link(self, why: str, at_least: float = 0) -> None:
        now = self._host.clock.seconds()
        link, self._link = self._link, None
        if link is not None:
            link.close()
            if now - link.began >= STEADY:
                self._back_off.reset()
        self._not_before = now + at_least + self._back_off.next()
        self._notify_link_change(False, why)

    def _notify_link_change(self, up: bool, why: str) -> None:
        before, self._up = self._up, up
        if before is not up and not (before is None and up):
            self._on_link(up, why)

    def _finish(self) -> None:
        self._closed = True
        link, self._link = self._link, None
        if link is not None:
            link.close()
