"""The index of all words in the log: a file of its own beside the database.

It tells which rows of the log may have what is searched for; whether they do, their text
decides (`sxhost.model.search_text`), as in a store that has no index.  So it may be behind, and
it may be lost: it is made anew from the log.  It is made from the end of the log backwards,
since what is new is searched for first, in steps, while the host serves.

Rows that have left the log stay in the index, and find nothing, until they are the most of it.
Everything here runs in one thread, and SQLite's errors pass as they are.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from sxhost.model.event import Event
from sxhost.model.search import EventSearch
from sxhost.model.search_text import MAX_WORD, index_text
from sxhost.store.contracts import FoundEvents
from sxhost.store.runs import unpack
from sxhost.store.sql.rows import COLUMNS, check_row

__all__ = ["SearchIndex"]

T = TypeVar("T")
Row = tuple[int, int, bytes]
"""The id of a row of the log, how many events it has, and its body."""

STEP_ROWS: Final = 256
STEP_SIZE: Final = 512 * 1024
"""Rows of the log, or bytes of their events, that one step indexes: some 30 ms of work, most of
it beside the interpreter. Many rows cost less each: what an index is made of is merged less.
"""

SEARCHED_ROWS: Final = 128
SEARCHED_SIZE: Final = 512 * 1024
"""The same of one step of a search."""

SLACK: Final = 10_000
"""Rows that may have left the log beyond half of all before the index is made anew."""

_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

# Only which words a row has is kept, each once: neither where, nor the text.
_SCHEMA: Final = (
    """CREATE VIRTUAL TABLE found USING fts5(
        words, content = '', detail = 'none', columnsize = 0, tokenize = 'ascii'
    )""",
    "CREATE TABLE span (epoch TEXT, low INTEGER, high INTEGER, rows INTEGER, older INTEGER)",
)

_COLUMNS: Final = ", ".join(f"log.{name}" for name in COLUMNS["log"])
_SEARCH: Final = (
    f"SELECT {_COLUMNS}, log.crc FROM found CROSS JOIN host.log AS log ON log.id = found.rowid"
    " WHERE found MATCH ? AND found.rowid < ? {} ORDER BY found.rowid DESC"
)
_NEWER: Final = (
    "SELECT id, count, body FROM host.log WHERE id > ? AND id <= ? AND stream IS NULL"
    " ORDER BY id LIMIT ?"
)
_OLDER: Final = (
    "SELECT id, count, body FROM host.log WHERE id < ? AND stream IS NULL"
    " ORDER BY id DESC LIMIT ?"
)
_BODY: Final = COLUMNS["log"].index("body")

_events = msgspec.json.Decoder(Event)


class Span(NamedTuple):
    """Which rows are indexed: from the id `low` to the id `high`; 0: all that are older."""

    low: int
    high: int
    rows: int
    """How many rows were indexed, those included that have left the log."""
    older: int
    """How many events the log had that are older than the index, and facts."""


class SearchIndex:
    """The index of the log of the database at `database`."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(f"{database.name}-search")
        self._database = database
        self._connection: sqlite3.Connection | None = None

    # Indexing.

    def index_newer(self, until: int) -> bool:
        """Index a step's worth of what is newer, up to an id; return whether there is more."""
        return self._repaired(lambda connection: self._index_newer(connection, until))

    def _index_newer(self, connection: sqlite3.Connection, until: int) -> bool:
        span = _span(connection)
        rows = connection.execute(_NEWER, (span.high, until, STEP_ROWS)).fetchall()
        taken = _step(rows)
        if taken:
            count = span.rows + len(taken)
            _add(connection, taken, span._replace(high=taken[-1][0], rows=count))
            if count // SLACK > span.rows // SLACK and count > 2 * _rows(connection) + SLACK:
                self.remove()  # most of what it has is gone
        return len(taken) < len(rows) or len(rows) == STEP_ROWS

    def index_older(self) -> bool:
        """Index a step's worth of what is older; return whether there is more."""
        return self._repaired(_index_older)

    # Searching.

    def search(self, search: EventSearch, before: int, limit: int) -> FoundEvents:
        """Search some of the facts that are older than the id `before`, the newest first."""
        return self._repaired(lambda connection: _search(connection, search, before, limit))

    # The file.

    def remove(self) -> None:
        """Remove the index: the next to use it begins a new one."""
        self.close()
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _repaired(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the index; once more with a new one if it is damaged."""
        try:
            return act(self._open())
        except sqlite3.DatabaseError as error:
            if (getattr(error, "sqlite_errorcode", 0) & 0xFF) not in _DAMAGED:
                raise
        self.remove()
        return act(self._open())

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = self._connect()
            if not _is_of_this_log(connection):
                connection.close()
                self.remove()
                connection = self._connect()
                _begin(connection)
            self._connection = connection
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        os.close(
            os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        )
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("ATTACH ? AS host", (str(self._database),))
        except BaseException:
            connection.close()
            raise
        return connection


def _is_of_this_log(connection: sqlite3.Connection) -> bool:
    """Return whether the file is an index, and of the log as it is: ids mean the same."""
    query = "SELECT count(*) FROM sqlite_master WHERE name = 'span'"
    if not connection.execute(query).fetchone()[0]:
        return False
    same = "SELECT count(*) FROM span JOIN host.meta ON name = 'epoch' AND value = epoch"
    return bool(connection.execute(same).fetchone()[0])


def _begin(connection: sqlite3.Connection) -> None:
    """Make an index that has nothing yet, and stands at the end of the log."""
    connection.execute("BEGIN")
    for statement in _SCHEMA:
        connection.execute(statement)
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM host.log").fetchone()
    facts = "SELECT coalesce(sum(count), 0) FROM host.log INDEXED BY log_facts"
    (older,) = connection.execute(f"{facts} WHERE stream IS NULL").fetchone()
    epoch = "SELECT value, ?, ?, 0, ? FROM host.meta WHERE name = 'epoch'"
    connection.execute(f"INSERT INTO span {epoch}", (last + 1, last, older))
    connection.execute("COMMIT")


def _span(connection: sqlite3.Connection) -> Span:
    return Span(*connection.execute("SELECT low, high, rows, older FROM span").fetchone())


def _rows(connection: sqlite3.Connection) -> int:
    """Return how many rows of facts the log has."""
    query = "SELECT count(*) FROM host.log WHERE stream IS NULL"
    return int(connection.execute(query).fetchone()[0])


def _step(rows: Sequence[Row]) -> Sequence[Row]:
    """Return as many rows as one step indexes: at least one, if there is any."""
    size = 0
    for number, (_, _, body) in enumerate(rows, 1):
        size += len(body)
        if size >= STEP_SIZE:
            return rows[:number]
    return rows


def _index_older(connection: sqlite3.Connection) -> bool:
    span = _span(connection)
    if not span.low:
        return False
    rows = connection.execute(_OLDER, (span.low, STEP_ROWS)).fetchall()
    taken = _step(rows)
    is_all = len(taken) == len(rows) < STEP_ROWS
    low = 0 if is_all else taken[-1][0]
    older = 0 if is_all else max(0, span.older - sum(count for _, count, _ in taken))
    rows_now = span.rows + len(taken)
    _add(connection, taken, span._replace(low=low, rows=rows_now, older=older))
    return not is_all


def _add(connection: sqlite3.Connection, rows: Sequence[Row], span: Span) -> None:
    """Add rows of the log, after which the index has a span."""
    # In the order of their ids: FTS5 writes out all that it holds before it takes a lower one.
    words = sorted((number, _words(body)) for number, _, body in rows)
    connection.execute("BEGIN")
    try:
        connection.executemany("INSERT INTO found (rowid, words) VALUES (?, ?)", words)
        connection.execute("UPDATE span SET low = ?, high = ?, rows = ?, older = ?", span)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _words(body: bytes) -> str:
    """Return what the events in a row say, in words; nothing if it cannot be read."""
    try:
        events = _events.decode_lines(unpack(body))
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return index_text(events)


def _term(word: str) -> str:
    """Return the term of a query for a word: the index has longer ones whole."""
    return f'"{word}"{"*" if len(word) >= MAX_WORD else ""}'


def _search(
    connection: sqlite3.Connection, search: EventSearch, before: int, limit: int
) -> FoundEvents:
    span = _span(connection)
    words = dict.fromkeys(word for phrase in search.terms.wanted for word in phrase)
    names = sorted(search.sessions)
    chosen = f"AND log.session IN ({', '.join('?' * len(names))})" if names else ""
    parameters = (" AND ".join(map(_term, words)), before, *names)
    found: list[Event] = []
    rows = size = 0
    with closing(connection.execute(_SEARCH.format(chosen), parameters)) as cursor:
        for *columns, crc in cursor:
            check_row("log", columns, crc)
            lines = unpack(columns[_BODY])
            for event in reversed(_events.decode_lines(lines)):
                if event.id < before and search.finds(event):
                    found.append(event)
                    if len(found) >= limit:
                        return FoundEvents(found, event.id, span.older)
            rows, size = rows + 1, size + len(lines)
            if rows >= SEARCHED_ROWS or size >= SEARCHED_SIZE:
                return FoundEvents(found, columns[0], span.older)
    return FoundEvents(found, None, span.older)
