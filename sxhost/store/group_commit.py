"""Commits that are shared: one trip to the journal for all that waits.

One thread writes.  Operations that arrive while it commits wait, and then share the next
transaction, so that many small writes cost one trip to the disk.  Until the journal has it
none of it can be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct
from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure

from sxhost.errors import HostError
from sxhost.logs import logger
from sxhost.model.names import KeptNative
from sxhost.store.event_ring import EventRing
from sxhost.store.journal import CommitUnknown, Drop, Dropped, EngineAway, Journal
from sxhost.store.news import Behind, News, SharedJournal
from sxhost.store.replica import follow
from sxhost.store.state import Archived, SessionRecord, StoredSession, StoreState
from sxhost.store.transaction import Transaction
from sxhost.store.write_batch import write_batch
from sxhost.waiting import background

__all__ = ["GroupCommitter", "Threads"]

log = logger(__name__)
T = TypeVar("T")

Run = Callable[..., "Deferred[Any]"]
"""Runs a function with its arguments where it may block."""

PATIENCE = 5
"""Refusals in a row after which a node has its turn: else a slow one might never be first."""

GROUP = 2048
"""Events of one commit, unless one batch alone has more: some milliseconds of work."""


class Threads(Struct, eq=False):
    """Where the journal's calls run: writes in one thread, reads in another.

    Searches and their index run in a third one, which may work long.  `later` calls a function
    after some seconds, and returns what can `cancel` that; without a clock it never does.
    `soon` calls a function once all that has arrived by now was looked at; without a reactor
    at once.
    """

    write: Run
    read: Run
    index: Run
    start: Callable[[], object] = lambda: None
    stop: Callable[[], object] = lambda: None
    later: Callable[[float, Callable[[], object]], Any] = lambda _seconds, _act: None
    soon: Callable[[Callable[[], object]], Any] = lambda act: act()


class QueuedOperation(NamedTuple):
    """An operation that waits for its commit; `done` fires with its result."""

    size: int
    run: Callable[[Transaction], Any]
    done: Deferred[Any]


class GroupCommitter:
    """Commits operations to a journal, and once it has them to the state.

    :param committed: called after each commit that has not dropped anything, before the next.
    :param others: the journal, if other nodes write to it as well.
    :param followed: called after each commit of theirs that the state has now.
    """

    def __init__(
        self,
        state: StoreState,
        journal: Journal,
        threads: Threads,
        committed: Callable[[Transaction], object],
        native: KeptNative = "facts",
        *,
        others: SharedJournal | None = None,
        followed: Callable[[Transaction], object] = lambda _: None,
    ) -> None:
        self._others = others
        self._followed = followed
        self._state = state
        self._journal = journal
        self._threads = threads
        self._committed = committed
        self._native = native
        self._doubt: Transaction | None = None
        """A transaction of which it is not known whether the journal has it."""
        self._dropping = DeferredLock()
        """Held while the journal drops something, and until the state knows of it."""
        self._queue: list[QueuedOperation] = []
        self._writing = self._begins_soon = False

    async def run(self, operation: Callable[[Transaction], T], size: int = 1, /) -> T:
        """Run an operation in a transaction; return its result once that is committed."""
        while True:
            try:
                return await self._run_once(operation, size)
            except Archived as error:
                await self._revive(error.session_id)

    async def drop(self, what: Drop, *, first: bool) -> Dropped:
        """Drop a step's worth of something, in a commit of its own; return what that was.

        :param first: whether all that waits comes later.
        """
        transaction = await self._run_once(lambda tx: tx.drop_events(what), GROUP, first)
        return transaction.dropped

    async def beat(self) -> None:
        """Have the journal show that this host lives, and settle what is in doubt."""
        await self._threads.write(self._journal.beat)
        if self._doubt is not None:
            await self.run(lambda _: None)

    async def catch_up(self) -> None:
        """Have the state contain what other nodes have committed by now.

        All that ask meanwhile share one trip.  While the engine is away, it stays behind.
        """
        if self._others is not None:
            with suppress(EngineAway):
                await self.run(lambda _: None)

    async def settled(self, page: T) -> T:
        """Return what was read, once it is known what was dropped before it was."""
        async with self._dropping:
            return page

    async def record(self, session_id: str) -> SessionRecord:
        """Return what is known of a session; of an archived one what the journal has."""
        await self.catch_up()
        if session_id in self._state.archived:
            stored = await self._stored(session_id)
            if stored is not None:
                return self._state.record_of(stored, EventRing(0, 0))
        return self._state.record(session_id)

    async def _stored(self, session_id: str) -> StoredSession | None:
        stored: StoredSession | None = await self._threads.read(
            self._journal.read_session, session_id
        )
        return stored

    async def _revive(self, session_id: str) -> None:
        """Bring an archived session back into memory, if nobody else has."""
        archiving = self._state.archived.get(session_id)
        stored = await self._stored(session_id) if archiving is not None else None
        if stored is not None:
            await self._run_once(lambda tx: tx.revive(stored, archiving), 1)

    async def _run_once(
        self, operation: Callable[[Transaction], T], size: int, first: bool = False
    ) -> T:
        done: Deferred[T] = Deferred()
        place = 0 if first else len(self._queue)
        self._queue.insert(place, QueuedOperation(size, operation, done))
        if not (self._writing or self._begins_soon):
            # Requests come many in a turn: the first would take a commit for itself, and the
            # others wait for it.
            self._begins_soon = True
            self._threads.soon(self.begin)
        return await done

    def begin(self) -> None:
        """Begin to commit what waits."""
        self._begins_soon = False
        if self._queue and not self._writing:
            self._writing = True
            background(self._commit_queue(), log, "writing the store's queue")

    async def _commit_queue(self) -> None:
        try:
            while self._queue:
                if self._doubt is not None and not await self._settle(self._doubt):
                    continue
                size = _group_size([operation.size for operation in self._queue])
                group, self._queue = self._queue[:size], self._queue[size:]
                # An operation whose caller has left by now (`done` was cancelled) is not run.
                await self._commit([one for one in group if not one.done.called])
        finally:
            self._writing = False

    async def _settle(self, doubt: Transaction) -> bool:
        """Find out what became of a transaction; what waits is refused if that fails."""
        try:
            dropped = await self._threads.write(self._journal.settle)
        except HostError:
            self._refuse_queue(Failure())
            return False
        self._doubt = None
        if dropped is not None:
            doubt.dropped = dropped
            doubt.commit()
            if doubt.drop is None:
                self._committed(doubt)
        return True

    def _refuse_queue(self, why: Failure) -> None:
        """Fail all that waits: the next try may take as long, and nobody waits for two."""
        refused, self._queue = self._queue, []
        for operation in refused:
            if not operation.done.called:
                operation.done.errback(why)

    async def _commit(self, group: Sequence[QueuedOperation]) -> None:
        """Commit a group in one transaction, then fire what each of them waits for."""
        try:
            transaction, results = await self._run_group(group)
        except Exception as error:  # noqa: BLE001 - it is raised where each operation waits
            self._note_failure(error)
            for operation in group:
                operation.done.errback(Failure(error))
            return
        for operation, result in zip(group, results, strict=True):
            operation.done.callback(result)
        if transaction.drop is None:  # a drop is no reason for the next
            self._committed(transaction)

    async def _run_group(
        self, group: Sequence[QueuedOperation]
    ) -> tuple[Transaction, Sequence[Any]]:
        """Run operations in one transaction and write it; again if another node was first."""
        for tries in count(1):
            transaction = Transaction(self._state)
            results = [_attempt(operation.run, transaction) for operation in group]
            try:
                await self._write(transaction)
            except Behind as behind:
                self._follow(behind.news)
                if tries >= PATIENCE and self._others is not None:
                    self._follow(await self._threads.write(self._others.hold))
            else:
                break
        return transaction, results

    def _follow(self, news: News | None) -> None:
        """Make what other nodes have committed part of the state."""
        for transaction in follow(self._state, news) if news is not None else ():
            self._followed(transaction)

    async def _write(self, transaction: Transaction) -> None:
        if transaction.drop is not None:
            async with self._dropping:
                await self._commit_to_journal(transaction)
        else:
            await self._commit_to_journal(transaction)

    async def _commit_to_journal(self, transaction: Transaction) -> None:
        if transaction.writes:
            # It is encoded in the thread: nothing changes it meanwhile.
            try:
                transaction.dropped = await self._threads.write(
                    lambda: self._journal.write(write_batch(transaction, self._native))
                )
            except CommitUnknown:
                self._doubt = transaction
                raise
        elif self._others is not None:
            # What refuses, or only reads, speaks for all nodes too.
            news = await self._threads.write(self._others.look)
            if news is not None:
                raise Behind(news)
            return
        transaction.commit()

    def _note_failure(self, error: Exception) -> None:
        if isinstance(error, EngineAway):
            self._refuse_queue(Failure(error))
        if not isinstance(error, HostError):
            log.failure("a batch could not be written")


def _group_size(sizes: Sequence[int]) -> int:
    """Return how many of the operations that wait go into one commit: at least one."""
    left = GROUP
    for number, size in enumerate(sizes):
        left -= size
        if number and left < 0:
            return number
    return len(sizes)


def _attempt(operation: Callable[[Transaction], T], transaction: Transaction) -> T | Failure:
    try:
        return operation(transaction)
    except HostError:
        return Failure()
