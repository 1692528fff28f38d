"""The log as it is written: text, JSON or Apache's combined format, with nothing to be forged.

Whatever a client or an agent says is escaped in each of them, and a token of ours is cut.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fcntl import F_GETFL, F_SETFL, fcntl
from typing import IO, Any, Final, cast

from twisted.logger import FileLogObserver, LogEvent, formatEvent, formatTime
from twisted.python.logfile import LogFile

from sxhost.config import LogFormat
from sxhost.daemon.access_lines import AccessLines, LineBuffer
from sxhost.daemon.journald import is_journal, with_priority
from sxhost.logs import logger
from sxhost.visible import escape_hidden, without_secrets

__all__ = [
    "ACCESS",
    "FORMATS",
    "LogFileObserver",
    "LogObserver",
    "RotatedLogFile",
    "as_combined",
    "as_json",
    "as_text",
    "escaped",
    "observer",
]

log = logger(__name__)

ACCESS: Final = "access"
"""Marks the event of an answered request."""

JSON_FIELDS: Final = frozenset({"ts", "level", "namespace", "message", "traceback"})
"""What every line of JSON has: an event's own fields of these names are left out."""

LEGACY_FIELDS: Final = frozenset(
    ("message", "time", "system", "format", "isError", "why", "failure")
)
"""What Twisted adds to an event for its older observers."""


def as_text(event: LogEvent) -> str | None:
    """Write an event in a line, and its traceback in more that begin with a tab."""
    message, trace = formatEvent(event), _traceback(event)
    if not (message or trace):
        return None
    system = event.get("log_system") or f"{_namespace(event)}#{_level(event)}"
    lines = "".join(f"\n\t{escaped(line)}" for line in trace.split("\n") if line)
    stamp = formatTime(event.get("log_time"))
    return f"{stamp} [{escaped(str(system))}] {escaped(message)}{lines}\n"


def as_json(event: LogEvent) -> str | None:
    """Write an event as an object in a line: what every event has, then its own fields."""
    message, trace = formatEvent(event), _traceback(event)
    if not (message or trace):
        return None
    stamp = datetime.fromtimestamp(event.get("log_time", 0.0), UTC)
    line: dict[str, Any] = {
        "ts": stamp.isoformat(timespec="milliseconds"),
        "level": _level(event),
        "namespace": _namespace(event),
        "message": without_secrets(message),
        **{name: _json_value(value) for name, value in event.items() if _is_event_field(name)},
    }
    if trace:
        line["traceback"] = without_secrets(trace)
    return json.dumps(line).replace("\x7f", "\\u007f") + "\n"


def as_combined(event: LogEvent) -> str | None:
    """Write a request as Apache's combined format has it, and everything else as text."""
    if ACCESS not in event:
        return as_text(event)
    when = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(event["log_time"]))
    asked = "{method} {uri} {version}".format(**event)
    line = '{peer} - {token} [{when}] "{asked}" {status} {size} "{referer}" "{agent}"'
    return escaped(line.format(**event, when=when, asked=asked)) + "\n"


FORMATS: Final[Mapping[LogFormat, Callable[[LogEvent], str | None]]] = {
    "text": as_text,
    "json": as_json,
    "combined": as_combined,
}


def escaped(text: str) -> str:
    """Return a text that is one line, drives no terminal and shows no token of ours."""
    return escape_hidden(without_secrets(text))


