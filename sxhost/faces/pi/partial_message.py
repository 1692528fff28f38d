"""An assistant message that is still being written, as JSON bytes at any event of its log.

Texts are kept as they stand in JSON, with their length after each event.  So a delta costs its
own length alone, and each reader gets the message as it was at the reader's place in the log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from msgspec.json import decode

from sxhost.codec.json import encode
from sxhost.codec.partial_json import decode_partial

__all__ = ["GrowingText", "PartialMessage", "assistant_message"]

NO_USAGE: Mapping[str, Any] = {
    "input": 0,
    "output": 0,
    "cacheRead": 0,
    "cacheWrite": 0,
    "totalTokens": 0,
    "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "total": 0},
}
"""The usage of a message whose tokens nobody has counted: pi's clients add it up unasked."""


def assistant_message(
    agent: str, content: Any, at_ms: int, stop_reason: str = "stop"
) -> dict[str, Any]:
    """Return an assistant message in pi's form, for an agent that is not pi."""
    return {
        "role": "assistant",
        "content": content,
        "api": agent,
        "provider": agent,
        "model": "",
        "usage": NO_USAGE,
        "stopReason": stop_reason,
        "timestamp": at_ms,
    }


class GrowingText:
    """A text to which events append, as it stands between quotes in JSON."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._seqs: list[int] = []
        self._sizes: list[int] = []

    def append(self, seq: int, text: str) -> None:
        """Append the delta of an event."""
        self.data += encode(text)[1:-1]
        self._seqs.append(seq)
        self._sizes.append(len(self.data))

    def at(self, seq: int, tail: int = 0) -> bytes:
        """Return the text after an event; with `tail`, its last deltas up to so many bytes.

        Only whole deltas are cut off, since an escape sequence of JSON must not be split.
        """
        last = bisect_right(self._seqs, seq) - 1
        if last < 0:
            return b""
        end = self._sizes[last]
        if not tail or end <= tail:
            return bytes(self.data[:end])
        return bytes(self.data[self._sizes[bisect_right(self._sizes, end - tail - 1)] : end])


class ContentBlock:
    """A block of a message's content: text, thinking, or a tool call with its arguments.

    `completed` is the event that ended a tool call, and the call as the agent then gave it.
    """

    def __init__(self, seq: int, kind: str, call: Mapping[str, Any]) -> None:
        self.first = seq
        self.kind = kind
        self.text = GrowingText()
        self.completed: tuple[int, bytes] | None = None
        self._call = call

    def at(self, seq: int) -> bytes:
        """Return the block as JSON, as it was after an event."""
        text = self.text.at(seq)
        if self.kind != "toolCall":
            return b'{"type":"%s","%s":"%s"}' % (self.kind.encode(), self.kind.encode(), text)
        if self.completed is not None and self.completed[0] <= seq:
            return self.completed[1]
        partial = decode(b'"%s"' % text)
        call = {"type": "toolCall", **self._call, "arguments": decode_partial(partial)}
        return encode({**call, "partialArgs": partial})


class PartialMessage:
    """An assistant message, from the event `first` with which it began to `last`.

    :param message: its fields as they are at its beginning; role and content are added.
    :param limit: bytes above which its content is no longer kept.
    :param item: the agent's id for it, if it has one.
    """

    def __init__(
        self, seq: int, message: Mapping[str, Any], limit: int, item: Any = ""
    ) -> None:
        self.first = seq
        self.last: int | None = None
        """The event with which it was complete; None while it grows."""
        self.item = item
        self.at_ms = message.get("timestamp")
        self.size = 0
        self._limit = limit
        self._blocks: dict[int, ContentBlock] = {}
        self._usages: list[tuple[int, bytes]] = []
        rest = {name: message[name] for name in message if name not in ("role", "content")}
        self._head = b'{"role":"assistant","content":['
        self._tail = b"]" + encode(rest).replace(b"{", b",", 1) if rest else b"]}"

    @property
    def too_large(self) -> bool:
        """Whether its content is not kept."""
        return self.size > self._limit

    def append(self, seq: int, index: int, kind: str, text: str) -> None:
        """Append text to a content block; the first piece begins the block."""
        block = self._block(seq, index, kind)
        block.text.append(seq, text)
        # A tool call has its arguments twice: as an object and as `partialArgs`.
        self._grow(len(text) * (1 + (block.kind == "toolCall")))

    def begin_tool_call(self, seq: int, index: int, **call: Any) -> None:
        """Begin a content block that is a tool call."""
        self._blocks[index] = ContentBlock(seq, "toolCall", call)

    def end_tool_call(self, seq: int, index: int, call: bytes) -> None:
        """End a tool call; from this event on it stands as the agent has given it."""
        self._block(seq, index, "toolCall").completed = (seq, call)
        self._grow(len(call))

    def add_usage(self, seq: int, usage: bytes) -> None:
        """Keep the token usage that an event reports."""
        self._usages.append((seq, usage))

    def usage_at(self, seq: int) -> bytes:
        """Return the last usage that was reported up to an event; empty if none was."""
        count = bisect_right(self._usages, seq, key=itemgetter(0))
        return self._usages[count - 1][1] if count else b""

    def _block(self, seq: int, index: int, kind: str) -> ContentBlock:
        if index not in self._blocks:
            self._blocks[index] = ContentBlock(seq, kind, {})
        return self._blocks[index]

    def _grow(self, size: int) -> None:
        self.size += size
        if self.too_large:
            self._blocks.clear()

    def text_at(self, index: int, seq: int) -> bytes | None:
        """Return a block's text after an event, as it stands between quotes; None: not kept."""
        block = self._blocks.get(index)
        if self.too_large:
            return None
        return block.text.at(seq) if block is not None else b""

    def at(self, seq: int) -> bytes | None:
        """Return the message as JSON, as it was after an event; None if it is too large."""
        if self.too_large:
            return None
        blocks = sorted(self._blocks.items())
        parts = [block.at(seq) for _, block in blocks if block.first <= seq]
        return b"".join((self._head, b",".join(parts), self._tail))
