"""Recordings of what a host and an agent sent each other, read from files.

A file has a line for each message: ``{"dir": "in" or "out", "t": seconds, "msg": …}``.  ``out``
is a message of the host, ``in`` one of the agent.  A message ``{"_note": …}`` says that the
process ended there and a new one follows.  The directory is named by the agent and its version,
which tell what driver speaks its protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from sxhost.process.contracts import ChildExit

__all__ = [
    "BadRecording",
    "Message",
    "RecordedLine",
    "RecordedProcess",
    "Recording",
    "answered_id_path",
    "driver_of",
    "name_of",
    "read",
    "request_id_path",
    "value_at",
    "with_value",
]

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a recording."""

Message = dict[str, Any]
FieldPath = tuple[str, ...]


class BadRecording(ValueError):
    """A file is no recording; the message is for a person."""


class RecordedLine(Struct, frozen=True):
    """A message, its direction, and its time in seconds since the process started."""

    dir: Literal["in", "out"]
    msg: Message
    t: float = 0.0


class RecordedProcess(Struct, frozen=True):
    """The messages of one process, and how it ended, if it did."""

    lines: Sequence[RecordedLine]
    end: ChildExit | None = None


class Recording(Struct, frozen=True):
    """The recording in a file: of one process, or of several one after the other."""

    processes: Sequence[RecordedProcess]
    agent: str
    """The directory's name: an agent and its version."""

    @property
    def language(self) -> str:
        """The driver of the agent: ``codex``, ``pi``, ``claude``, ``acp``."""
        return driver_of(self.agent)

    @property
    def program(self) -> str:
        """The agent without its version."""
        return self.agent.rpartition("-")[0] or self.agent

    def answer(self, name: str) -> Message | None:
        """Return the agent's answer to the first request of a name, None if there is none."""
        for process in self.processes:
            ids = [
                value_at(request, request_id_path(request))
                for request in _requests(process, name)
            ]
            for line in process.lines:
                if line.dir == "in" and value_at(line.msg, answered_id_path(line.msg)) in ids:
                    return line.msg
        return None


def _requests(process: RecordedProcess, name: str) -> Iterator[Message]:
    for line in process.lines:
        if line.dir == "out" and name_of(line.msg) == name and request_id_path(line.msg):
            yield line.msg


def read(path: Path) -> Recording:
    """Read a recording.

    :raises BadRecording: there is no such file, or it is no recording.
    """
    if not path.is_file():
        raise BadRecording("there is no such file")
    try:
        with path.open("rb") as file:
            written = file.read(LARGEST + 1).splitlines()
            if file.tell() > LARGEST:
                raise BadRecording("it is too large for a recording")
    except OSError as error:
        raise BadRecording(f"it cannot be read: {error.strerror}") from None
    lines = [_line(number, raw) for number, raw in enumerate(written, 1) if raw.strip()]
    return Recording(list(_processes(lines)), path.parent.name)


def _line(number: int, raw: bytes) -> RecordedLine:
    try:
        return msgspec.json.decode(raw, type=RecordedLine)
    except (ValueError, RecursionError):
        raise BadRecording(f"its line {number} is no line of a recording") from None


def _processes(lines: Sequence[RecordedLine]) -> Iterator[RecordedProcess]:
    begin = 0
    for number, line in enumerate(lines):
        if "_note" in line.msg:
            killed = "SIGKILL" in str(line.msg["_note"])
            yield RecordedProcess(
                lines[begin:number],
                ChildExit(signal="SIGKILL") if killed else ChildExit(code=0),
            )
            begin = number + 1
    yield RecordedProcess(lines[begin:])


def driver_of(name: str) -> str:
    """Return the driver for an agent's name and version: a directory of recordings."""
    if "-acp-" in name:
        return "acp"
    drivers = {"codex-": "codex", "pi-": "pi", "claude-2": "claude"}
    return next((driver for start, driver in drivers.items() if name.startswith(start)), "acp")


# Messages of any protocol: JSON-RPC, pi's, Claude's.


def name_of(message: Message) -> str:
    """Return a message's method or type; of an answer ``answer ID``."""
    answered = answered_id_path(message)
    if answered:
        return f"answer {value_at(message, answered)}"
    name = message.get("method") or message.get("type") or ""
    request = message.get("request")
    subtype = request.get("subtype") if isinstance(request, dict) else None
    return f"{name} {subtype}" if subtype else str(name)


def answered_id_path(message: Message) -> FieldPath:
    """Return the path to the id of what a message answers; empty if it is no answer."""
    kind = message.get("type")
    if kind == "control_response":
        return ("response", "request_id")
    if kind in ("response", "extension_ui_response"):
        return ("id",)
    is_request = "method" in message or kind is not None
    return () if is_request or "id" not in message else ("id",)


def request_id_path(message: Message) -> FieldPath:
    """Return the path to a request's id; empty if a message wants no answer."""
    if answered_id_path(message):
        return ()
    field = "request_id" if message.get("type") == "control_request" else "id"
    return (field,) if field in message else ()


def value_at(message: Message, path: FieldPath) -> Any:
    """Return the value at a path in a message; None if there is none."""
    value: Any = message if path else None
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def with_value(message: Message, path: FieldPath, value: Any) -> Message:
    """Return the message with another value at a path."""
    first, *rest = path
    inner = with_value(message[first], tuple(rest), value) if rest else value
    return {**message, first: inner}
