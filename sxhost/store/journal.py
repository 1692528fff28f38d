"""The SQLite file of a durable store.  Everything here blocks: it runs in threads.

What `Journal.write` has returned from is on disk.  A file that is torn, foreign, damaged or
from a later sxhost is refused with a sentence and left as it is.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from sxhost.errors import StorageFull, StoreUnavailable
from sxhost.model import Event, Message, Session
from sxhost.store import StoreUnusable, wal

__all__ = ["Durability", "Journal", "Page", "Restored", "held", "scripts"]

Durability = Literal["power", "process"]
Row = tuple[Any, ...]

APPLICATION = 0x73786873  # "sxhs"
SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}
NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
COLUMNS = {
    "meta": ("name", "value"),
    "session": ("id", "body"),
    "log": ("id", "session", "seq", "count", "at", "body"),
    "key": ("session", "key", "seq"),
    "message": ("id", "session", "body", "key"),
}
CHUNKS = (64, 8, 1)
"""Rows of one INSERT: few statements, since each gives up the interpreter's lock."""

PRUNE_ROWS = 256
"""Rows that one step of retention deletes at the most: a millisecond or two."""

PRUNED = "pruned:"
"""Begins the name under which `meta` keeps a session's floor."""

LAST_EVENT = "SELECT (SELECT id + count - 1 FROM log ORDER BY id DESC LIMIT 1)"
LAST_MESSAGE = "SELECT max(id) FROM message"

_events = msgspec.json.Decoder(Event)
_session = msgspec.json.Decoder(Session)
_message = msgspec.json.Decoder(Message)


class Page(Struct):
    """What one transaction writes: rows by table (without checksum), and what goes."""

    rows: dict[str, list[Row]] = {}
    sessions_gone: list[str] = []
    messages_gone: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.rows or self.sessions_gone or self.messages_gone)


class Floor(NamedTuple):
    """Where a retained log begins: its first number, and the last id that was dropped."""

    seq: int
    pruned: int


class Restored(Struct):
    """What a file holds; of each session's log its `Floor`."""

    epoch: str
    last_event: int
    last_message: int
    sessions: list[Session]
    messages: dict[str, list[tuple[Message, str | None]]]
    floors: dict[str, Floor]


class Journal:
    """One SQLite file, by a connection that writes and one that reads."""

    def __init__(self, path: Path, durability: Durability = "power") -> None:
        self.path = path
        self.durability = durability
        self._lock = -1
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None

    # Opening.

    def open(self) -> Restored:
        """Open the file, or make it; check it; return what it holds.

        :raises StoreUnusable: it cannot be used, and was left as it is.
        """
        try:
            with _sentences(self.path):
                self._lock = held(self.path)
                return self._open()
        except StoreUnusable:
            self.close()
            raise

    def _open(self) -> Restored:
        if not self.path.exists():
            create(self.path)
        if self.durability == "power":
            wal.check(self.path)
        self._inspect()
        self._writer, self._reader = self._connect(), self._connect()
        migrate(self._writer, self.path, scripts())
        return restore(self._writer)

    def _inspect(self) -> None:
        """Look at the file without writing: even closing it would, and this does not."""
        if self.path.stat().st_size == 0:
            raise StoreUnusable(f"{self.path} is empty, which no database of sxhost ever is.")
        place = f"{self.path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, uri=True)) as connection:
            if recognise(connection, self.path) == len(scripts()):
                verify(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, check_same_thread=False, isolation_level=None, cached_statements=64
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[self.durability]}")
        return connection

    def close(self) -> None:
        """Let go of the file; what is in the write-ahead log goes into it first."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # Writing: in one thread.

    def write(self, page: Page) -> None:
        """Commit a page.

        :raises StorageFull: there is no room; nothing of it is kept.
        :raises StoreUnavailable: the file could not be written; nothing of it is kept.
        """
        with self._transaction() as connection:
            for session_id in page.sessions_gone:
                _forget(connection, session_id)
            for table, rows in page.rows.items():
                _insert(connection, table, rows)
            for message_id in page.messages_gone:
                connection.execute("DELETE FROM message WHERE id = ?", (message_id,))

    def prune(self, session_id: str, below: int) -> dict[str, Floor]:
        """Drop a step's worth of a session's events below a number; return its new floor."""
        which = "WHERE session = ? AND seq + count <= ? ORDER BY seq"
        with self._transaction() as connection:
            return _drop(connection, _step(connection, which, (session_id, below)))

    def prune_older(self, at: int) -> dict[str, Floor]:
        """Drop a step's worth of events older than `at`; return the floors that moved.

        None goes before one that stays: where the wall clock was wrong for a while, a log
        keeps something for longer, and never has a hole.
        """
        with self._transaction() as connection:
            oldest = _step(connection, "ORDER BY id", ())
            return _drop(connection, list(takewhile(lambda row: row.at < at, oldest)))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._writer
        if connection is None:
            raise StoreUnavailable("it is closed")
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if _no_room(error):
                raise StorageFull from error
            raise StoreUnavailable(str(error)) from error
        finally:
            _roll_back(connection)

    # Reading: in another.

    def read(
        self, session_id: str | None, seq: int, position: int, limit: int
    ) -> tuple[list[Event], bool]:
        """Return events after `seq` and after the id `position`, at least `limit` if there are.

        The second value tells whether this was all.  What is read is checked once more.
        """
        mine = "session = :session AND " if session_id is not None else ""
        query = (
            f"SELECT id, session, seq, count, at, body, crc FROM log WHERE {mine}"
            "seq + count > :seq + 1 AND id + count > :position + 1 ORDER BY id"
        )
        given = {"session": session_id, "seq": seq, "position": position}
        events: list[Event] = []
        with _sentences(self.path), closing(self._reading().execute(query, given)) as rows:
            for row in rows:
                events += (e for e in _checked(row) if e.seq > seq and e.id > position)
                if len(events) >= limit:
                    return events, False
        return events, True

    def lookup(self, session_id: str, keys: Sequence[str]) -> dict[str, Event]:
        """Return the retained events that were appended under `keys`."""
        query = "SELECT seq FROM key WHERE session = ? AND key = ?"
        found: dict[str, Event] = {}
        for key in keys:
            row = self._reading().execute(query, (session_id, key)).fetchone()
            events = self.read(session_id, row[0] - 1, 0, 1)[0] if row else []
            if events and events[0].seq == row[0]:
                found[key] = events[0]
        return found

    def _reading(self) -> sqlite3.Connection:
        if self._reader is None:
            raise StoreUnavailable("it is closed")
        return self._reader


def scripts() -> list[str]:
    """Return the schema's scripts; the n-th leads from version n - 1 to n."""
    found = files("sxhost.store").joinpath("schema").iterdir()
    texts = {entry.name: entry.read_text() for entry in found if entry.name.endswith(".sql")}
    return [texts[name] for name in sorted(texts)]


