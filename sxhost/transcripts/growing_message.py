"""Messages that are being written, and the output of tools that run, at any event of a log.

Texts are kept as they stand in JSON, with their length after each event: a piece costs its own
length alone, and each reader gets the text as it was at the reader's place in the log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from sxhost.codec.json import encode
from sxhost.codec.partial_json import decode_partial
from sxhost.model.event_types import NULL
from sxhost.transcripts.messages import (
    Block,
    Message,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    object_or_empty,
)

__all__ = ["GrowingBlock", "GrowingMessage", "GrowingText", "ToolExecution"]

OUTPUT_KEPT = 200_000
"""Bytes of a tool's output that are kept while it runs: its end, of which readers show less."""


class GrowingText:
    """A text to which events append, as it stands between quotes in JSON.

    So a piece costs its own length alone, however often the text is sent.

    :param kept: bytes of its end that are kept at least; 0 for all.
    """

    def __init__(self, kept: int = 0) -> None:
        self._kept = kept
        self._data = bytearray()
        self._dropped = 0
        self._seqs: list[int] = []
        self._ends: list[int] = []
        """Where each piece ends, counted from the text's beginning."""

    def append(self, seq: int, text: str) -> None:
        """Append the piece of an event."""
        self._data += encode(text)[1:-1]
        self._seqs.append(seq)
        self._ends.append(self._dropped + len(self._data))
        if self._kept and len(self._data) > 2 * self._kept:
            self._drop_pieces(bisect_right(self._ends, self._ends[-1] - self._kept))

    def _drop_pieces(self, count: int) -> None:
        """Drop the first pieces: whole ones, so that no escape sequence of JSON is split."""
        size = self._ends[count - 1] - self._dropped
        del self._data[:size], self._seqs[:count], self._ends[:count]
        self._dropped += size

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return len(self._data)

    def at(self, seq: int, tail: int = 0) -> bytes:
        """Return the text after an event; with `tail`, its last pieces up to so many bytes."""
        last = bisect_right(self._seqs, seq) - 1
        if last < 0:
            return b""
        begin, end = self._dropped, self._ends[last]
        if tail and end - begin > tail:
            begin = self._ends[bisect_right(self._ends, end - tail - 1)]
        return bytes(memoryview(self._data)[begin - self._dropped : end - self._dropped])


class GrowingBlock:
    """A part of a message that is being written; of a tool's call, the text is its input."""

    def __init__(self, seq: int, kind: type[Block], item: str = "", tool: str = "") -> None:
        self.first = seq
        self.kind = kind
        self.text = GrowingText()
        self._item = item
        self._tool = tool
        self._completed: tuple[int, Raw] | None = None

    def complete_call(self, seq: int, native: Raw) -> None:
        """Note that an event has given the whole call, in the agent's own form."""
        self._completed = seq, native

    def at(self, seq: int) -> Block:
        """Return the block as it was after an event."""
        text = msgspec.json.decode(b'"%s"' % self.text.at(seq), type=str)
        if self.kind is not ToolCallBlock:
            return TextBlock(text) if self.kind is TextBlock else ThinkingBlock(text)
        call = ToolCallBlock(
            item=self._item,
            tool=self._tool,
            input=Raw(encode(decode_partial(text))),
            partial=text,
        )
        if self._completed is not None and self._completed[0] <= seq:
            return replace(call, partial=None, native=self._completed[1])
        return call


class GrowingMessage:
    """A message that is being written, from the event `first` with which it began to `last`.

    :param limit: bytes above which its content is no longer kept.
    :param item: the agent's id for it, if it has one.
    :param native: its fields at its beginning, in the agent's own form.
    """

    def __init__(
        self,
        seq: int,
        ts_ms: int,
        limit: int,
        item: str = "",
        native: dict[str, Raw] | None = None,
    ) -> None:
        self.first = seq
        self.last: int | None = None
        """The event with which it was complete; None while it grows."""
        self.ts_ms = ts_ms
        self.item = item
        self.native = native
        self.size = 0
        self._limit = limit
        self._blocks: dict[int, GrowingBlock] = {}
        self._usages: list[tuple[int, Raw]] = []

    @property
    def too_large(self) -> bool:
        """Whether its content is not kept."""
        return self.size > self._limit

    def append(self, seq: int, kind: type[Block], text: str, index: int = 0) -> None:
        """Append text to the block `index`; the first piece begins the block."""
        block = self._blocks.setdefault(index, GrowingBlock(seq, kind))
        block.text.append(seq, text)
        # A tool's call is sent with its input twice: as an object, and as it is written.
        self._grow(len(text) * (2 if block.kind is ToolCallBlock else 1))

    def begin_call(self, seq: int, index: int, item: str, tool: str) -> None:
        """Begin a block that is a tool's call."""
        self._blocks[index] = GrowingBlock(seq, ToolCallBlock, item, tool)

    def complete_call(self, seq: int, index: int, native: Raw) -> None:
        """Complete a tool's call: from this event on it is as the agent has given it."""
        block = self._blocks.setdefault(index, GrowingBlock(seq, ToolCallBlock))
        block.complete_call(seq, native)
        self._grow(len(bytes(native)))

    def _grow(self, size: int) -> None:
        self.size += size
        if self.too_large:
            self._blocks.clear()

    def add_usage(self, seq: int, usage: Raw) -> None:
        """Keep the count of tokens that a piece reports, in the agent's own form."""
        self._usages.append((seq, usage))

    def usage_at(self, seq: int) -> Raw | None:
        """Return the last usage that was reported up to an event."""
        count = bisect_right(self._usages, seq, key=itemgetter(0))
        return self._usages[count - 1][1] if count else None

    def blocks_at(self, seq: int) -> Sequence[GrowingBlock]:
        """Return the blocks that had begun by an event, in order."""
        blocks = sorted(self._blocks.items())
        return [block for _, block in blocks if block.first <= seq]

    def text_at(self, index: int, seq: int) -> bytes | None:
        """Return a block's text after an event, as it stands in JSON; None: it is not kept."""
        if self.too_large:
            return None
        block = self._blocks.get(index)
        return block.text.at(seq) if block is not None else b""

    def cut(self, seq: int, status: str, reason: str) -> Message:
        """Return the message as far as it has come, at the event that has ended its turn."""
        message = Message(
            seq=seq, first=self.first, ts_ms=0, role="assistant", status=status, reason=reason
        )
        if self.too_large:
            return message
        blocks = tuple(block.at(seq) for block in self.blocks_at(seq))
        return replace(message, ts_ms=self.ts_ms, blocks=blocks, native=self.native)


class ToolExecution:
    """A tool's execution: which tool, its input, and its output so far.

    :param given: the tool's input, a JSON object.
    """

    def __init__(self, tool: str, given: Raw = NULL) -> None:
        self.tool = tool
        self.input = object_or_empty(given)
        self.output = GrowingText(OUTPUT_KEPT)
        self.native: dict[str, Raw] = {}
        """Its result in the agent's own form."""
