"""Rows of the tables of an SQLite file, written and checked; each has a checksum of its own.

SQLite has none, and would serve damaged data.  Nothing here begins or ends a transaction, and
SQLite's errors pass as they are.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from sxhost.store.journal import Row, WriteBatch
from sxhost.store.write_batch import ARCHIVED

__all__ = ["COLUMNS", "PRUNED", "check", "check_row", "insert", "write"]

COLUMNS = {
    "meta": ("name", "value"),
    "session": ("id", "body"),
    "log": ("id", "session", "seq", "count", "at", "stream", "body"),
    "key": ("session", "key", "seq", "id"),
    "superseded": ("session", "stream", "seq"),
    "message": ("id", "session", "body", "key"),
    "approval": ("id", "session", "body"),
    "audit": ("id", "body"),
}

CHUNKS = (64, 8, 1)
"""Rows of one INSERT: few statements, since each gives up the interpreter's lock."""

_LOG_CRC = """crc32(CAST(body AS BLOB), crc32(CAST(printf(
    '%d:%d' || '%d:''%s''' || '%d:%d' || '%d:%d' || '%d:%d' || '%s' || '%d:',
    length(id), id, length(session) + 2, session, length(seq), seq, length(count), count,
    length(at), at, coalesce((length(stream) + 2) || ':''' || stream || '''', '4:None'),
    length(body)) AS BLOB)))"""
"""The `checksum` of a row of the log, in SQL: there are hundreds of thousands at a start.

Of text that Python's `repr` escapes it is another one; such a row is then checked in Python.
"""

PRUNED = "pruned:"
"""Begins the name under which `meta` keeps a session's floor."""


def write(connection: sqlite3.Connection, batch: WriteBatch) -> None:
    """Write a batch."""
    for session_id in batch.deleted_sessions:
        _delete_session(connection, session_id)
    for session_id in batch.revived_sessions:
        connection.execute("DELETE FROM meta WHERE name = ?", (ARCHIVED + session_id,))
    for table, rows in batch.rows.items():
        insert(connection, table, rows)
    for table, numbers in (
        ("message", batch.deleted_messages),
        ("approval", batch.deleted_approvals),
    ):
        for number in numbers:
            connection.execute(f"DELETE FROM {table} WHERE id = ?", (number,))
    if batch.deleted_entries > 0:
        connection.execute("DELETE FROM audit WHERE id <= ?", (batch.deleted_entries,))


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


def _delete_session(connection: sqlite3.Connection, session_id: str) -> None:
    connection.execute("DELETE FROM session WHERE id = ?", (session_id,))
    for name in (PRUNED + session_id, ARCHIVED + session_id):
        connection.execute("DELETE FROM meta WHERE name = ?", (name,))
    for table in ("log", "key", "superseded", "message", "approval"):
        connection.execute(f"DELETE FROM {table} WHERE session = ?", (session_id,))


def check(connection: sqlite3.Connection) -> None:
    """Check every row's checksum.

    :raises sqlite3.DatabaseError: a row is not as it was written.
    """
    connection.create_function("crc32", -1, zlib.crc32, deterministic=True)
    for table, columns in COLUMNS.items():
        where = f"WHERE {_LOG_CRC} IS NOT crc" if table == "log" else ""
        sql = f"SELECT {', '.join(columns)}, crc FROM {table} {where}"
        for *row, crc in connection.execute(sql):
            check_row(table, row, crc)


def check_row(table: str, row: Iterable[Any], crc: int) -> None:
    """Check one row's checksum; errors as for `check`."""
    if checksum(row) != crc:
        raise sqlite3.DatabaseError(f"a row of {table} is not as it was written")


def checksum(row: Iterable[Any]) -> int:
    """Return the checksum of a row's columns."""
    crc = 0
    for value in row:
        data = value if isinstance(value, bytes) else repr(value).encode()
        crc = zlib.crc32(data, zlib.crc32(b"%d:" % len(data), crc))
    return crc
