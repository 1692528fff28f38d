"""Pages of a session's transcript, read from its log in either direction, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final

from msgspec import UNSET, Raw
from msgspec.structs import replace

from sxhost.codec.json import encode
from sxhost.codec.shorten import cut_in_the_middle
from sxhost.model.event import Event
from sxhost.model.event_types import (
    ApprovalResolvedEvent,
    CompleteEvent,
    ErrorEvent,
    ToolDoneEvent,
)
from sxhost.model.host import Pages
from sxhost.model.transcript import ItemKind, TranscriptItem, TranscriptPage, TranscriptQuery
from sxhost.transcripts.conversation import ConversationFold

__all__ = ["TranscriptPager"]

SIZE: Final = 1 << 20
"""Bytes of events that make a page, beside those of the last one."""

STRETCHES: Final = 8
"""Such amounts of events that are looked through for the first item, at the most."""

SCANNED: Final = 20_000
"""Events that are read for a page at the most, whatever they hold."""

AHEAD: Final = 200
"""Ends of calls, approvals and turns that are read beyond a page."""

ENDS: Final = ",".join(
    each.name for each in (ToolDoneEvent, ApprovalResolvedEvent, CompleteEvent, ErrorEvent)
)
"""The events with which an item is over that has begun earlier."""

SHOWN: Final = 2_000
"""Characters of a tool's input and output in a compact transcript."""

WORDS: Final[frozenset[ItemKind]] = frozenset({"user", "message", "approval"})

ReadAfter = Callable[[int, str], Pages]
"""Reads a session's retained events after a number; of some types if any are named."""


class TranscriptPager:
    """Reads pages of one session's transcript.

    :param read: reads its events.
    :param floor: the number of its first event that may be retained.
    :param end: the number of its last event.
    """

    def __init__(self, read: ReadAfter, floor: int, end: int) -> None:
        self._read = read
        self._floor = floor
        self._end = end

    async def page(self, query: TranscriptQuery) -> TranscriptPage:
        """Return the items that a query asks for."""
        if query.after is not None:
            return await self._page_after(query.after, query)
        return await self._page_before(query)

    async def _page_after(self, after: int, query: TranscriptQuery) -> TranscriptPage:
        """Fold from a place on until there are enough items."""
        conversation, until = self._conversation(after), self._until(query)
        count = size = scanned = 0
        through, is_end = after, False
        async for event in self._between(after, until):
            is_full = count >= query.limit or size >= SIZE or scanned >= SCANNED
            if is_full and not _is_written(conversation):
                break
            begun = len(conversation)
            place = conversation.add(event)
            count += place == begun and _is_shown(conversation.item(begun), query)
            through, scanned, size = event.seq, scanned + 1, size + len(event.data)
        else:
            through, is_end = max(after, until), until == self._end
        items = await self._with_ends(conversation, through)
        return self._page_of(items, after + 1, None if is_end else through, through, query)

    async def _page_before(self, query: TranscriptQuery) -> TranscriptPage:
        """Fold what precedes a place; further back, where that begins no item at all.

        A tool that prints much may fill a stretch with pieces of its output alone.
        """
        end = self._until(query)
        conversation, first = await self._stretch_before(end, query)
        until, stretches = end, 1
        while first > self._floor and stretches < STRETCHES and not conversation.items:
            until, stretches = first - 1, stretches + 1
            conversation, first = await self._stretch_before(until, query)
        items = await self._with_ends(conversation, until)
        return self._page_of(items, first, None if end == self._end else end, end, query)

    async def _stretch_before(
        self, until: int, query: TranscriptQuery
    ) -> tuple[ConversationFold, int]:
        """Fold the last events up to one, ever more of them, until there are enough items.

        Return the fold, and the first event of it.
        """
        reach = 2 * query.limit
        while True:
            start = max(until - reach, self._floor - 1)
            events, is_whole = await self._newest(start, until)
            first = start + 1 if is_whole else events[0].seq
            conversation = self._conversation(first - 1)
            for event in events:
                conversation.add(event)
            count = sum(_is_shown(item, query) for item in conversation.items)
            if count >= query.limit or first <= self._floor or not is_whole:
                return conversation, first
            if reach >= SCANNED:
                return conversation, first
            reach *= 4

    def _until(self, query: TranscriptQuery) -> int:
        return self._end if query.before is None else max(0, min(query.before - 1, self._end))

    def _conversation(self, after: int) -> ConversationFold:
        return ConversationFold(whole=after < self._floor)

    async def _between(self, after: int, until: int) -> AsyncIterator[Event]:
        async for page in self._read(after, ""):
            for event in page:
                if event.seq > until:
                    return
                yield event

    async def _newest(self, after: int, until: int) -> tuple[Sequence[Event], bool]:
        """Return the last events of a stretch that have `SIZE` bytes; whether these are all."""
        kept: deque[Event] = deque()
        size, is_whole = 0, True
        async for event in self._between(after, until):
            kept.append(event)
            size += len(event.data)
            while size > SIZE and len(kept) > 1:
                size -= len(kept.popleft().data)
                is_whole = False
        return kept, is_whole

    async def _with_ends(
        self, conversation: ConversationFold, after: int
    ) -> Sequence[TranscriptItem]:
        """Return the items, each as it has ended, if it has soon after a place."""
        count, read = len(conversation), 0
        if after < self._end and conversation.open:
            async for page in self._read(after, ENDS):
                for event in page:
                    conversation.add(event)
                read += len(page)
                if read >= AHEAD or not any(place < count for place in conversation.open):
                    break
        return conversation.items[:count]

    def _page_of(
        self,
        items: Iterable[TranscriptItem],
        first: int,
        after: int | None,
        through: int,
        query: TranscriptQuery,
    ) -> TranscriptPage:
        """Return a page; `first` is the event from which on its items were looked for."""
        shown = [item for item in items if _is_shown(item, query)]
        if query.after is None and len(shown) > query.limit:
            shown = shown[-query.limit :]
            first = shown[0].seq
        if query.detail == "compact":
            shown = [_compact(item) for item in shown]
        return TranscriptPage(
            items=shown,
            before=first if first > self._floor else None,
            after=after,
            through=through,
            dropped=self._floor - 1,
        )


def _is_shown(item: TranscriptItem, query: TranscriptQuery) -> bool:
    return query.detail != "words" or item.kind in WORDS


def _is_written(conversation: ConversationFold) -> bool:
    """Tell whether a text is being written: its end belongs to the same page."""
    kinds = (conversation.item(place).kind for place in conversation.open)
    return any(kind in ("message", "thinking") for kind in kinds)


def _compact(item: TranscriptItem) -> TranscriptItem:
    """Return an item whose input and output are short, and whose pictures are only named."""
    if item.images:
        item = replace(item, images=[replace(each, data="") for each in item.images])
    if item.kind != "tool":
        return item
    if item.input is not UNSET and len(bytes(item.input)) > SHOWN:
        short = cut_in_the_middle(bytes(item.input).decode(), SHOWN)
        item = replace(item, input=Raw(encode(short)))
    return replace(item, text=cut_in_the_middle(item.text, SHOWN))
