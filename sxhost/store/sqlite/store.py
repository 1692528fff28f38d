"""The durable store: the memory store with a journal, acknowledged after its commit.

One thread writes.  What arrives while it commits waits and shares the next commit, so that
many small writes cost one trip to the disk.  Until then nobody sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure

from sxhost.errors import HostError, UnknownSession
from sxhost.logs import logger
from sxhost.model.approval import Approval
from sxhost.model.limits import Limits
from sxhost.model.session import Event, Message, Session
from sxhost.store.age import SteadyClock
from sxhost.store.archive import Archived, ArchivedLog, StoredSession
from sxhost.store.contracts import Draft, take_enough
from sxhost.store.hot import RECENT
from sxhost.store.memory import MemoryStore
from sxhost.store.sqlite.changes import write_batch
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.store.sqlite.rows import Floor, ReadLimit
from sxhost.store.transaction import Change
from sxhost.waiting import background

__all__ = ["SQLiteStore", "Threads"]

log = logger(__name__)
T = TypeVar("T")

Run = Callable[..., "Deferred[Any]"]
"""Runs a function with its arguments where it may block."""

TRIP = ReadLimit(512, 128 * 1024)
"""What one trip to the disk brings: events, or bytes."""

GROUP = 2048
"""Events of one commit, unless one batch alone has more: some milliseconds of work."""

DAY_MS = 86_400_000

SLACK = 1.05
"""How far a log may outgrow its limit before it is pruned: pruning in bulk is cheaper."""


class Threads:
    """Where the journal's calls run: writes in one thread, reads in another."""

    def __init__(
        self,
        write: Run,
        read: Run,
        start: Callable[[], object] = lambda: None,
        stop: Callable[[], object] = lambda: None,
    ) -> None:
        self.write = write
        self.read = read
        self.start = start
        self.stop = stop


class OpenedAt(NamedTuple):
    """Where a store was opened: on the monotonic clock, and after which event."""

    seconds: float
    event: int