def create(path: Path) -> None:
    """Make a new file: whole, or not at all."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        raise StoreUnusable(
            f"{log} belongs to a database that is not there. Put that back, or move this away."
        )
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        upgrade(connection, 0, scripts())
        meta = [("epoch", secrets.token_hex(4)), ("last_event", "0"), ("last_message", "0")]
        _insert(connection, "meta", meta)
        connection.commit()
    draft.chmod(0o600)
    draft.rename(path)


def recognise(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of a file of ours.

    :raises StoreUnusable: it is none, or we do not know its version.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION:
        raise StoreUnusable(f"{path} is not a database of sxhost.")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    known = len(scripts())
    if version > known:
        raise StoreUnusable(
            f"{path} has version {version}; this sxhost knows {known}. Use a newer one."
        )
    if version == 0:
        raise StoreUnusable(f"{path} is damaged: it has no version.")
    return int(version)


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[str]) -> None:
    """Bring an older file up to date; a copy of it, as it was, stays beside it."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < len(steps):
        with closing(sqlite3.connect(f"{path}.version-{version}")) as backup:
            connection.backup(backup)
        upgrade(connection, version, steps)
        verify(connection)


def upgrade(connection: sqlite3.Connection, version: int, steps: Sequence[str]) -> None:
    """Run the scripts after `version`, all or none."""
    body = "\n".join(steps[version:])
    connection.executescript(f"BEGIN;\n{body}\nPRAGMA user_version = {len(steps)};\nCOMMIT;")


def verify(connection: sqlite3.Connection) -> None:
    """Check the file's structure, and each row's checksum.

    :raises sqlite3.DatabaseError: something is not as it was written.
    """
    (first, *more) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if more or first != ("ok",):
        raise sqlite3.DatabaseError(first[0])
    for table, columns in COLUMNS.items():
        for *row, crc in connection.execute(f"SELECT {', '.join(columns)}, crc FROM {table}"):
            if checksum(row) != crc:
                raise sqlite3.DatabaseError(f"a row of {table} is not as it was written")


def restore(connection: sqlite3.Connection) -> Restored:
    """Read back what a file holds, but for the events themselves."""
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    (last_event,) = connection.execute(LAST_EVENT).fetchone()
    (last_message,) = connection.execute(LAST_MESSAGE).fetchone()
    messages: dict[str, list[tuple[Message, str | None]]] = {}
    for session_id, body, key in connection.execute(
        "SELECT session, body, key FROM message ORDER BY id"
    ):
        messages.setdefault(session_id, []).append((_message.decode(body), key))
    sessions = connection.execute("SELECT body FROM session ORDER BY id")
    return Restored(
        epoch=meta["epoch"],
        last_event=max(last_event or 0, int(meta["last_event"])),
        last_message=max(last_message or 0, int(meta["last_message"])),
        sessions=[_session.decode(body) for (body,) in sessions],
        messages=messages,
        floors={
            name.removeprefix(PRUNED): Floor(*map(int, value.split(":")))
            for name, value in meta.items()
            if name.startswith(PRUNED)
        },
    )


