"""The messages of a conversation, each made of the one event that completes it.

So a page of a log, read in either direction, is a page of its transcript.  Events that add a
piece to a message (``message-delta``, ``tool-output``) are no messages: see
`sxhost.streams.transcript`.

An agent's own form of a message (`Message.native`) is kept for whoever speaks the agent's
protocol; nothing here reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from sxhost.model.session import Event

__all__ = [
    "NULL",
    "Block",
    "EventFields",
    "Item",
    "Message",
    "Text",
    "Thinking",
    "ToolCall",
    "message_of",
    "object_or_empty",
]

NULL = Raw(b"null")

MESSAGE_OVERHEAD = 200
"""Bytes that a message takes besides its texts."""

Item = str | int | float | bool | None
"""An agent's id of a message or of a tool's call; attached agents may use any plain value."""


class EventFields(Struct, frozen=True):
    """The fields of an event's data from which transcripts are made."""

    item: Item = ""
    text: str = ""
    tool: str = ""
    input: Raw = NULL
    output: Raw = Raw(b'""')
    status: str = ""
    reason: str = ""
    cut: bool = False
    native: Raw = NULL

    @classmethod
    def of(cls, event: Event) -> EventFields:
        """Decode an event's data; attached agents may send a text alone, or anything else."""
        try:
            return _decode_fields(event.data)
        except msgspec.DecodeError:
            return cls(text=_text_of(event.data) if bytes(event.data).startswith(b'"') else "")


_decode_fields = msgspec.json.Decoder(EventFields).decode


def _text_of(value: Raw) -> str:
    """Return a JSON string's text; of another value its JSON, of null nothing."""
    data = bytes(value)
    if data.startswith(b'"'):
        return msgspec.json.decode(data, type=str)
    return "" if data == b"null" else data.decode()


class Text(Struct, frozen=True, tag="text"):
    """Words; of a tool's result, what the tool returned."""

    text: str


class Thinking(Struct, frozen=True, tag="thinking"):
    """Reasoning of the model."""

    text: str


class ToolCall(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="tool-call"):
    """The call of a tool, with its input: a JSON object."""

    item: Item = ""
    tool: str = ""
    input: Raw = Raw(b"{}")
    partial: str | None = None
    """The input's JSON as far as it has come; None once it is complete."""
    native: Raw = NULL
    """The call in the agent's own form."""


Block = Text | Thinking | ToolCall


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message that is complete, or was cut."""

    seq: int
    """The event that made it complete."""
    first: int
    """The event with which it began; `seq` if it came as a whole."""
    ts_ms: int
    """When it began (Unix ms)."""
    role: str
    """``user``, ``assistant`` or ``tool`` (a tool's result); an agent may have more."""
    blocks: tuple[Block, ...] = ()
    item: Item = ""
    tool: str = ""
    """Of a tool's result: which tool it is of."""
    status: str = "completed"
    """``completed``; of a tool's result as in ``tool-done``; of what was still being written
    when its turn ended, how the turn ended."""
    reason: str = ""
    """Why its turn failed."""
    native: dict[str, Raw] | None = None
    """The fields of the message in the agent's own form, where its events have them."""

    @property
    def text(self) -> str:
        """Its words, without reasoning."""
        return "".join(block.text for block in self.blocks if isinstance(block, Text))

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        native = sum(len(bytes(value)) for value in (self.native or {}).values())
        return MESSAGE_OVERHEAD + native + sum(map(_block_size, self.blocks))


def _block_size(block: Block) -> int:
    if isinstance(block, ToolCall):
        return len(bytes(block.input)) + len(bytes(block.native))
    return len(block.text)


def message_of(event: Event, fields: EventFields | None = None) -> Message | None:
    """Return the message that an event is by itself; None if it is none, or only a piece.

    :param fields: of the event, if they are decoded already.
    """
    make = _FACTS.get(event.event)
    return make(event, fields or EventFields.of(event)) if make is not None else None


def object_or_empty(given: Raw) -> Raw:
    """Return a tool's input; an empty object if it has none."""
    return given if bytes(given) != b"null" else Raw(b"{}")


def _user_message(event: Event, fields: EventFields) -> Message:
    return _message(event, fields, "user", Text(fields.text))


def _assistant_text(event: Event, fields: EventFields) -> Message:
    block = Text if event.event == "message" else Thinking
    status = "cut" if fields.cut else "completed"
    return _message(event, fields, "assistant", block(fields.text), status)


def _tool_call(event: Event, fields: EventFields) -> Message:
    given = object_or_empty(fields.input)
    call = ToolCall(item=fields.item, tool=fields.tool, input=given)
    return _message(event, fields, "assistant", call)


def _tool_result(event: Event, fields: EventFields) -> Message:
    result = Text(_text_of(fields.output))
    return replace(_message(event, fields, "tool", result, fields.status), tool=fields.tool)


def _failure(event: Event, fields: EventFields) -> Message | None:
    """Return why a turn failed, as a message without words."""
    if fields.status != "failed":
        return None
    failed = _message(event, fields, "assistant", Text(""), "failed")
    return replace(failed, reason=fields.reason)


def _message(
    event: Event, fields: EventFields, role: str, block: Block, status: str = "completed"
) -> Message:
    return Message(
        seq=event.seq,
        first=event.seq,
        ts_ms=event.ts_ms,
        role=role,
        blocks=(block,),
        item=fields.item,
        status=status,
    )


_FACTS: Mapping[str, Callable[[Event, EventFields], Message | None]] = {
    "user-message": _user_message,
    "message": _assistant_text,
    "thinking": _assistant_text,
    "tool-start": _tool_call,
    "tool-done": _tool_result,
    "complete": _failure,
    "error": _failure,
}
