"""Messages of a transcript in pi's form: complete, or as far as they have been written."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.model.event_types import NULL
from sxhost.transcripts.growing_message import GrowingBlock, GrowingMessage, ToolExecution
from sxhost.transcripts.messages import Block, Message, TextBlock, ThinkingBlock, ToolCallBlock

__all__ = ["encode_growing", "encode_message", "encode_output", "plain_message", "text_content"]

Fields = dict[str, object]

NO_USAGE = Raw(
    b'{"input":0,"output":0,"cacheRead":0,"cacheWrite":0,"totalTokens":0,'
    b'"cost":{"input":0,"output":0,"cacheRead":0,"cacheWrite":0,"total":0}}'
)
"""The usage of a message whose tokens nobody has counted: pi's clients add it up unasked."""

OUTPUT_TAIL = 50_000
"""Bytes of a tool's output that are repeated with each piece: its end, as pi does."""

_KINDS: Mapping[type[Block], bytes] = {TextBlock: b"text", ThinkingBlock: b"thinking"}


def text_content(text: str) -> list[Fields]:
    """Return a text as the content of a message."""
    return [{"type": "text", "text": text}]


def plain_message(message: Message) -> Fields:
    """Return a message as the log has it, without what pi alone knows of its model."""
    role = "toolResult" if message.role == "tool" else message.role
    fields: Fields = {
        "role": role,
        "content": text_content(message.text),
        "timestamp": message.ts_ms,
    }
    if message.role != "tool":
        return fields
    failed = message.status not in ("", "completed")
    call = {"toolCallId": message.item, "toolName": message.tool, "isError": failed}
    return {**fields, **call}


def encode_message(message: Message, agent: str) -> bytes:
    """Return a complete message as JSON: as pi gave it, else made of what is known."""
    if message.native is not None and "role" in message.native:
        return encode(message.native)
    if message.role == "user":
        return encode(plain_message(message))
    if message.role == "tool":
        call = {"role": "toolResult", "toolCallId": message.item, "toolName": message.tool}
        rest = {"isError": message.status != "completed", "timestamp": message.ts_ms}
        return encode({**call, "content": text_content(message.text), **rest})
    fields: Fields = {"role": "assistant", "content": list(map(_content, message.blocks))}
    native = message.native
    fields |= _assistant_fields(agent, message.ts_ms) if native is None else native
    if message.status == "failed":
        fields |= {"stopReason": "error", "errorMessage": message.reason}
    elif message.status == "interrupted":
        fields["stopReason"] = "aborted"
    elif any(isinstance(block, ToolCallBlock) for block in message.blocks):
        fields["stopReason"] = "toolUse"
    return encode(fields)


def encode_growing(growing: GrowingMessage | None, agent: str, seq: int) -> bytes | None:
    """Return a message as it was after an event; None if its content is not kept.

    This is done for each piece of a message, so its texts are copied, not encoded anew.
    """
    if growing is None or growing.too_large:
        return None
    blocks = b",".join([_encode_block(block, seq) for block in growing.blocks_at(seq)])
    if growing.native is None:
        rest = _assistant_json(agent, growing.ts_ms)
    else:
        rest = encode(growing.native)[1:]
    end = b"]," if rest != b"}" else b"]"
    return b"".join((b'{"role":"assistant","content":[', blocks, end, rest))


def encode_output(item: str, tool: ToolExecution, seq: int) -> bytes:
    """Return pi's ``tool_execution_update`` for the output up to an event."""
    text = tool.output.at(seq, OUTPUT_TAIL)
    result = b'{"content":[{"type":"text","text":"%s"}],"details":{}}' % text
    call = {"toolCallId": item, "toolName": tool.tool, "args": tool.input}
    return encode({"type": "tool_execution_update", **call, "partialResult": Raw(result)})


def _assistant_fields(agent: str, ts_ms: int) -> Fields:
    """Return what pi's clients expect in a message of an agent that is not pi."""
    return {
        "api": agent,
        "provider": agent,
        "model": "",
        "usage": NO_USAGE,
        "stopReason": "stop",
        "timestamp": ts_ms,
    }


@lru_cache(maxsize=64)
def _assistant_json(agent: str, ts_ms: int) -> bytes:
    """Return the same encoded, without its first bracket: it is needed for every piece."""
    return encode(_assistant_fields(agent, ts_ms))[1:]


def _encode_block(block: GrowingBlock, seq: int) -> bytes:
    kind = _KINDS.get(block.kind)
    if kind is None:
        return encode(_content(block.at(seq)))
    return b"".join((b'{"type":"', kind, b'","', kind, b'":"', block.text.at(seq), b'"}'))


def _content(block: Block) -> object:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    if isinstance(block, ThinkingBlock):
        return {"type": "thinking", "thinking": block.text}
    if block.native is not NULL:
        return block.native
    call = {"type": "toolCall", "id": block.item, "name": block.tool}
    partial = {} if block.partial is None else {"partialArgs": block.partial}
    return {**call, "arguments": block.input, **partial}
