"""Keeps the index of a journal's log up to date, and searches it."""

from __future__ import annotations

from sxhost.errors import HostError
from sxhost.logs import logger
from sxhost.model.search import EventSearch
from sxhost.store.contracts import FoundEvents
from sxhost.store.group_commit import Threads
from sxhost.store.journal import Journal
from sxhost.store.state import StoreState
from sxhost.waiting import background

__all__ = ["LogIndexer"]

log = logger(__name__)

BEHIND = 512
"""New events that are indexed at once: many cost less each, and a search waits for few."""

OLDER_STEPS = 16
"""Steps by which a search has the index grow: its caller waits for a tenth of a second."""


class LogIndexer:
    """Has a journal index its log, in steps beside its other work.

    An append costs nothing more: what is new is indexed later, or first of all when somebody
    searches.
    """

    def __init__(self, state: StoreState, journal: Journal, threads: Threads) -> None:
        self._state = state
        self._journal = journal
        self._threads = threads
        self._indexed = 0
        """The last event when indexing began last."""
        self._busy = self._closed = False

    def after_commit(self) -> None:
        """Have what is new indexed, if it is enough."""
        if self._state.last_event - self._indexed >= BEHIND:
            self.begin()

    def begin(self) -> None:
        """Have all indexed that is not, the newest first."""
        if not self._busy and not self._closed:
            self._indexed = self._state.last_event
            background(self._index(), log, "indexing the log")

    async def _index(self) -> None:
        self._busy = True
        try:
            while await self._index_newer() or await self._index_older():
                pass
        except HostError as error:
            log.warn("the log was not indexed: {error}", error=error)
        finally:
            self._busy = False

    async def _index_newer(self) -> bool:
        if self._closed:
            return False
        step = self._threads.index(self._journal.index_newer, self._state.last_event)
        more: bool = await step
        return more

    async def _index_older(self) -> bool:
        more: bool = not self._closed and await self._threads.index(self._journal.index_older)
        return more

    async def search(self, search: EventSearch, before: int, limit: int) -> FoundEvents:
        """Search some of the facts that are older than the id `before`, the newest first.

        Before the first step of a search all that is new is indexed, and some of what is old:
        in a log that is not long, all.
        """
        if before > self._state.last_event:
            while await self._index_newer():
                pass
            for _ in range(OLDER_STEPS):
                if not await self._index_older():
                    break
        found: FoundEvents = await self._threads.index(
            self._journal.search, search, before, limit
        )
        return found

    async def close(self) -> None:
        """Let go of the index once a step that runs is over."""
        self._closed = True
        await self._threads.index(self._journal.stop_searching)
