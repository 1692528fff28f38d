"""The journal of an `JournalledStore`: one file, written in one thread and read in another.

Everything here blocks.  What `SQLiteConnection.write` has returned from is on disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from sxhost.errors import StorageFull, StoreUnavailable
from sxhost.model.event import Event
from sxhost.model.search import EventSearch
from sxhost.store.contracts import FoundEvents, StoreUnusable
from sxhost.store.high_water import HighWaterMark, missing_numbers
from sxhost.store.journal import Dropped, ReadLimit, Restored, WriteBatch
from sxhost.store.sql import pruning, reading, rows
from sxhost.store.sql.contracts import DamagedRow
from sxhost.store.sqlite import epoch, integrity
from sxhost.store.sqlite.file import (
    create,
    errors_as_sentences,
    inspect,
    lock_database,
    migrate,
    no_room,
    schema_scripts,
)
from sxhost.store.sqlite.search_index import SearchIndex
from sxhost.store.sqlite.upgrades import Report, unreported
from sxhost.store.state import StoredSession

__all__ = ["Durability", "SQLiteConnection"]

Durability = Literal["power", "process"]

SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}


class SQLiteConnection:
    """One SQLite file, by a connection that writes and one that reads; a `Journal`.

    :param boot: a name of the time since the machine was started.
    :param lock_timeout_s: how long it waits for a lock that another program holds.
    :param report: is told what takes long when it is opened.
    """

    name = "sqlite"
    lacking = ""

    def __init__(
        self,
        path: Path,
        durability: Durability = "power",
        boot: str | None = None,
        *,
        lock_timeout_s: float = 5.0,
        report: Report = unreported,
    ) -> None:
        self.path = path
        self._report = report
        self._lock_timeout_s = lock_timeout_s
        self.durability: str = durability
        self.renewed: bool | None = None
        """Whether a new epoch began when it was opened; None while it is not open."""
        self.missing = ""
        """What the file lacks of what was acknowledged: a sentence, if anything tells."""
        self._mark = HighWaterMark(path)
        self._index = SearchIndex(path)
        self._boot = boot or epoch.this_boot()
        self._lock = -1
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None

    # Opening.

    def open(self) -> Restored:
        """Open the file, or make it; check it; return what it holds.

        :raises StoreUnusable: it cannot be used, and was left as it is.
        """
        try:
            with errors_as_sentences(self.path):
                self._lock = lock_database(self.path)
                return self._open()
        except StoreUnusable:
            self.close()
            raise

    def _open(self) -> Restored:
        if not self.path.exists():
            create(self.path)
        whole = self._whole()
        has_log = self.path.with_name(f"{self.path.name}-wal").exists()
        inspect(self.path)
        self._writer, self._reader = self._connect(), self._connect()
        migrate(self._writer, self.path, schema_scripts(), self._report)
        self.missing = self._what_is_missing(self._writer, has_log=has_log)
        whole = whole and not self.missing
        synced = self.durability == "power"
        self.renewed = epoch.begin(self._writer, self._boot, whole=whole, synced=synced)
        epoch.note_open(self._writer)
        self._writer.execute(f"PRAGMA synchronous = {SYNCHRONOUS[self.durability]}")
        return reading.restore(self._writer)

    def _whole(self) -> bool:
        """Return whether the log is known to be whole; one that is not synced may end early."""
        try:
            return integrity.check(self.path)
        except StoreUnusable:
            if self.durability == "power":
                raise
            return False

    def _what_is_missing(self, connection: sqlite3.Connection, *, has_log: bool) -> str:
        """Return a sentence about what the file lacks, and go on from what it has."""
        found = reading.last_numbers(connection)
        missing = missing_numbers(found, self._mark.open())
        self._mark.begin(found)
        if missing:
            return f"{self.path} is older than what was acknowledged, up to {missing}."
        if epoch.is_open(connection) and not has_log:
            return (
                f"{self.path} was copied while a host ran, and without {self.path.name}-wal:"
                " it is older than what was acknowledged."
            )
        return ""

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=self._lock_timeout_s,
            check_same_thread=False,
            isolation_level=None,
            cached_statements=64,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def stop_reading(self) -> None:
        """Close the connection that reads, in its thread: it may not be closed in mid-read."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def stop_searching(self) -> None:
        """Let go of the index, in its thread."""
        self._index.close()

    def close(self) -> None:
        """Let go of the file; what is in the write-ahead log goes into it first."""
        self.stop_reading()
        self.stop_searching()
        if self._writer is not None:
            if self.renewed is not None:
                epoch.end(self._writer)
            self._writer.close()
        self._writer = self.renewed = None
        self._mark.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # Writing: in one thread.

    def write(self, batch: WriteBatch) -> Dropped:
        """Commit a batch.

        :raises StorageFull: there is no room; nothing of it is kept.
        :raises StoreUnavailable: the file could not be written; nothing of it is kept.
        """
        with self._transaction() as connection:
            rows.write(connection, batch)
            dropped = pruning.drop(connection, batch.drop)
        self._mark.acknowledge(batch)
        return dropped

    def settle(self) -> None:
        """Nothing is ever in doubt: a file answers, or has nothing."""

    def beat(self) -> None:
        """Nobody stands by for a file: its lock ends with this process."""

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _errors_for_clients():
            connection = _in_use(self._writer)
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):  # where SQLite has rolled back by itself
                        connection.execute("ROLLBACK")

    # Reading: in another.

    def read(
        self, session_id: str | None, seq: int, position: int, limit: ReadLimit
    ) -> tuple[list[Event], bool]:
        """Return events after `seq` and after the id `position` up to a limit.

        The second value tells whether this was all.

        :raises StoreUnavailable: the file cannot be read.
        """
        with _errors_for_clients():
            return reading.read(_in_use(self._reader), session_id, seq, position, limit)

    def seq_before(self, session_id: str, count: int) -> int:
        """Return the number after which the last `count` facts come; errors as for `read`."""
        with _errors_for_clients():
            return reading.seq_before(_in_use(self._reader), session_id, count)

    def read_session(self, session_id: str) -> StoredSession | None:
        """Return what there is of a session, but for its events; errors as for `read`."""
        with _errors_for_clients():
            return reading.read_session(_in_use(self._reader), session_id)

    def empty_archives(self) -> list[str]:
        """Return archived sessions of whose logs nothing is left; errors as for `read`."""
        with _errors_for_clients():
            return reading.empty_archives(_in_use(self._reader))

    def lookup(self, session_id: str, keys: Sequence[str]) -> dict[str, Event]:
        """Return the retained events that were appended under `keys`; errors as for `read`."""
        with _errors_for_clients():
            return reading.lookup(_in_use(self._reader), session_id, keys)

    # Searching: in a third.

    def index_newer(self, until: int) -> bool:
        """Index a step's worth of what is newer than the index; errors as for `read`."""
        with self._errors_of_index():
            return self._index.index_newer(until)

    def index_older(self) -> bool:
        """Index a step's worth of what is older than the index; errors as for `read`."""
        with self._errors_of_index():
            return self._index.index_older()

    def search(self, search: EventSearch, before: int, limit: int) -> FoundEvents:
        """Search some of what is indexed and older than an id; errors as for `read`."""
        with self._errors_of_index():
            return self._index.search(search, before, limit)

    @contextmanager
    def _errors_of_index(self) -> Iterator[None]:
        _in_use(self._writer)
        with _errors_for_clients():
            try:
                yield
            except OSError as error:
                if no_room(error):
                    raise StorageFull from error
                raise StoreUnavailable(f"{self._index.path.name}: {error.strerror}") from error


def _in_use(connection: sqlite3.Connection | None) -> sqlite3.Connection:
    if connection is None:
        raise StoreUnavailable("it is closed")
    return connection


@contextmanager
def _errors_for_clients() -> Iterator[None]:
    """Turn errors of SQLite into those that clients know."""
    try:
        yield
    except (sqlite3.Error, DamagedRow) as error:
        if no_room(error):
            raise StorageFull from error
        raise StoreUnavailable(str(error).rstrip(".")) from error