def checksum(row: Iterable[Any]) -> int:
    """Return the checksum of a row's columns."""
    crc = 0
    for value in row:
        data = value if isinstance(value, bytes) else repr(value).encode()
        crc = zlib.crc32(data, zlib.crc32(b"%d:" % len(data), crc))
    return crc


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
    """Insert or replace rows, in as few statements as there can be."""
    columns = (*COLUMNS[table], "crc")
    marks = f"({', '.join('?' * len(columns))})"
    done = 0
    for size in CHUNKS:
        sql = f"REPLACE INTO {table} ({', '.join(columns)}) VALUES {', '.join([marks] * size)}"
        while len(rows) - done >= size:
            chunk = rows[done : done + size]
            connection.execute(sql, [v for row in chunk for v in (*row, checksum(row))])
            done += size


def _forget(connection: sqlite3.Connection, session_id: str) -> None:
    _keep_numbers(connection)
    connection.execute("DELETE FROM session WHERE id = ?", (session_id,))
    connection.execute("DELETE FROM meta WHERE name = ?", (PRUNED + session_id,))
    for table in ("log", "key", "message"):
        connection.execute(f"DELETE FROM {table} WHERE session = ?", (session_id,))


class _Old(Struct):
    """What retention needs to know of a row of the log."""

    id: int
    session: str
    seq: int
    count: int
    at: int


def _step(connection: sqlite3.Connection, which: str, given: Row) -> list[_Old]:
    """Return the first rows of the log in an order, as many as may go at once."""
    query = f"SELECT {', '.join(_Old.__struct_fields__)} FROM log {which} LIMIT {PRUNE_ROWS}"
    return [_Old(*row) for row in connection.execute(query, given)]


def _drop(connection: sqlite3.Connection, rows: Sequence[_Old]) -> dict[str, Floor]:
    """Delete rows of the log with their keys; return the floors that moved."""
    if not rows:
        return {}
    _keep_numbers(connection)
    floors: dict[str, Floor] = {}
    for row in rows:
        connection.execute("DELETE FROM log WHERE id = ?", (row.id,))
        floors[row.session] = Floor(row.seq + row.count, row.id + row.count - 1)
    for session_id, floor in floors.items():
        keys = "DELETE FROM key WHERE session = ? AND seq < ?"
        connection.execute(keys, (session_id, floor.seq))
    _insert(
        connection, "meta", [(PRUNED + s, f"{f.seq}:{f.pruned}") for s, f in floors.items()]
    )
    return floors


def _keep_numbers(connection: sqlite3.Connection) -> None:
    """Write down how far numbering has come, before the rows that tell it are deleted."""
    for name, query in (
        ("last_event", LAST_EVENT),
        ("last_message", LAST_MESSAGE),
    ):
        (last,) = connection.execute(query).fetchone()
        (kept,) = connection.execute(
            "SELECT value FROM meta WHERE name = ?", (name,)
        ).fetchone()
        _insert(connection, "meta", [(name, str(max(last or 0, int(kept))))])


def _checked(row: Row) -> list[Event]:
    """Return a log row's events, if it is as it was written."""
    *columns, crc = row
    if checksum(columns) != crc:
        raise sqlite3.DatabaseError("a row of log is not as it was written")
    return _events.decode_lines(columns[5])


def _roll_back(connection: sqlite3.Connection) -> None:
    """Let go of what did not come to its end."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):  # it fails where SQLite has rolled back by itself
            connection.execute("ROLLBACK")


def _no_room(error: Exception) -> bool:
    """Tell whether an error says that the disk is full."""
    code = getattr(error, "sqlite_errorcode", None)
    return code in NO_ROOM or getattr(error, "errno", None) == errno.ENOSPC


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say of a file into a sentence about it."""
    try:
        yield
    except (sqlite3.Error, OSError, msgspec.MsgspecError, KeyError, ValueError) as error:
        if _no_room(error):
            raise StoreUnusable(f"{path} cannot be opened: its disk has no room.") from error
        raise StoreUnusable(
            f"{path} cannot be used: {str(error).rstrip('.')}. Restore a copy of it,"
            f" or move it away with all that begins with {path.name} to begin afresh."
        ) from error


def held(path: Path) -> int:
    """Hold a file's lock for as long as this process lives; return the lock's descriptor.

    :raises StoreUnusable: another host holds it.
    """
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        os.close(lock)
        raise StoreUnusable(f"{path} is in use by the host with pid {pid}.") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
