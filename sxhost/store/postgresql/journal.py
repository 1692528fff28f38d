"""The journal in a PostgreSQL database: one active host writes, others stand by.

Everything here blocks, and runs in three threads: one writes, one reads, one searches.  Each
has a connection, which is opened again once it is lost.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg

from sxhost.errors import StoreUnavailable
from sxhost.model.event import Event
from sxhost.model.search import EventSearch
from sxhost.store.contracts import FoundEvents, StandingBy, StoreUnusable
from sxhost.store.high_water import HighWaterMark, missing_numbers
from sxhost.store.journal import (
    CommitUnknown,
    Dropped,
    EngineAway,
    ReadLimit,
    Restored,
    WriteBatch,
)
from sxhost.store.postgresql.commit import commit_statement, is_addition
from sxhost.store.postgresql.connection import EngineConnection, errors_for_clients, first_line
from sxhost.store.postgresql.promises import LACKING, PROMISES, Promise, promise_of, timeline_of
from sxhost.store.postgresql.tip import lock, migrate, schema_scripts, unlock, wait_for_lock
from sxhost.store.sql import pruning, reading, rows
from sxhost.store.sql.contracts import DamagedRow
from sxhost.store.sql.shared import Tip, advance, hold_tip, read_tip
from sxhost.store.state import StoredSession

__all__ = ["SILENCE_S", "PostgreSQLJournal"]

SILENCE_S: Final = 3
"""Seconds without a word from the active host, after which the engine lets another be it."""

_BOUNDS: Final = (
    f"SET idle_session_timeout = '{SILENCE_S}s'",
    f"SET idle_in_transaction_session_timeout = '{SILENCE_S}s'",
)


class PostgreSQLJournal:
    """A PostgreSQL database; a `Journal`.

    :param url: where it is, in libpq's words; passwords come by libpq's own means.
    :param mark: the file that notes how far this host has written.
    :param required: what a commit has to survive.
    :param seconds: a monotonic clock.
    :param superseded: called, in a thread, when another host was active meanwhile.
    """

    name = "postgresql"

    def __init__(
        self,
        url: str,
        mark: Path,
        *,
        required: Promise = "power",
        superseded: Callable[[], object] = lambda: None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.durability: Promise = "power"
        self.missing = ""
        self.renewed: bool | None = None
        self._url = url
        self._mark = HighWaterMark(mark)
        self._required = required
        self._superseded = superseded
        self._seconds = seconds
        self._not_before = seconds()
        """When a host that stands by may become the active one."""
        self._tip = Tip(0, "")
        self._doubt: tuple[Tip, WriteBatch] | None = None
        """A commit whose answer was lost: the tip after it, and what it wrote."""
        self._writer: EngineConnection | None = None
        self._newest: EngineConnection | None = None
        """The one that the writing thread has opened last."""
        self._reader: EngineConnection | None = None
        self._searcher: EngineConnection | None = None
        self._is_open = False

    # Opening.

    def open(self) -> Restored:
        """Become the active host; return what the database holds.

        :raises StandingBy: another host is.
        :raises StoreUnusable: the database cannot be used.
        """
        try:
            return self._begin(self._locked())
        except StandingBy:
            raise
        except (StoreUnusable, psycopg.Error, DamagedRow, OSError, KeyError) as error:
            self._unlock()  # whoever stands by may find it usable
            self._drop_writer()
            self._mark.close()
            if isinstance(error, StoreUnusable):
                raise
            raise StoreUnusable(f"PostgreSQL cannot be used: {first_line(error)}.") from error

    def _locked(self) -> EngineConnection:
        """Return the connection, which has the lock; or stand by with it."""
        if self._writer is None or not self._writer.is_open:
            self._wait_for_incumbent()
            self._writer = self._connect()
        if self._seconds() < self._not_before or not lock(self._writer):
            raise StandingBy("Another host has the database; this one stands by.")
        return self._writer

    def _wait_for_incumbent(self) -> None:
        """Let the host that was active come back first, when the engine was away for all."""
        if self._newest is not None:
            self._not_before = self._seconds() + SILENCE_S

    def _connect(self) -> EngineConnection:
        connection = self._newest = EngineConnection(self._url)
        try:
            for bound in _BOUNDS:
                connection.execute(bound)
            self._see_promise(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _see_promise(self, connection: EngineConnection) -> None:
        """Take note of what the engine promises now.

        :raises StoreUnusable: it is less than may be.
        """
        promise = promise_of(connection)
        if PROMISES.index(promise) < PROMISES.index(self._required):
            raise StoreUnusable(f"PostgreSQL promises too little: {LACKING[promise]}.")
        self.durability = promise

    @property
    def lacking(self) -> str:
        """What the engine does not promise: a sentence, or nothing."""
        lacks = LACKING.get(self.durability)
        return f"PostgreSQL: {lacks}." if lacks else ""

    def _begin(self, connection: EngineConnection) -> Restored:
        if migrate(connection, schema_scripts()):
            rows.insert(connection, "meta", [("epoch", _new_epoch())])
        connection.execute("BEGIN")
        old = hold_tip(connection)
        found = reading.last_numbers(connection)
        self.missing = self._what_is_missing(connection)
        self.renewed = bool(self.missing)
        new = old.next()
        if self.renewed:
            rows.insert(connection, "meta", [("epoch", _new_epoch())])
        advance(connection, old, new)
        self._note_engine(connection)
        restored = self._restore(connection, new)
        connection.execute("COMMIT")
        self._tip, self._doubt, self._is_open = new, None, True
        self._mark.begin(found)
        return restored

    def _restore(self, connection: EngineConnection, _new: Tip) -> Restored:
        """Return what the database holds, in the transaction that ends at a tip."""
        return reading.restore(connection)

    def _note_engine(self, connection: EngineConnection) -> None:
        """Write down which engine has all that was acknowledged, and what it promises."""
        noted = "UPDATE tip SET timeline = ?, promise = ?"
        connection.execute(noted, (timeline_of(connection), self.durability))

    def _what_is_missing(self, connection: EngineConnection) -> str:
        """Return a sentence about what may be missing of what was acknowledged.

        An engine with another timeline was promoted, or restored: unless commits wait for
        replicas, the last of them may be lost.
        """
        lacks = missing_numbers(reading.last_numbers(connection), self._mark.open())
        if lacks:
            return f"The database is older than what was acknowledged, up to {lacks}."
        timeline, promise = connection.execute("SELECT timeline, promise FROM tip").fetchone()
        if timeline not in ("", timeline_of(connection)) and promise != "replicas":
            return (
                "Another engine has taken over the database, and commits did not wait for it:"
                " the last ones that were acknowledged may be missing."
            )
        return ""

    # Writing: in one thread.

    def write(self, batch: WriteBatch) -> Dropped:
        """Commit a batch, if the log still ends where this host has left it.

        :raises StorageFull: the engine has no room; nothing of it is kept.
        :raises StoreUnavailable: the engine does not answer; nothing of it is kept.
        :raises CommitUnknown: the engine has not answered, and may have kept it.
        """
        with errors_for_clients():
            if not is_addition(batch):
                return self._write_in_steps(batch)
            while not self._write_at_once(batch):
                pass
        return Dropped()

    def _write_at_once(self, batch: WriteBatch) -> bool:
        """Commit a batch in one trip; return False if it was not, and is to be tried again."""
        connection, new = self._active(), self._tip.next()
        connection.not_replicated = False
        try:
            moved = connection.execute(*self._statement(new, batch)).fetchone()
        except psycopg.OperationalError as error:
            self._see_failed_commit(connection, new, batch, error)
            return self._found_out(connection, error)
        if moved is None:
            raise self._refusal(connection)
        self._see_replicated(connection, new, batch)
        self._acknowledge(new, batch)
        return True

    def _statement(self, new: Tip, batch: WriteBatch) -> tuple[str, list[Any]]:
        """Return the statement that commits a batch, with its parameters."""
        return commit_statement(self._tip, new, batch)

    def _acknowledge(self, new: Tip, batch: WriteBatch) -> None:
        """Take note that a batch was committed."""
        self._tip = new
        self._mark.acknowledge(batch)

    def _refusal(self, _connection: EngineConnection) -> Exception:
        """Return what a commit is refused with: the log does not end where it should."""
        return self._lost()

    def _found_out(self, connection: EngineConnection, error: Exception) -> bool:
        """Find out what became of a commit whose connection was lost; return whether it was.

        It is left to `settle` if the engine has let its writers wait for long enough already.
        """
        try:
            if not connection.is_cut:
                self._active()
                return self._settled()
        except (EngineAway, psycopg.OperationalError):
            pass  # it cannot be reached
        raise CommitUnknown(first_line(error)) from error

    def _write_in_steps(self, batch: WriteBatch) -> Dropped:
        new = self._tip.next()
        with self._transaction() as connection:
            if not advance(connection, self._tip, new):
                raise self._refusal(connection)
            rows.write(connection, batch)
            dropped = pruning.drop(connection, batch.drop)
            self._tell(connection, new, batch, dropped)
        self._commit(connection, new, batch)
        return dropped

    def _tell(
        self, connection: EngineConnection, new: Tip, batch: WriteBatch, dropped: Dropped
    ) -> None:
        """Tell other nodes of a commit; here there are none."""

    @contextmanager
    def _transaction(self) -> Iterator[EngineConnection]:
        """Begin a transaction; undo it if it fails, and leave its end to the caller."""
        connection = self._begin_transaction()
        try:
            yield connection
        except BaseException:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
            raise

    def _begin_transaction(self) -> EngineConnection:
        return self._reached("BEGIN")

    def _reached(self, statement: str) -> EngineConnection:
        """Run a statement; return the connection, which is another where it was lost."""
        connection = self._active()
        try:
            connection.execute(statement)
        except psycopg.OperationalError:
            connection = self._active()
            connection.execute(statement)
        return connection

    def _commit(self, connection: EngineConnection, new: Tip, batch: WriteBatch) -> None:
        connection.not_replicated = False
        try:
            connection.execute("COMMIT")
        except psycopg.OperationalError as error:
            self._see_failed_commit(connection, new, batch, error)
            raise CommitUnknown(first_line(error)) from error
        self._see_replicated(connection, new, batch)
        self._acknowledge(new, batch)

    def _see_failed_commit(
        self, connection: EngineConnection, new: Tip, batch: WriteBatch, error: Exception
    ) -> None:
        """Raise the error of a commit, unless its answer was lost: that leaves it in doubt."""
        if connection.is_open:
            raise error  # the engine has refused it, and says so
        self._doubt = new, batch

    def _see_replicated(
        self, connection: EngineConnection, new: Tip, batch: WriteBatch
    ) -> None:
        """Leave a commit in doubt that the engine has, and perhaps no replica."""
        if connection.not_replicated:
            self._doubt = new, batch
            self._drop_writer()
            raise CommitUnknown("somebody has cancelled the wait for a replica")

    def settle(self) -> Dropped | None:
        """Find out what became of a commit whose answer was lost.

        :raises StoreUnavailable: that cannot be known yet.
        """
        with errors_for_clients():
            connection = self._active()
            return Dropped(floors=reading.floors(connection)) if self._settled() else None

    def _settled(self) -> bool:
        """Return whether the commit in doubt was made, once it is known where the log ends."""
        doubt, self._doubt = self._doubt, None
        if doubt is None or doubt[0] != self._tip:
            return False
        self._acknowledge(*doubt)
        return True

    def beat(self) -> None:
        """Tell the engine that this host lives, or find it again."""
        with errors_for_clients():
            self._reached("SELECT 1")

    def _active(self) -> EngineConnection:
        """Return the connection of the active host, opened again where it was lost.

        :raises StoreUnavailable: the engine cannot be reached, or another host is active.
        """
        if not self._is_open:
            raise StoreUnavailable("it is closed")
        if self._writer is not None and not self._writer.is_open:
            self._drop_writer()
        if self._writer is None:
            self._writer = self._connect_again()
        return self._writer

    def _connect_again(self) -> EngineConnection:
        try:
            connection = self._connect()
        except StoreUnusable as error:
            raise StoreUnavailable(str(error).removesuffix(".")) from error
        try:
            self._find_tip(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _find_tip(self, connection: EngineConnection) -> None:
        """Become the active host again, if the log ends where this one has left it."""
        is_alone = wait_for_lock(connection)
        tip = read_tip(connection)  # now that nothing is left that might move it
        if tip not in {self._tip, self._doubt and self._doubt[0]}:
            raise self._lost()
        if not is_alone:
            raise EngineAway("an earlier connection to it has not ended yet")
        self._note_engine(connection)
        self._tip = tip

    def _lost(self) -> StoreUnavailable:
        """Let it be known that the log does not end where this host has left it."""
        self._is_open = False
        self._superseded()
        return StoreUnavailable("another host has written to it")

    def cut_writer(self) -> None:
        """End the connection that writes, from another thread; what opens takes its time."""
        if self._is_open and (newest := self._newest) is not None:
            newest.cut()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _unlock(self) -> None:
        """Let whoever stands by be next at once: a connection ends a moment later."""
        if self._writer is not None:
            with suppress(psycopg.Error):
                unlock(self._writer)

    def close(self) -> None:
        """Let go of all: whoever stands by is next."""
        self.stop_reading()
        self.stop_searching()
        if self._is_open:
            self._unlock()
        self._drop_writer()
        self._newest, self._is_open = None, False
        self._mark.close()

    # Reading: in another.

    def read(
        self, session_id: str | None, seq: int, position: int, limit: ReadLimit
    ) -> tuple[list[Event], bool]:
        """Return events after `seq` and after the id `position`, and whether these are all."""
        with errors_for_clients():
            return reading.read(self._reading(), session_id, seq, position, limit)

    def seq_before(self, session_id: str, count: int) -> int:
        """Return the number after which a session's last `count` facts come; 0 for all."""
        with errors_for_clients():
            return reading.seq_before(self._reading(), session_id, count)

    def lookup(self, session_id: str, keys: Sequence[str]) -> dict[str, Event]:
        """Return the retained events that were appended under idempotency keys."""
        with errors_for_clients():
            return reading.lookup(self._reading(), session_id, keys)

    def read_session(self, session_id: str) -> StoredSession | None:
        """Return what there is of a session, but for its events."""
        with errors_for_clients():
            return reading.read_session(self._reading(), session_id)

    def empty_archives(self) -> list[str]:
        """Return archived sessions of whose logs nothing is left."""
        with errors_for_clients():
            return reading.empty_archives(self._reading())

    def _reading(self) -> EngineConnection:
        if not self._is_open:
            raise StoreUnavailable("it is closed")
        if self._reader is None or not self._reader.is_open:
            self._reader = EngineConnection(self._url)
        return self._reader

    def cut_reader(self) -> None:
        """End the connection that reads, from another thread."""
        if (reader := self._reader) is not None:
            reader.cut()

    def stop_reading(self) -> None:
        """Let go of the connection that reads."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # Searching: in a third.

    def index_newer(self, _until: int) -> bool:
        """There is no index: a search reads the log."""
        return False

    def index_older(self) -> bool:
        """There is no index: a search reads the log."""
        return False

    def search(self, search: EventSearch, before: int, limit: int) -> FoundEvents:
        """Search some of the facts that are older than the id `before`, the newest first."""
        with errors_for_clients():
            if not self._is_open:
                raise StoreUnavailable("it is closed")
            if self._searcher is None or not self._searcher.is_open:
                self._searcher = EngineConnection(self._url)
            return reading.search(self._searcher, search, before, limit)

    def stop_searching(self) -> None:
        """Let go of the connection that searches."""
        if self._searcher is not None:
            self._searcher.close()
            self._searcher = None


def _new_epoch() -> str:
    """Return a name for a life of the log."""
    return secrets.token_hex(4)