class SQLiteStore(MemoryStore):
    """Sessions, logs and inboxes in one SQLite file; the hot end of each in memory too."""

    name = "sqlite"
    forgetful = False

    def __init__(
        self,
        limits: Limits,
        seconds: Callable[[], float],
        journal: SQLiteConnection,
        threads: Threads,
    ) -> None:
        super().__init__(limits, seconds)
        self._limits = limits
        self._journal = journal
        self._threads = threads
        self._queue: list[tuple[int, Callable[[Change], Any], Deferred[Any]]] = []
        self._writing = False
        self._at = 0
        self._wall = SteadyClock(seconds)
        self._born = OpenedAt(seconds(), 0)
        self._dropping = DeferredLock()
        """Held while retention drops something and until memory knows of it."""

    @property
    def durability(self) -> str:
        """What an acknowledged write survives: the end of the ``process``, or of ``power``."""
        return self._journal.durability

    @property
    def missing(self) -> str:
        """What the file lacked when it was opened of what was acknowledged: a sentence."""
        return self._journal.missing

    @property
    def buffered(self) -> int:
        """The id after which a reader of all sessions begins; a restart does not move it."""
        return max(self.ledger.pruned, self.ledger.last_event - RECENT)

    def open(self) -> None:
        """Put back what the file holds."""
        kept = self._journal.open()
        if self._journal.missing:
            log.warn("{missing}", missing=self._journal.missing)
        if self._journal.renewed:
            log.warn(
                "the end of the log may be lost: a new epoch begins, {epoch}", epoch=kept.epoch
            )
        self._threads.start()
        self.epoch = kept.epoch
        self._born = OpenedAt(self.ledger.seconds(), kept.last_event)
        self.ledger.start_at(kept.last_event, kept.last_message, kept.last_approval)
        self.ledger.restore_audit(kept.deeds)
        for session in kept.sessions:
            messages = kept.messages.get(session.id, [])
            row = self.ledger.restore(session, messages, kept.approvals.get(session.id, []))
            row.floor, pruned = kept.floors.get(session.id, Floor(1, 0))
            self.ledger.prune(row, pruned)
        for session_id in kept.archived:
            floor = kept.floors.get(session_id, Floor(1, 0))
            self.ledger.archived[session_id] = ArchivedLog(kept.last_event, *floor)

    # Writing.

    async def append_events(
        self, session_id: str, drafts: Sequence[Draft], at: int
    ) -> list[Event]:
        """Number and keep events, all or none; an unknown session is created."""
        self._at = at
        while (events := await self._append(session_id, drafts, at)) is None:
            pass  # a key may have left memory since the disk was asked for it
        return events

    async def _append(
        self, session_id: str, drafts: Sequence[Draft], at: int
    ) -> list[Event] | None:
        """Try once; None if what the disk was asked is no longer all that memory has not."""
        keyed = any(draft.key is not None for draft in drafts)
        row, as_of = self.ledger.rows.get(session_id), self.ledger.last_event
        older = await self._older(session_id, drafts)

        def append(change: Change) -> list[Event] | None:
            now = self.ledger.rows.get(session_id)
            if keyed and (now is not row or (row and row.ring.start > as_of)):
                return None
            return change.append_events(session_id, drafts, at, older)

        return await self._write(append, len(drafts))

    async def _write(self, operation: Callable[[Change], T], size: int = 1) -> T:
        while True:
            try:
                return await self._write_once(operation, size)
            except Archived as gone:
                await self._revive(gone.session_id)

    async def _revive(self, session_id: str) -> None:
        """Put an archived session back into memory, if nobody else has."""
        shelved = self.ledger.archived.get(session_id)
        if shelved is not None:
            kept: StoredSession = await self._threads.read(
                self._journal.read_session, session_id
            )
            await self._write_once(lambda change: change.revive(kept, shelved), 1)

    async def _write_once(self, operation: Callable[[Change], T], size: int) -> T:
        done: Deferred[T] = Deferred()
        self._queue.append((size, operation, done))
        if not self._writing:
            self._writing = True
            background(self._write_all(), log, "writing the store's queue")
        return await done

    async def _write_all(self) -> None:
        try:
            while self._queue:
                count = _together([size for size, *_ in self._queue])
                queue, self._queue = self._queue[:count], self._queue[count:]
                await self._write_together([(work, done) for _, work, done in queue])
        finally:
            self._writing = False

    async def _write_together(
        self, queue: Sequence[tuple[Callable[[Change], Any], Deferred[Any]]]
    ) -> None:
        """Make one change of many operations, commit it, then tell how each went."""
        asked = [(operation, done) for operation, done in queue if not done.called]
        try:
            change, outcomes = await self._commit([operation for operation, _ in asked])
        except Exception as error:  # noqa: BLE001 - whoever asked must be told
            change, outcomes = Change(self.ledger), [Failure() for _ in asked]
            if not isinstance(error, HostError):
                log.failure("a page could not be written")
        for (_, done), outcome in zip(asked, outcomes, strict=True):
            done.callback(outcome)
        await self._prune(change)

    async def _commit(
        self, operations: Sequence[Callable[[Change], Any]]
    ) -> tuple[Change, list[Any]]:
        change = Change(self.ledger)
        outcomes = [_attempt(operation, change) for operation in operations]
        if change.writes:
            await self._threads.write(self._write_down, change, self._at)
        change.commit()
        return change, outcomes

    def _write_down(self, change: Change, at: int) -> None:
        """Encode a change and commit it, in the thread that writes: nobody changes it now."""
        page = write_batch(change, at)
        if page:
            self._journal.write(page)

    async def _prune(self, change: Change) -> None:
        """Shorten the logs that the change has made too long, a step each."""
        retain = self._limits.retain
        for session_id, draft in change.rows.items():
            row = self.ledger.rows.get(session_id)
            last = draft.session.event_count
            if row is not None and draft.events and last - row.floor + 1 > retain * SLACK:
                await self._step(self._journal.prune, session_id, last - retain + 1)

    async def _step(self, prune: Callable[..., Any], *given: Any) -> bool:
        """Let the journal drop a step's worth; return whether anything went."""
        async with self._dropping:
            try:
                floors: dict[str, Floor] = await self._threads.write(prune, *given)
            except HostError as error:
                log.warn("pruning failed: {error}", error=error)
                return False
            for session_id, floor in floors.items():
                row = self.ledger.rows.get(session_id)
                shelved = self.ledger.archived.get(session_id)
                if row is not None:
                    row.floor = floor.seq
                    self.ledger.prune(row, floor.pruned)
                elif shelved is not None:
                    shelved.floor, shelved.pruned = floor
            return bool(floors)

    async def sweep(self, at: int) -> None:
        """Drop what is too old, step by step, between other writes."""
        now = self._wall.look(at)
        if now is None:
            return
        age = self._limits.retain_days * DAY_MS
        lived = (self.ledger.seconds() - self._born.seconds) * 1000
        # What came in this life is no older than that, whenever the wall clock said it came.
        last = self.ledger.last_event if lived > age else self._born.event
        while await self._step(self._journal.prune_older, now, age, last):
            pass

        for session_id in await self._threads.read(self._journal.empty_archives):
            await self.delete(session_id)

    # Reading.

    async def session(self, session_id: str) -> Session:
        """Return one session."""
        kept = await self._archived(session_id)
        return kept.session if kept else await super().session(session_id)

    async def peek_messages(self, session_id: str) -> list[Message]:
        """Return all messages that are remembered, in order, with their states."""
        kept = await self._archived(session_id)
        return (
            [one for one, _ in kept.messages]
            if kept
            else await super().peek_messages(session_id)
        )

    async def count_waiting(self, session_id: str) -> int:
        """Return how many messages are queued or on lease."""
        kept = await self._archived(session_id)
        if kept is None:
            return await super().count_waiting(session_id)
        return sum(message.state == "queued" for message, _ in kept.messages)

    async def approvals(self, session_id: str | None) -> list[Approval]:
        """Return the approvals that are remembered, in order."""
        kept = await self._archived(session_id)
        return kept.approvals if kept else await super().approvals(session_id)

    async def _archived(self, session_id: str | None) -> StoredSession | None:
        """Read what there is of a session if it is archived."""
        if session_id not in self.ledger.archived:
            return None
        kept: StoredSession | None = await self._threads.read(
            self._journal.read_session, session_id
        )
        return kept

    def pruned(self, session_id: str | None) -> int:
        """Return the id up to which retention has dropped events."""
        shelved = self.ledger.archived.get(session_id or "")
        return shelved.pruned if shelved else super().pruned(session_id)

    def cached_events(self, session_id: str | None, position: int) -> list[Event] | None:
        """Return the events after `position` at once, or None if memory has not all.

        What a flood has driven out of a session's ring is still among all sessions' last.
        """
        shelved = self.ledger.archived.get(session_id or "")
        if shelved is not None:
            return [] if position >= shelved.end else None
        hot = super().cached_events(session_id, position)
        if hot is not None or session_id is None or position < self.pruned(session_id):
            return hot
        recent = self.ledger.hot.recent(position)
        return recent and [event for event in recent if event.session == session_id]

    async def _older(self, session_id: str, drafts: Sequence[Draft]) -> Mapping[str, Event]:
        row = self.ledger.rows.get(session_id)
        keys = {draft.key for draft in drafts if draft.key is not None}
        if row is None or not keys:
            return {}
        # What is hot now may not be when it is this one's turn to be written.
        hot = {key: event for key in keys if (event := row.ring.known(key)) is not None}
        unknown = sorted(keys - hot.keys())
        if row.ring.start == 0 or not unknown:
            return hot
        lookup = self._journal.lookup
        cold: dict[str, Event] = await self._threads.read(lookup, session_id, unknown)
        return hot | cold

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
        if session_id is not None and not self.holds(session_id):
            raise UnknownSession(session_id)
        most = self.ledger.last_event if limit is None else limit
        found: list[Event] = []
        end = self.ledger.last_event
        while len(found) < most:
            events, whole = await self._some(session_id, seq, position)
            found += (e for e in events if e.id <= end and (not names or e.event in names))
            if whole or not events or (size is not None and _size(found) >= size):
                break
            position = events[-1].id
        return take_enough(found, most, size)

    async def _some(
        self, session_id: str | None, seq: int, position: int
    ) -> tuple[list[Event], bool]:
        """Return the next events, from memory if it has them all, and whether that is all."""
        hot = self.cached_events(session_id, position)
        if hot is None and session_id in self.ledger.rows:
            hot = self._hot_after(session_id, seq)
        if hot is not None:
            return [event for event in hot if event.seq > seq and event.id > position], True
        read = self._journal.read
        events, whole = await self._threads.read(read, session_id, seq, position, TRIP)
        async with self._dropping:  # what was dropped before it was read is known by now
            return events, whole

    def _hot_after(self, session_id: str, seq: int) -> list[Event] | None:
        oldest = self.ledger.row(session_id).ring.oldest
        if oldest is None or seq + 1 < oldest.seq:
            return None
        return self.ledger.row(session_id).ring.after(seq)

    async def ping(self) -> None:
        """Wait for a turn of the thread that writes: a disk that hangs gives none."""
        await self._threads.write(_nothing)

    async def close(self) -> None:
        """Finish what is being written, and let go of the file."""
        await self._threads.read(self._journal.stop_reading)
        await self._threads.write(self._journal.close)
        self._threads.stop()


def _nothing() -> None:
    """Take a turn, and do nothing with it."""


def _together(sizes: Sequence[int]) -> int:
    """Return how many of the operations that wait go into one commit: at least one."""
    left = GROUP
    for count, size in enumerate(sizes):
        left -= size
        if count and left < 0:
            return count
    return len(sizes)


def _attempt(operation: Callable[[Change], T], change: Change) -> T | Failure:
    try:
        return operation(change)
    except HostError:
        return Failure()


def _size(events: Sequence[Event]) -> int:
    return sum(len(event.data) for event in events)
