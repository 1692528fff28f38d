"""From what an agent reports to its log: gathered, bounded, in order, never twice.

What comes while a commit runs goes into the next one.  While too much waits, whoever makes
it is held back; when the store refuses, it is asked again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from sxhost.codec.json import encode
from sxhost.errors import HostError, SessionLimit, UnknownSession
from sxhost.logs import logger
from sxhost.model import EventDraft

__all__ = ["Outlet"]

log = logger(__name__)

Append = Callable[[str, Sequence[EventDraft]], Awaitable[object]]

HIGH, LOW = 4096, 1024
"""Events that wait for the store when agents are held back, and when they may go on."""

BATCH = 1000
"""Events of one commit: a flood of one session lets others have their turn."""

AGAIN_S = 1.0
"""Seconds until a store that refused is asked again."""

FINISH_S = 2.0
"""Seconds that an agent's last events have to be written: a stop takes 5 in all."""

TEXT = 64 * 1024
"""Characters of a text that is kept of an event which is too large."""


FRAME = 32
"""Bytes around a text that was cut: `Cut` without it."""


class Outlet:
    """The way of one session's events into its log.

    `hold` is called with True when too much waits, with False when it is better.
    """

    def __init__(
        self,
        session_id: str,
        append: Append,
        clock: IReactorTime,
        *,
        most: int,
        hold: Callable[[bool], object],
    ) -> None:
        self._session_id = session_id
        self._append = append
        self._clock = clock
        self._most = most
        self._hold = hold
        self._drafts: list[EventDraft] = []
        self._waiting: list[tuple[int, Deferred[None]]] = []
        self._put = self._written = 0
        self._writing = False
        self._held = False
        self._closed = False

    def put(self, name: str, data: Any) -> None:
        """Take an event; it is written with others, soon."""
        if self._closed:
            return
        self._put += 1
        self._drafts.append(EventDraft(event=name, data=fitting(data, self._most)))
        if len(self._drafts) > HIGH and not self._held:
            self._held = True
            self._hold(True)
        if not self._writing:
            self._writing = True
            Deferred.fromCoroutine(self._write()).addErrback(_report)

    async def flushed(self) -> None:
        """Return once all that was put so far is in the log, or the session is forgotten.

        What comes later is not waited for: whoever floods would hold up everyone else.
        """
        if self._writing:
            done: Deferred[None] = Deferred()
            self._waiting.append((self._put, done))
            await done

    async def finish(self) -> None:
        """Let all be written, but for a store that refuses for too long; then close."""
        flushed = Deferred.fromCoroutine(self.flushed())
        flushed.addTimeout(FINISH_S, self._clock)
        try:
            await flushed
        except TookTooLong:
            log.warn("{session}: its last events are not written", session=self._session_id)
        self.close()

    def close(self) -> None:
        """Take nothing more, and throw away what is not written."""
        self._closed = True
        self._drafts.clear()
        self._release()

    async def _write(self) -> None:
        try:
            await deferLater(self._clock, 0)  # what comes in the same moment goes together
            while self._drafts:
                await self._write_some()
        finally:
            self._writing = False
            self._tell(self._put)

    async def _write_some(self) -> None:
        batch = self._drafts[:BATCH]
        try:
            await self._append(self._session_id, batch)
        except (UnknownSession, SessionLimit):
            self.close()
            return
        except HostError as error:
            log.warn("events wait for the store: {error}", error=error)
            await deferLater(self._clock, AGAIN_S)
            return
        del self._drafts[: len(batch)]
        self._written += len(batch)
        self._tell(self._written)
        if self._held and len(self._drafts) < LOW:
            self._release()

    def _tell(self, written: int) -> None:
        """Let go on whoever waits for no more than this."""
        while self._waiting and self._waiting[0][0] <= written:
            self._waiting.pop(0)[1].callback(None)

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._hold(False)


class Cut(Struct):
    """What remains of data that was too large."""

    text: str
    cut: bool = True


def fitting(data: Any, most: int) -> Any:
    """Return data of at most so many bytes of JSON: first `native` goes, then texts are cut."""
    if len(encode(data)) <= most:
        return data
    if isinstance(data, dict):
        rest = {k: _short(v) for k, v in data.items() if k != "native"} | {"cut": True}
        if len(encode(rest)) <= most:
            return rest
    room = (most - FRAME) // 2  # quotes and backslashes are written as two bytes each
    return Cut(encode(data)[: max(0, min(TEXT, room))].decode(errors="ignore"))


def _short(value: Any) -> Any:
    return value[:TEXT] if isinstance(value, str) else value


def _report(failure: Failure) -> None:
    log.failure("an agent's events could not be written", failure)
