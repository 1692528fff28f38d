"""The messages of a conversation, each made of the one event that completes it.

So a page of a log, read in either direction, is a page of its transcript.  Events that add a
piece to a message (``message-delta``, ``tool-output``) are no messages: see
`sxhost.transcripts.transcript`.

An agent's own form of a message (`Message.native`) is kept for whoever speaks the agent's
protocol; nothing here reads it.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct

from sxhost.codec.json import encode
from sxhost.model.event import Event
from sxhost.model.event_types import (
    NULL,
    AgentEvent,
    CompleteEvent,
    ErrorEvent,
    MessageEvent,
    ThinkingEvent,
    ToolDoneEvent,
    ToolStartEvent,
    UserMessageEvent,
    decode_event,
)

__all__ = [
    "Block",
    "Message",
    "TextBlock",
    "ThinkingBlock",
    "ToolCallBlock",
    "message_of",
    "object_or_empty",
    "output_text",
]

MESSAGE_OVERHEAD = 200
"""Bytes that a message takes besides its texts."""


class TextBlock(Struct, frozen=True, tag="text"):
    """Words; of a tool's result, what the tool returned."""

    text: str


class ThinkingBlock(Struct, frozen=True, tag="thinking"):
    """Reasoning of the model."""

    text: str


class ToolCallBlock(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="tool-call"):
    """The call of a tool, with its input: a JSON object."""

    item: str = ""
    tool: str = ""
    input: Raw = Raw(b"{}")
    partial: str | None = None
    """The input's JSON as far as it has come; None once it is complete."""
    native: Raw = NULL
    """The call in the agent's own form."""


Block = TextBlock | ThinkingBlock | ToolCallBlock


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
    item: str = ""
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
        return "".join(block.text for block in self.blocks if isinstance(block, TextBlock))

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        native = sum(len(bytes(value)) for value in (self.native or {}).values())
        return MESSAGE_OVERHEAD + native + sum(map(_block_size, self.blocks))


def _block_size(block: Block) -> int:
    if isinstance(block, ToolCallBlock):
        return len(bytes(block.input)) + len(bytes(block.native))
    return len(block.text)


def message_of(event: Event, data: AgentEvent | None = None) -> Message | None:
    """Return the message that an event is by itself; None if it is none, or only a piece.

    :param data: of the event, if it is decoded already.
    """
    match data or decode_event(event):
        case UserMessageEvent(text=text):
            return _message(event, "user", TextBlock(text or event.plain_text()))
        case (MessageEvent() | ThinkingEvent()) as whole:
            block = TextBlock if isinstance(whole, MessageEvent) else ThinkingBlock
            status = "cut" if whole.cut else "completed"
            text = whole.text or event.plain_text()
            return _message(event, "assistant", block(text), whole.item, status)
        case ToolStartEvent(tool=tool, input=given, item=item):
            call = ToolCallBlock(item=item, tool=tool, input=object_or_empty(given))
            return _message(event, "assistant", call, item)
        case ToolDoneEvent() as done:
            result = TextBlock(output_text(done.output))
            return _message(event, "tool", result, done.item, done.status, tool=done.tool)
        case (CompleteEvent() | ErrorEvent()) as end if end.status == "failed":
            # A turn that failed is a message without words, which says why.
            reason = end.reason or ""
            return _message(event, "assistant", TextBlock(""), "", "failed", reason=reason)
        case _:
            return None


def _message(
    event: Event,
    role: str,
    block: Block,
    item: str = "",
    status: str = "completed",
    *,
    tool: str = "",
    reason: str = "",
) -> Message:
    return Message(
        seq=event.seq,
        first=event.seq,
        ts_ms=event.ts_ms,
        role=role,
        blocks=(block,),
        item=item,
        tool=tool,
        status=status,
        reason=reason,
    )


def object_or_empty(given: Raw) -> Raw:
    """Return a tool's input; an empty object if it has none."""
    return given if bytes(given) != b"null" else Raw(b"{}")


def output_text(output: object) -> str:
    """Return a tool's output as a text: it is one, or is missing, or is any JSON (hooks)."""
    if isinstance(output, str):
        return output
    return "" if output is None or output is UNSET else encode(output).decode()
