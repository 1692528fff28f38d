"""A message that grows: what it was at any event of its log, as bytes.

Texts are kept as they stand in JSON, and for each event how long they were; so a piece costs
its own length, and readers who are at different places get each what was known there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from msgspec.json import decode

from sxhost.codec.json import encode
from sxhost.codec.partial_json import completed

__all__ = ["PartialMessage", "Text", "message_of"]

USAGE: Mapping[str, Any] = {
    "input": 0,
    "output": 0,
    "cacheRead": 0,
    "cacheWrite": 0,
    "totalTokens": 0,
    "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "total": 0},
}
"""What is said to be used where nobody has counted: pi's clients add it up."""


def message_of(agent: str, content: Any, at_ms: int, stop: str = "stop") -> dict[str, Any]:
    """Return a message of an assistant that is not pi."""
    return {
        "role": "assistant",
        "content": content,
        "api": agent,
        "provider": agent,
        "model": "",
        "usage": USAGE,
        "stopReason": stop,
        "timestamp": at_ms,
    }


class Text:
    """A text that grows, as it stands between quotes in JSON."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._seqs: list[int] = []
        self._sizes: list[int] = []

    def add(self, seq: int, text: str) -> None:
        """Add what came with an event."""
        self.data += encode(text)[1:-1]
        self._seqs.append(seq)
        self._sizes.append(len(self.data))

    def at(self, seq: int, most: int = 0) -> bytes:
        """Return what it was at an event: all, or the pieces at its end up to so many bytes."""
        last = bisect_right(self._seqs, seq) - 1
        if last < 0:
            return b""
        end = self._sizes[last]
        if not most or end <= most:
            return bytes(self.data[:end])
        return bytes(self.data[self._sizes[bisect_right(self._sizes, end - most - 1)] : end])


class Block:
    """A part of a message: its text, or a tool's call, which is whole once it has `ended`."""

    def __init__(self, seq: int, kind: str, call: Mapping[str, Any]) -> None:
        self.began = seq
        self.kind = kind
        self.text = Text()
        self.ended: tuple[int, bytes] | None = None
        self._call = call

    def at(self, seq: int) -> bytes:
        """Return it as it was at an event."""
        text = self.text.at(seq)
        if self.kind != "toolCall":
            return b'{"type":"%s","%s":"%s"}' % (self.kind.encode(), self.kind.encode(), text)
        if self.ended is not None and self.ended[0] <= seq:
            return self.ended[1]
        said = decode(b'"%s"' % text)
        call = {"type": "toolCall", **self._call, "arguments": completed(said)}
        return encode({**call, "partialArgs": said})


class PartialMessage:
    """An assistant's message from the event with which it began; `item` may name it.

    One that becomes larger than `most` bytes is not kept.
    """

    def __init__(self, seq: int, message: Mapping[str, Any], most: int, item: Any = "") -> None:
        self.began = seq
        self.item = item
        self.at_ms = message.get("timestamp")
        self.over: int | None = None
        """The event at which it ended."""
        self.size = 0
        self._most = most
        self._blocks: dict[int, Block] = {}
        self._used: list[tuple[int, bytes]] = []
        rest = {name: message[name] for name in message if name not in ("role", "content")}
        self._head = b'{"role":"assistant","content":['
        self._tail = b"]" + encode(rest).replace(b"{", b",", 1) if rest else b"]}"

    @property
    def too_large(self) -> bool:
        """Whether it is not kept."""
        return self.size > self._most

    def add(self, seq: int, index: int, kind: str, text: str) -> None:
        """Add to a block, which begins with its first piece."""
        block = self._block(seq, index, kind)
        block.text.add(seq, text)
        self._grow(len(text) * (1 + (block.kind == "toolCall")))  # which tells it twice

    def call(self, seq: int, index: int, **call: Any) -> None:
        """Begin a tool's call."""
        self._blocks[index] = Block(seq, "toolCall", call)

    def called(self, seq: int, index: int, call: bytes) -> None:
        """End a tool's call."""
        self._block(seq, index, "toolCall").ended = (seq, call)
        self._grow(len(call))

    def uses(self, seq: int, usage: bytes) -> None:
        """Learn what was used so far."""
        self._used.append((seq, usage))

    def used(self, seq: int) -> bytes:
        """Return what was used up to an event, as it was said last; nothing if it never was."""
        said = bisect_right(self._used, seq, key=itemgetter(0))
        return self._used[said - 1][1] if said else b""

    def _block(self, seq: int, index: int, kind: str) -> Block:
        if index not in self._blocks:
            self._blocks[index] = Block(seq, kind, {})
        return self._blocks[index]

    def _grow(self, size: int) -> None:
        self.size += size
        if self.too_large:
            self._blocks.clear()

    def text(self, index: int, seq: int) -> bytes | None:
        """Return a block's text at an event, as it stands between quotes; None: not kept."""
        block = self._blocks.get(index)
        if self.too_large:
            return None
        return block.text.at(seq) if block is not None else b""

    def at(self, seq: int) -> bytes | None:
        """Return the message at an event; None if it is too large."""
        if self.too_large:
            return None
        blocks = sorted(self._blocks.items())
        parts = [block.at(seq) for _, block in blocks if block.began <= seq]
        return b"".join((self._head, b",".join(parts), self._tail))
