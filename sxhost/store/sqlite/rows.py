"""What a journal keeps, as rows of SQLite tables; each row has a checksum of its own.

All SQL about sessions, events and messages is here.  Nothing here begins or ends a
transaction, and SQLite's errors pass as they are.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import takewhile
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from sxhost.model.approval import Approval
from sxhost.model.auth import AuditEntry
from sxhost.model.session import Event, Message, Session
from sxhost.store.archive import StoredSession

__all__ = ["ARCHIVED", "Floor", "Numbers", "ReadLimit", "Restored", "WriteBatch"]

Row = tuple[Any, ...]

COLUMNS = {
    "meta": ("name", "value"),
    "session": ("id", "body"),
    "log": ("id", "session", "seq", "count", "at", "body"),
    "key": ("session", "key", "seq"),
    "message": ("id", "session", "body", "key"),
    "approval": ("id", "session", "body"),
    "audit": ("id", "body"),
}
BODY = COLUMNS["log"].index("body")

CHUNKS = (64, 8, 1)
"""Rows of one INSERT: few statements, since each gives up the interpreter's lock."""

PRUNE_ROWS = 256
"""Rows that one step of retention deletes at the most: a millisecond or two."""

PRUNED = "pruned:"
"""Begins the name under which `meta` keeps a session's floor."""

ARCHIVED = "archived:"
"""Begins the name under which `meta` keeps since when a session is archived."""

LAST_EVENT = "SELECT (SELECT id + count - 1 FROM log ORDER BY id DESC LIMIT 1)"
LAST_MESSAGE = "SELECT max(id) FROM message"
LAST_APPROVAL = "SELECT max(id) FROM approval"
LAST = (LAST_EVENT, LAST_MESSAGE, LAST_APPROVAL, "SELECT max(id) FROM audit")

_events = msgspec.json.Decoder(Event)
_session = msgspec.json.Decoder(Session)
_message = msgspec.json.Decoder(Message)
_approval = msgspec.json.Decoder(Approval)
_deed = msgspec.json.Decoder(AuditEntry)


class WriteBatch(Struct):
    """What one transaction writes: rows by table (without checksum), and what goes."""

    rows: dict[str, list[Row]] = {}
    sessions_gone: list[str] = []
    messages_gone: list[int] = []
    approvals_gone: list[int] = []
    revived: list[str] = []
    """Sessions that are archived no longer."""
    deeds_gone: int = 0
    """Entries of the audit up to this one go."""

    def __bool__(self) -> bool:
        gone = self.sessions_gone or self.messages_gone or self.approvals_gone
        return bool(self.rows or gone or self.revived)


class Numbers(NamedTuple):
    """The last number that was given out of each kind; but for events named as its table."""

    event: int = 0
    message: int = 0
    approval: int = 0
    audit: int = 0

    def after(self, page: WriteBatch) -> Numbers:
        """Return them as they are once a page is written."""
        events = [row[0] + row[3] - 1 for row in page.rows.get("log", [])]
        others = [[row[0] for row in page.rows.get(table, [])] for table in self._fields[1:]]
        pairs = zip(self, [events, *others], strict=True)
        return Numbers(*(max([last, *more]) for last, more in pairs))


class Floor(NamedTuple):
    """Where a retained log begins: its first number, and the last id that was dropped."""

    seq: int
    pruned: int


class ReadLimit(NamedTuple):
    """When to stop reading: at so many events, or at so many bytes of rows."""

    events: int
    size: int


class Restored(Struct):
    """What a file holds; of each session's log its `Floor`."""

    epoch: str
    last_event: int
    last_message: int
    last_approval: int
    sessions: list[Session]
    messages: dict[str, list[tuple[Message, str | None]]]
    approvals: dict[str, list[Approval]]
    floors: dict[str, Floor]
    deeds: list[AuditEntry]
    archived: list[str]
    """Sessions that made room: nothing else is told of them but their floors."""


# Writing.


def write(connection: sqlite3.Connection, page: WriteBatch) -> None:
    """Write a page."""
    for session_id in page.sessions_gone:
        _forget(connection, session_id)
    for session_id in page.revived:
        connection.execute("DELETE FROM meta WHERE name = ?", (ARCHIVED + session_id,))
    for table, rows in page.rows.items():
        insert(connection, table, rows)
    for table, gone in (("message", page.messages_gone), ("approval", page.approvals_gone)):
        for number in gone:
            connection.execute(f"DELETE FROM {table} WHERE id = ?", (number,))
    if page.deeds_gone > 0:
        connection.execute("DELETE FROM audit WHERE id <= ?", (page.deeds_gone,))


