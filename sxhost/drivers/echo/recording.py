"""A recorded dialogue between a host and an agent, and what its messages are to each other.

A file has a line for each message: ``{"dir": "in" or "out", "t": seconds, "msg": …}``; ``out``
is what the host said, ``in`` what the agent did.  A message ``{"_note": …}`` tells that the
process ended there and a new one follows.  The directory's name tells the agent's language.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from sxhost.process.contracts import Exit

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
Place = tuple[str, ...]


class BadRecording(ValueError):
    """It is none; in words that can be shown."""


class RecordedLine(Struct, frozen=True):
    """A message, who said it, and when."""

    dir: Literal["in", "out"]
    msg: Message
    t: float = 0.0


class RecordedProcess(Struct, frozen=True):
    """What was said with one process, and how that ended, if it did."""

    lines: Sequence[RecordedLine]
    end: Exit | None = None


class Recording(Struct, frozen=True):
    """A whole file."""

    acts: Sequence[RecordedProcess]
    agent: str
    """The directory's name: an agent and its version."""

    @property
    def language(self) -> str:
        """The driver that speaks it: ``codex``, ``pi``, ``claude``, ``acp``."""
        return driver_of(self.agent)

    @property
    def program(self) -> str:
        """The agent without its version."""
        return self.agent.rpartition("-")[0] or self.agent

    def answer(self, name: str) -> Message | None:
        """Return what was answered to the first message of a name."""
        for act in self.acts:
            asked = [value_at(said, request_id_path(said)) for said in _said(act, name)]
            for line in act.lines:
                if line.dir == "in" and value_at(line.msg, answered_id_path(line.msg)) in asked:
                    return line.msg
        return None


def _said(act: RecordedProcess, name: str) -> Iterator[Message]:
    for line in act.lines:
        if line.dir == "out" and name_of(line.msg) == name and request_id_path(line.msg):
            yield line.msg


def read(path: Path) -> Recording:
    """Read a file.

    :raises BadRecording: there is none, or it is no recording.
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
    return Recording(list(_acts(lines)), path.parent.name)


def _line(number: int, raw: bytes) -> RecordedLine:
    try:
        return msgspec.json.decode(raw, type=RecordedLine)
    except (ValueError, RecursionError):
        raise BadRecording(f"its line {number} is no line of a recording") from None


def _acts(lines: Sequence[RecordedLine]) -> Iterator[RecordedProcess]:
    begin = 0
    for number, line in enumerate(lines):
        if "_note" in line.msg:
            killed = "SIGKILL" in str(line.msg["_note"])
            yield RecordedProcess(
                lines[begin:number], Exit(signal="SIGKILL") if killed else Exit(code=0)
            )
            begin = number + 1
    yield RecordedProcess(lines[begin:])


def driver_of(name: str) -> str:
    """Return which driver speaks an agent's language, by the agent's name and version."""
    if "-acp-" in name:
        return "acp"
    known = {"codex-": "codex", "pi-": "pi", "claude-2": "claude"}
    return next((driver for start, driver in known.items() if name.startswith(start)), "acp")


# Messages, in whichever language: JSON-RPC, pi's or Claude's.


def name_of(message: Message) -> str:
    """Return what a message is: its method or type; of an answer, what it answers."""
    answered = answered_id_path(message)
    if answered:
        return f"answer {value_at(message, answered)}"
    name = message.get("method") or message.get("type") or ""
    request = message.get("request")
    subtype = request.get("subtype") if isinstance(request, dict) else None
    return f"{name} {subtype}" if subtype else str(name)


def answered_id_path(message: Message) -> Place:
    """Return where a message says what it is the answer to; nowhere if it is none."""
    kind = message.get("type")
    if kind == "control_response":
        return ("response", "request_id")
    if kind in ("response", "extension_ui_response"):
        return ("id",)
    spoken = "method" in message or kind is not None
    return () if spoken or "id" not in message else ("id",)


def request_id_path(message: Message) -> Place:
    """Return where a message says by what name it is to be answered; nowhere if it is not."""
    if answered_id_path(message):
        return ()
    place = "request_id" if message.get("type") == "control_request" else "id"
    return (place,) if place in message else ()


def value_at(message: Message, place: Place) -> Any:
    """Return what stands somewhere in a message; None if nothing does."""
    value: Any = message if place else None
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def with_value(message: Message, place: Place, value: Any) -> Message:
    """Return the message with something else at a place."""
    first, *rest = place
    inner = with_value(message[first], tuple(rest), value) if rest else value
    return {**message, first: inner}