class RotatedLogFile(LogFile):
    """The log's file, which others may move away (``mv``) or truncate (``copytruncate``).

    It is only ever appended to, so that a file which was truncated has no hole.
    """

    def _openFile(self) -> None:
        super()._openFile()
        number = self._file.fileno()
        fcntl(number, F_SETFL, fcntl(number, F_GETFL) | os.O_APPEND)

    def shouldRotate(self) -> bool:
        """Return whether the file has become too large, as it is now."""
        if not super().shouldRotate():
            return False
        self.size = os.fstat(self._file.fileno()).st_size
        return bool(super().shouldRotate())

    def rotate(self) -> None:
        """Begin a new file; if somebody has moved the old one away, where it was."""
        if self.is_moved:
            self.reopen()
        else:
            super().rotate()

    def reopen(self) -> None:
        """Open the file at the path; if that fails, write on into the old one."""
        before = self._file
        try:
            self._openFile()
        except OSError as error:
            self._file = before
            log.warn("The log is not reopened: {error}", error=str(error))
        else:
            before.close()

    @property
    def is_moved(self) -> bool:
        """Whether the path leads to another file than the open one, or to none."""
        try:
            here = os.stat(self.path)  # noqa: PTH116 - Twisted's path is a text
        except FileNotFoundError:
            return True
        return not os.path.samestat(here, os.fstat(self._file.fileno()))


class LogObserver(FileLogObserver):
    """Writes the log to a stream; `access` is the access log's way there."""

    def __init__(
        self, stream: IO[Any], kind: LogFormat, reactor: Any, *, journal: bool
    ) -> None:
        write = with_priority(FORMATS[kind]) if journal else FORMATS[kind]
        self.buffer = LineBuffer(stream, reactor)
        self.access = AccessLines(self.buffer, write, text=kind == "text" and not journal)
        super().__init__(cast("IO[Any]", self.buffer), write)

    def reopen_moved(self) -> None:
        """Do nothing: a stream was not moved."""


class LogFileObserver(LogObserver):
    """Writes the log to a file that rotates."""

    def __init__(self, file: RotatedLogFile, kind: LogFormat, reactor: Any) -> None:
        super().__init__(cast("IO[Any]", file), kind, reactor, journal=False)
        self.file = file

    def reopen_moved(self) -> None:
        """Begin a new file if the old one was moved away."""
        self.buffer.flush()
        if self.file.is_moved:
            self.file.reopen()

    def rotate(self) -> None:
        """Begin a new file."""
        self.buffer.flush()
        self.file.rotate()


def observer(
    twistd: Mapping[str, Any], kind: LogFormat, reactor: Any, environ: Mapping[str, str]
) -> LogObserver | None:
    """Return the observer that writes the log where twistd would; None: twistd's own writes it.

    SIGUSR1 begins a new file, as it does with twistd; in place of one that was moved away, too.
    Lines for systemd's journal, which ``environ`` tells, have their priority.

    :raises OSError: the file cannot be opened.
    """
    if twistd["syslog"] or twistd["logger"]:
        return None
    place = twistd["logfile"]
    if twistd["nodaemon"] and place in (None, "", "-"):
        _on_usr1(reactor, lambda: None)  # there is nothing to rotate, nor a reason to die
        journal = is_journal(sys.stdout, environ)
        return LogObserver(_escape_unencodable(sys.stdout), kind, reactor, journal=journal)
    if place == "-":
        return None  # twistd says that a daemon has no stdout
    file = LogFileObserver(RotatedLogFile.fromFullPath(place or "twistd.log"), kind, reactor)
    _on_usr1(reactor, file.rotate)
    return file


def _on_usr1(reactor: Any, act: Callable[[], object]) -> None:
    if signal.getsignal(signal.SIGUSR1) in (None, signal.SIG_DFL):
        signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(act))


def _escape_unencodable(stream: IO[str]) -> IO[str]:
    """Make a stream escape characters that its encoding does not have."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _is_event_field(name: str) -> bool:
    reserved = name in JSON_FIELDS or name in LEGACY_FIELDS or name == ACCESS
    return not (reserved or name.startswith("log_"))


def _json_value(value: Any) -> Any:
    """Return a value that JSON has as it is, any other as a text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return without_secrets(str(value))


def _level(event: LogEvent) -> str:
    level = event.get("log_level")
    return level.name if level is not None else "info"


def _namespace(event: LogEvent) -> str:
    return str(event.get("log_namespace", "-"))


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return failure.getTraceback() if failure is not None else ""