def insert(connection: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
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
    connection.execute("DELETE FROM session WHERE id = ?", (session_id,))
    for name in (PRUNED + session_id, ARCHIVED + session_id):
        connection.execute("DELETE FROM meta WHERE name = ?", (name,))
    for table in ("log", "key", "message", "approval"):
        connection.execute(f"DELETE FROM {table} WHERE session = ?", (session_id,))


# Retention.


def prune(connection: sqlite3.Connection, session_id: str, below: int) -> dict[str, Floor]:
    """Drop a step's worth of a session's events below a number; return its new floor."""
    which = "WHERE session = ? AND seq + count <= ? ORDER BY seq"
    return _drop(connection, _step(connection, which, (session_id, below)))


def prune_older(
    connection: sqlite3.Connection, now: int, age: int, last: int
) -> dict[str, Floor]:
    """Drop a step's worth of events up to the id `last` that are older than `age`.

    Age is counted up to `now`, and up to the newest event if that came before; all three in
    milliseconds.  Returns the floors that moved.  None goes before one that stays: where the
    wall clock was wrong for a while, a log keeps something for longer, and never has a hole.
    """
    newest = connection.execute("SELECT at FROM log ORDER BY id DESC LIMIT 1").fetchone()
    before = min(now, newest[0] if newest else 0) - age
    oldest = _step(connection, "WHERE id <= ? ORDER BY id", (last,))
    return _drop(connection, list(takewhile(lambda row: row.at < before, oldest)))


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
    insert(connection, "meta", [(PRUNED + s, f"{f.seq}:{f.pruned}") for s, f in floors.items()])
    return floors


def _keep_numbers(connection: sqlite3.Connection) -> None:
    """Write down how far numbering has come, before the rows that tell it are deleted."""
    for name, query in (
        ("last_event", LAST_EVENT),
        ("last_message", LAST_MESSAGE),
        ("last_approval", LAST_APPROVAL),
    ):
        (last,) = connection.execute(query).fetchone()
        row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        kept = int(row[0]) if row else 0
        insert(connection, "meta", [(name, str(max(last or 0, kept)))])


# Reading.


_COLUMNS = "SELECT id, session, seq, count, at, body, crc FROM log"
_READ = {
    True: f"{_COLUMNS} WHERE session = ?1 AND seq >= coalesce((SELECT seq FROM log"
    " WHERE session = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1), 0) ORDER BY seq",
    False: f"{_COLUMNS} WHERE id >= coalesce((SELECT id FROM log"
    " WHERE id <= ?1 ORDER BY id DESC LIMIT 1), 0) ORDER BY id",
}
"""Reads rows of one session, or of all, from the one on that has an event: by an index."""

_LAST_NUMBER = "SELECT max(seq) FROM log WHERE session = ?"
_ROW_WITH = "SELECT id, seq FROM log WHERE session = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"


def read(
    connection: sqlite3.Connection,
    session_id: str | None,
    seq: int,
    position: int,
    enough: ReadLimit,
) -> tuple[list[Event], bool]:
    """Return events after `seq` and after the id `position`, whole rows until it is enough.

    The second value tells whether this was all.  What is read is checked once more.
    """
    given: tuple[Any, ...] = (position + 1,)
    if session_id is not None:
        given = (session_id, max(seq + 1, _number(connection, session_id, position + 1)))
    events: list[Event] = []
    size = 0
    with closing(connection.execute(_READ[session_id is not None], given)) as rows:
        for row in rows:
            events += (e for e in _checked(row) if e.seq > seq and e.id > position)
            size += len(row[BODY])
            if len(events) >= enough.events or size >= enough.size:
                return events, False
    return events, True


def _number(connection: sqlite3.Connection, session_id: str, place: int) -> int:
    """Return the number of a session's event that has an id, or of one shortly before.

    Numbers rise with ids: it is found by halving, since no index has both.
    """
    low = 0
    (high,) = connection.execute(_LAST_NUMBER, (session_id,)).fetchone() if place > 1 else (0,)
    while low < (high or 0):
        middle = (low + high + 1) // 2
        row = connection.execute(_ROW_WITH, (session_id, middle)).fetchone()
        if row is None or row[0] <= place:
            low = middle
        else:
            high = row[1] - 1
    return low


def _checked(row: Row) -> list[Event]:
    """Return a log row's events, if it is as it was written."""
    *columns, crc = row
    if checksum(columns) != crc:
        raise sqlite3.DatabaseError("a row of log is not as it was written")
    return _events.decode_lines(row[BODY])


def lookup(
    connection: sqlite3.Connection, session_id: str, keys: Sequence[str]
) -> dict[str, Event]:
    """Return the retained events that were appended under `keys`."""
    query = "SELECT seq FROM key WHERE session = ? AND key = ?"
    found: dict[str, Event] = {}
    for key in keys:
        row = connection.execute(query, (session_id, key)).fetchone()
        events = read(connection, session_id, row[0] - 1, 0, ReadLimit(1, 0))[0] if row else []
        if events and events[0].seq == row[0]:
            found[key] = events[0]
    return found


def last_numbers(connection: sqlite3.Connection) -> Numbers:
    """Return the last numbers that a file knows of."""
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    last = [connection.execute(query).fetchone()[0] or 0 for query in LAST]
    kept = [int(meta.get(f"last_{name}", 0)) for name in Numbers._fields]
    return Numbers(*map(max, last, kept))


def restore(connection: sqlite3.Connection) -> Restored:
    """Read back what a file holds, but for the events themselves."""
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    archived = [n.removeprefix(ARCHIVED) for n in meta if n.startswith(ARCHIVED)]
    last = last_numbers(connection)
    messages: dict[str, list[tuple[Message, str | None]]] = {}
    for session_id, body, key in connection.execute(
        "SELECT session, body, key FROM message ORDER BY id"
    ):
        if ARCHIVED + session_id not in meta:
            messages.setdefault(session_id, []).append((_message.decode(body), key))
    approvals: dict[str, list[Approval]] = {}
    for session_id, body in connection.execute(
        "SELECT session, body FROM approval ORDER BY id"
    ):
        if ARCHIVED + session_id not in meta:
            approvals.setdefault(session_id, []).append(_approval.decode(body))
    sessions = connection.execute("SELECT id, body FROM session ORDER BY id")
    deeds = connection.execute("SELECT body FROM audit ORDER BY id")
    return Restored(
        epoch=meta["epoch"],
        last_event=last.event,
        last_message=last.message,
        sessions=[
            _session.decode(body) for name, body in sessions if ARCHIVED + name not in meta
        ],
        last_approval=last.approval,
        messages=messages,
        approvals=approvals,
        floors={
            name.removeprefix(PRUNED): Floor(*map(int, value.split(":")))
            for name, value in meta.items()
            if name.startswith(PRUNED)
        },
        deeds=[_deed.decode(body) for (body,) in deeds],
        archived=archived,
    )


def read_session(connection: sqlite3.Connection, session_id: str) -> StoredSession | None:
    """Read back what a file holds of one session, if it does, but for its events."""
    of = "WHERE session = ? ORDER BY id"
    row = connection.execute("SELECT body FROM session WHERE id = ?", (session_id,)).fetchone()
    if row is None:
        return None
    messages = connection.execute(f"SELECT body, key FROM message {of}", (session_id,))
    approvals = connection.execute(f"SELECT body FROM approval {of}", (session_id,))
    return StoredSession(
        _session.decode(row[0]),
        [(_message.decode(body), key) for body, key in messages],
        [_approval.decode(body) for (body,) in approvals],
    )


def empty_archives(connection: sqlite3.Connection) -> list[str]:
    """Return archived sessions of whose logs retention has left nothing: some of them."""
    query = (
        "SELECT a.session FROM (SELECT substr(name, ?) AS session FROM meta"
        " WHERE name >= ? AND name < ?) AS a JOIN meta ON meta.name = ? || a.session"
        " WHERE NOT EXISTS (SELECT 1 FROM log WHERE log.session = a.session) LIMIT ?"
    )
    end = ARCHIVED[:-1] + chr(ord(ARCHIVED[-1]) + 1)
    given = (len(ARCHIVED) + 1, ARCHIVED, end, PRUNED, PRUNE_ROWS)
    return [session_id for (session_id,) in connection.execute(query, given)]


# Checking.


def check(connection: sqlite3.Connection) -> None:
    """Check every row's checksum.

    :raises sqlite3.DatabaseError: a row is not as it was written.
    """
    for table, columns in COLUMNS.items():
        for *row, crc in connection.execute(f"SELECT {', '.join(columns)}, crc FROM {table}"):
            if checksum(row) != crc:
                raise sqlite3.DatabaseError(f"a row of {table} is not as it was written")


def checksum(row: Iterable[Any]) -> int:
    """Return the checksum of a row's columns."""
    crc = 0
    for value in row:
        data = value if isinstance(value, bytes) else repr(value).encode()
        crc = zlib.crc32(data, zlib.crc32(b"%d:" % len(data), crc))
    return crc
