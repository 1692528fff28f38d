"""The access log as lines of the log's file: each formatted once, some written together.

They bypass the events of `twisted.logger`, which cost a fifth of a request.  What they look
like, and in which order they stand among the other lines, is as if they were events.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from threading import RLock
from typing import IO, Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogEvent, LogLevel, formatTime

from sxhost.daemon.journald import priority
from sxhost.http.access_log import FORMAT, NAMESPACE, AccessEntry

__all__ = ["AccessLines", "LineBuffer", "access_event"]

GATHER_S: Final = 0.01
"""Seconds for which lines are gathered: many requests then share one write."""

MOST: Final = 1000
"""Lines that are gathered at the most."""


class LineBuffer:
    """The log's file as its observer sees it, with lines that may be written a moment later.

    Whatever is written at once is written after them, so nothing overtakes them and the last
    line of an ordered stop brings them along.
    """

    def __init__(self, file: IO[Any], clock: IReactorTime) -> None:
        self._file = file
        self._clock = clock
        self._lines: list[str] = []
        self._scheduled = False
        self._lock = RLock()  # other threads log, too, and a signal may amid a write of ours

    def add(self, line: str) -> None:
        """Write a line within `GATHER_S`; to be called in the reactor's thread."""
        with self._lock:
            self._lines.append(line)
            is_full = len(self._lines) >= MOST
        if is_full:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._clock.callLater(GATHER_S, self._write_gathered)

    def write(self, text: str) -> None:
        """Write a text at once, behind the lines that were gathered."""
        with self._lock:
            lines, self._lines = [*self._lines, text], []
            self._file.write("".join(lines))

    def flush(self) -> None:
        """Write what was gathered, and have it leave."""
        with self._lock:
            lines, self._lines = self._lines, []
            if lines:
                self._file.write("".join(lines))
            self._file.flush()

    def _write_gathered(self) -> None:
        self._scheduled = False
        self.flush()


class AccessLines:
    """The access log in the format of the log: an `AccessLog` of the site."""

    def __init__(
        self,
        buffer: LineBuffer,
        format_event: Callable[[LogEvent], str | None],
        *,
        text: bool,
        journal: bool = False,
    ) -> None:
        self._buffer = buffer
        self._format_event = format_event
        self._text = text
        self._journal = journal

    def __call__(self, entry: AccessEntry) -> None:
        """Write an entry as a line."""
        now = time.time()
        if self._text:
            prefix = priority(LogLevel.levelWithName(entry.level)) if self._journal else ""
            line = f"{prefix}{_stamp(int(now))} [{NAMESPACE}#{entry.level}] {entry.message}\n"
        else:
            line = self._format_event(access_event(entry, now)) or ""
        self._buffer.add(line)


def access_event(entry: AccessEntry, now: float) -> LogEvent:
    """Return an entry as an event of the log."""
    level = LogLevel.levelWithName(entry.level)
    head = {"log_format": FORMAT, "log_time": now, "log_level": level}
    return {**head, "log_namespace": NAMESPACE, "access": True, **entry.fields()}


@lru_cache(maxsize=2)
def _stamp(second: int) -> str:
    return formatTime(second)
