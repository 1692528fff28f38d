"""Keeps the index of a journal's log up to date, and searches it."""

from __future__ import annotations

from typing import Any

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

ENOUGH, QUIET_S = 512, 0.5
"""New events that are indexed once nothing was written for so many seconds: many cost less
each, and whoever writes does not share the processor with the index.
"""

BEHIND = 50_000
"""New events that are indexed whatever is written: a search, which waits until all are, waits
for a quarter of a second at the most.
"""

OLDER_STEPS = 4
"""Steps by which a search has the index grow: its caller waits for a tenth of a second."""


class LogIndexer:
    """Has a journal index its log, in steps beside its other work.

    An append costs nothing more: what is new is indexed once nobody writes, before it is too
    much, or first of all when somebody searches.
    """

    def __init__(self, state: StoreState, journal: Journal, threads: Threads) -> None:
        self._state = state
        self._journal = journal
        self._threads = threads
        self._indexed = 0
        """The last event when indexing began last."""
        self._seen = 0
        """The last event when it was looked last whether anybody writes."""
        self._timer: Any = None
        self._busy = self._closed = False

    def after_commit(self) -> None:
        """Have what is new indexed: soon if it is enough, now if it is too much."""
        new = self._state.last_event - self._indexed
        if new >= BEHIND:
            self.begin()
        elif new >= ENOUGH and self._timer is None and not self._closed:
            self._wait_for_quiet()

    def _wait_for_quiet(self) -> None:
        self._seen = self._state.last_event
        self._timer = self._threads.later(QUIET_S, self._look_whether_quiet)

    def _look_whether_quiet(self) -> None:
        self._timer = None
        if self._seen == self._state.last_event:
            self.begin()
        else:
            self._wait_for_quiet()

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
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._threads.index(self._journal.stop_searching)
