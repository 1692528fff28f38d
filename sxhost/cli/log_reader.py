"""The part of a conversation that `sxhost log` shows, read from the host in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.session import Detail
    from sxhost.model.transcript import TranscriptItem

__all__ = ["ConversationPart", "begins_turn", "last_turns", "read_conversation"]

PAGE = 500
"""Items that are asked for at once."""


class ConversationPart:
    """A part of a conversation that was read: the session, its items, where they end."""

    def __init__(self, session_id: str, session: Detail) -> None:
        self.id = session_id
        self.session = session
        self.items: list[TranscriptItem] = []
        self.through = 0
        self.dropped = 0
        self.is_whole = False
        """Whether nothing that is kept precedes them."""

    def clean(self, clean: Callable[[Any], Any]) -> Iterator[None]:
        """Take out what is not to be shown, item by item."""
        self.session = clean(replace(self.session, events=[], native_id=""))
        for at, item in enumerate(self.items):
            self.items[at] = clean(item)
            yield


async def read_conversation(
    host: HostClient, session_id: str, turns: int | None, since: float | None, detail: Any
) -> ConversationPart:
    """Read the last turns, what has happened since a moment, or all of a conversation."""
    from sxhost.model.transcript import TranscriptQuery

    read, before = ConversationPart(session_id, await host.session(session_id)), None
    pages: list[Sequence[TranscriptItem]] = []
    begun = 0
    while True:
        query = TranscriptQuery(before=before, limit=PAGE, detail=detail)
        page = await host.transcript(session_id, query)
        is_end = page.before is None or (before is not None and page.before >= before)
        if before is None:
            read.through = page.through
        pages.append(page.items)
        read.dropped, before = page.dropped, page.before
        begun += sum(map(begins_turn, page.items))
        is_enough = turns is not None and begun > turns
        if since is not None and page.items:
            is_enough = page.items[0].ts_ms < since * 1000
        if is_end or is_enough:
            read.is_whole = is_end
            break
    read.items = [item for items in reversed(pages) for item in items]
    if turns is not None:
        read.items[:] = last_turns(read.items, turns)
    if since is not None:
        read.items[:] = [item for item in read.items if item.end_ms >= since * 1000]
    return read


def last_turns(items: Sequence[TranscriptItem], count: int) -> Sequence[TranscriptItem]:
    """Return the items of the last turns: each begins with what the user has said."""
    begins = [at for at, item in enumerate(items) if begins_turn(item)]
    return items[begins[-count] :] if len(begins) >= count else items


def begins_turn(item: TranscriptItem) -> bool:
    """Tell whether a turn begins with an item."""
    return item.kind == "user" and item.by != "steer" and not item.parent
