"""The durable store: a state, and a journal that keeps its transactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sxhost.errors import UnknownSession
from sxhost.logs import logger
from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.model.names import KeptNative
from sxhost.model.search import EventSearch
from sxhost.store.contracts import Draft, FoundEvents, StandingBy
from sxhost.store.follower import NodeFollower
from sxhost.store.group_commit import GroupCommitter, Threads
from sxhost.store.journal import Journal, ReadLimit, Restored
from sxhost.store.log_indexer import LogIndexer
from sxhost.store.news import SharedJournal
from sxhost.store.recent_events import take_enough
from sxhost.store.retention import Retention
from sxhost.store.state import StoreState
from sxhost.store.transaction import Transaction
from sxhost.store.verbs import TransactionVerbs

__all__ = ["JournalledStore"]

log = logger(__name__)

TRIP = ReadLimit(512, 128 * 1024)
"""What one trip to the disk brings at the most: events, or bytes."""


class JournalledStore(TransactionVerbs):
    """A state with a journal: what memory no longer has is read from there.

    :param seconds: a monotonic clock.
    :param native: which events are kept with the agent's own message.
    :param others: the journal again, if other nodes write to it as well.
    """

    def __init__(
        self,
        limits: Limits,
        seconds: Callable[[], float],
        journal: Journal,
        threads: Threads,
        *,
        native: KeptNative = "facts",
        others: SharedJournal | None = None,
    ) -> None:
        self.epoch = ""
        self._journal = journal
        self._threads = threads
        state = StoreState(limits, seconds, only_copy=False)
        state.shares_leases = others is not None
        self._group = GroupCommitter(
            state,
            journal,
            threads,
            self._after_commit,
            native,
            others=others,
            followed=self._after_others,
        )
        self._retention = Retention(state, self._group)
        self._follower = NodeFollower(self._group, threads) if others is not None else None
        self._indexer = LogIndexer(state, journal, threads)
        super().__init__(state, self._group)

    @property
    def name(self) -> str:
        """The kind of store: that of its journal."""
        return self._journal.name

    @property
    def is_shared(self) -> bool:
        """Whether other nodes write to it as well."""
        return self._follower is not None

    @property
    def durability(self) -> str:
        """What an acknowledged write survives: the end of the ``process``, or of ``power``."""
        return self._journal.durability

    @property
    def missing(self) -> str:
        """What the journal lacked at the start of what was acknowledged: a sentence."""
        return self._journal.missing

    def open(self) -> None:
        """Open the journal, and make the state what it holds."""
        try:
            restored = self._journal.open()
        except StandingBy:
            self._threads.start()
            raise
        self._threads.start()
        self._begin(restored)

    async def take_over(self) -> None:
        """Open the journal once the host has ended for which this one stands by."""
        self._begin(await self._threads.write(self._journal.open))

    def _begin(self, restored: Restored) -> None:
        self._warn(restored)
        self._restore(restored)
        self._retention.begin()
        if self._follower is not None:
            self._follower.begin()

    def _warn(self, restored: Restored) -> None:
        if self._journal.missing:
            log.warn("{missing}", missing=self._journal.missing)
        if self._journal.lacking:
            log.warn("{lacking}", lacking=self._journal.lacking)
        if self._journal.renewed:
            log.warn(
                "the end of the log may be lost: a new epoch begins, {epoch}",
                epoch=restored.epoch,
            )

    def _restore(self, restored: Restored) -> None:
        self.epoch = restored.epoch
        state = self._state
        numbers = restored.numbers
        state.start_at(numbers.event, numbers.message, numbers.approval)
        state.add_entries(restored.audit)
        state.ledger.restore(restored.usage, restored.readings)
        for stored in restored.sessions:
            state.restore(stored)
        for session_id in restored.archived:
            state.archive(session_id)
        for session_id, floor in restored.floors.items():
            if state.known.holds(session_id):
                state.recent.drop(session_id, floor)
        state.recent.superseded.add(restored.superseded, float("-inf"))
        for message_id, session_id, until in restored.leases:
            if (record := state.records.get(session_id)) is not None:
                record.messages.lease_until(message_id, until)

    # The log.

    async def append_events(
        self, session_id: str, drafts: Sequence[Draft], at: int
    ) -> list[Event]:
        """Number and keep events, all or none; an unknown session is created."""
        while (events := await self._append(session_id, drafts, at)) is None:
            pass  # a key may have left memory since the disk was asked for it
        return events

    async def _append(
        self, session_id: str, drafts: Sequence[Draft], at: int
    ) -> list[Event] | None:
        """Try once; None if what the disk was asked is no longer all that memory has not."""
        keys = {draft.key for draft in drafts if draft.key is not None}
        records, as_of = self._state.records, self._state.last_event
        record = records.get(session_id)
        older = await self._find_keys(session_id, keys) if keys else {}

        def append(transaction: Transaction) -> list[Event] | None:
            now = records.get(session_id)
            if keys and (now is not record or (record and record.ring.keys_start > as_of)):
                return None
            begins = self.recent.floor(session_id).seq if older else 0
            retained = {key: event for key, event in older.items() if event.seq >= begins}
            return transaction.append_events(session_id, drafts, at, retained)

        return await self._committer.run(append, len(drafts))

    async def _find_keys(self, session_id: str, keys: set[str]) -> Mapping[str, Event]:
        """Return the events that idempotency keys stand for now, in memory or on the disk."""
        record = self._state.records.get(session_id)
        if record is None:
            return {}
        # What is in memory now may not be when it is this operation's turn.
        found = {key: event for key in keys if (event := record.ring.find_key(key))}
        unknown = sorted(keys - found.keys())
        if record.ring.keys_start and unknown:
            found |= await self._threads.read(self._journal.lookup, session_id, unknown)
        return found

    async def read_events(
        self,
        session_id: str | None,
        *,
        seq: int = 0,
        position: int = 0,
        limit: int | None = None,
        size: int | None = None,
        names: frozenset[str] = frozenset(),
    ) -> list[Event]:
        """Return retained events in order, after `seq` and after the id `position`."""
        await self._group.catch_up()
        if session_id is not None and not self.known.holds(session_id):
            raise UnknownSession(session_id)
        end = self.recent.position
        most = end if limit is None else limit
        found: list[Event] = []
        while len(found) < most:
            # Of a log that is filtered, any number may be needed for a few.
            count = TRIP.events if names else min(TRIP.events, most - len(found))
            trip = ReadLimit(count, TRIP.size)
            events, is_all = await self._read_some(session_id, seq, position, trip)
            found += (e for e in events if e.id <= end and (not names or e.event in names))
            if is_all or not events:
                break
            if size is not None and sum(len(event.data) for event in found) >= size:
                break
            position = events[-1].id
        return take_enough(found, most, size)

    async def _read_some(
        self, session_id: str | None, seq: int, position: int, trip: ReadLimit
    ) -> tuple[list[Event], bool]:
        """Return the next events, from memory if it has them all, and whether that is all."""
        events = self.recent.since(session_id, position)
        if events is None and session_id is not None:
            events = self.recent.after_seq(session_id, seq)
        if events is not None:
            return [event for event in events if event.seq > seq and event.id > position], True
        page: tuple[list[Event], bool] = await self._threads.read(
            self._journal.read, session_id, seq, position, trip
        )
        return await self._group.settled(page)

    async def seq_before(self, session_id: str, count: int) -> int:
        """Return the number after which a session's last `count` facts come; 0 for all."""
        await self._group.catch_up()
        if not self.known.holds(session_id):
            raise UnknownSession(session_id)
        seq = self.recent.seq_before(session_id, count)
        if seq is None:
            seq = await self._threads.read(self._journal.seq_before, session_id, count)
        return seq

    async def search_events(self, search: EventSearch, before: int, limit: int) -> FoundEvents:
        """Search some of the facts that are older than the id `before`, the newest first."""
        await self._group.catch_up()
        return await self._indexer.search(search, before, limit)

    def _after_commit(self, transaction: Transaction) -> None:
        self._retention.after_commit(transaction)
        self._indexer.after_commit()

    def _after_others(self, transaction: Transaction) -> None:
        self._retention.after_others(transaction)

    async def sweep(self, at: int) -> None:
        """Drop what is superseded or too old, step by step, between other writes."""
        self._indexer.begin()
        await self._retention.drop_superseded()
        if await self._retention.drop_older(at):
            await self.drop_usage(at)
            for session_id in await self._threads.read(self._journal.empty_archives):
                await self.delete(session_id)

    async def beat(self) -> None:
        """Show that this host lives, and find out what became of commits in doubt."""
        await self._group.beat()

    async def ping(self) -> None:
        """Wait for a turn of the thread that writes: a disk that hangs gives none."""
        await self._threads.write(lambda: None)

    async def close(self) -> None:
        """Finish what is being written, and let go of the journal."""
        if self._follower is not None:
            self._follower.end()
        self._group.begin()
        await self._threads.read(self._journal.stop_reading)
        await self._indexer.close()
        await self._threads.write(self._journal.close)
        self._threads.stop()
