"""Nodes in memory over one log, on one clock: each has a state of its own, and follows."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.model.search import EventSearch
from sxhost.store.contracts import FoundEvents
from sxhost.store.group_commit import Threads
from sxhost.store.journal import (
    CommitUnknown,
    Dropped,
    EngineAway,
    Numbers,
    ReadLimit,
    Restored,
    WriteBatch,
)
from sxhost.store.journalled import JournalledStore
from sxhost.store.news import Behind, News
from sxhost.store.sql import pruning, reading, rows, shared
from sxhost.store.sql.shared import Tip
from sxhost.store.sqlite.file import schema_scripts, upgrade
from sxhost.store.state import StoredSession

__all__ = ["LogInMemory", "NodeJournal", "node_store"]

SHARED_TABLES = """
    CREATE TABLE tip (version INTEGER, nonce TEXT);
    INSERT INTO tip VALUES (0, '');
    CREATE TABLE change (version INTEGER PRIMARY KEY, nonce TEXT, body BLOB, crc INTEGER);
    CREATE TABLE lease (
        id INTEGER PRIMARY KEY, session TEXT, until_ms INTEGER, life TEXT, crc INTEGER
    );
"""


class LogInMemory:
    """What nodes share: the tables of a journal, and the clock of its engine."""

    def __init__(self, clock: Clock, ahead_s: float = 0) -> None:
        self.clock = clock
        self.ahead_s = ahead_s
        """What its clock is ahead of the nodes'."""
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        upgrade(self.connection, 0, schema_scripts())
        self.connection.executescript(SHARED_TABLES)
        first = Tip(0, "").next()
        rows.insert(self.connection, "meta", [("epoch", secrets.token_hex(4))])
        shared.advance(self.connection, Tip(0, ""), first)
        last = reading.last_numbers(self.connection)
        row = shared.change_row(first, WriteBatch(), Dropped(), last)
        shared.add_change(self.connection, row)

    def close(self) -> None:
        """Forget it."""
        self.connection.close()


class NodeJournal:
    """One node's way to the log that all share; a `SharedJournal`.

    While it is `away` nothing passes; with `loses_answer` the next commit's answer is lost.
    """

    name = "shared"
    durability = "none"
    lacking = missing = ""
    renewed: bool | None = False

    def __init__(self, log: LogInMemory, life: str) -> None:
        self.away = self.loses_answer = False
        self.refusals = 0
        """How often another node was first."""
        self.holds = 0
        """How often it had to wait for its turn."""
        self.before_write: Callable[[], object] = lambda: None
        """Is called before each commit: others may be first."""
        self._log = log
        self._life = life
        self._tip = Tip(0, "")
        self._doubt: tuple[Tip, Numbers] | None = None
        """The commit whose answer was lost: where the log ends, and the last numbers."""
        self._last = reading.last_numbers(log.connection)

    @property
    def _ahead_ms(self) -> int:
        return int(self._log.ahead_s * 1000)

    def open(self) -> Restored:
        """Read all."""
        connection = self._reached()
        restored = reading.restore(connection)
        restored.leases = shared.leases(connection, self._ahead_ms)
        self._tip, self._last = shared.read_tip(connection), restored.numbers
        return restored

    def _reached(self) -> sqlite3.Connection:
        if self.away:
            raise EngineAway("it is away")
        return self._log.connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._reached()
        connection.execute("BEGIN")
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def write(self, batch: WriteBatch) -> Dropped:
        """Commit a batch, unless another node was first."""
        self.before_write()
        new = self._tip.next()
        with self._transaction() as connection:
            if not shared.advance(connection, self._tip, new):
                self.refusals += 1
                raise Behind(self.look() or News([], []))
            if batch.leases:
                batch.rows["lease"] = shared.lease_rows(batch, self._ahead_ms, self._life)
            rows.write(connection, batch)
            dropped = pruning.drop(connection, batch.drop)
            last = self._last.after(batch)
            at = self._log.clock.seconds() + self._log.ahead_s
            shared.add_change(connection, shared.change_row(new, batch, dropped, last, at))
        if self.loses_answer:
            self.loses_answer, self._doubt = False, (new, last)
            raise CommitUnknown("its answer was lost")
        self._tip, self._last = new, last
        return dropped

    def settle(self) -> Dropped | None:
        """Find out what became of a commit whose answer was lost, by its name."""
        connection, doubt = self._reached(), self._doubt
        self._doubt = None
        if doubt is None or not shared.has_change(connection, doubt[0]):
            return None
        self._tip, self._last = doubt
        return Dropped(floors=reading.floors(connection))

    def look(self) -> News | None:
        """Return what others have committed, if they have."""
        found = shared.read_news(self._reached(), self._tip, self._last.event, self._ahead_ms)
        if found is None:
            return None
        self._tip, news = found
        self._last = self._last._replace(event=news.changes[-1].last_event)
        return news

    def hold(self) -> News | None:
        """Look; in memory nobody else comes between then."""
        self.holds += 1
        self.before_write = lambda: None
        return self.look()

    def beat(self) -> None:
        """Reach the engine."""
        self._reached()

    def read(
        self, session_id: str | None, seq: int, position: int, limit: ReadLimit
    ) -> tuple[list[Event], bool]:
        """Return events after `seq` and after the id `position`, and whether these are all."""
        return reading.read(self._reached(), session_id, seq, position, limit)

    def seq_before(self, session_id: str, count: int) -> int:
        """Return the number after which a session's last `count` facts come; 0 for all."""
        return reading.seq_before(self._reached(), session_id, count)

    def lookup(self, session_id: str, keys: Sequence[str]) -> dict[str, Event]:
        """Return the retained events that were appended under idempotency keys."""
        return reading.lookup(self._reached(), session_id, keys)

    def read_session(self, session_id: str) -> StoredSession | None:
        """Return what there is of a session, but for its events."""
        return reading.read_session(self._reached(), session_id)

    def empty_archives(self) -> list[str]:
        """Return archived sessions of whose logs nothing is left."""
        return reading.empty_archives(self._reached())

    def index_newer(self, _until: int) -> bool:
        """There is no index: a search reads the log."""
        return False

    def index_older(self) -> bool:
        """There is no index: a search reads the log."""
        return False

    def search(self, search: EventSearch, before: int, limit: int) -> FoundEvents:
        """Search some of the facts that are older than the id `before`, the newest first."""
        return reading.search(self._reached(), search, before, limit)

    def stop_searching(self) -> None:
        """There is nothing to let go of."""

    def stop_reading(self) -> None:
        """There is nothing to let go of."""

    def close(self) -> None:
        """There is nothing to let go of: the log is the others' as well."""


def node_store(journal: Any, limits: Limits, clock: Clock) -> JournalledStore:
    """Return the store of a node, whose journal is called here and now."""

    def at_once(function: Callable[..., Any], *given: Any) -> Deferred[Any]:
        return maybeDeferred(function, *given)

    threads = Threads(at_once, at_once, at_once, later=clock.callLater)
    return JournalledStore(limits, clock.seconds, journal, threads, others=journal)
