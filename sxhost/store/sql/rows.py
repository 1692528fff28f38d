"""Rows of a journal's tables, written and checked; each has a checksum of its own.

SQLite has none, and would serve damaged data; PostgreSQL has them where they were asked for.
Nothing here begins or ends a transaction, and the engine's errors pass as they are.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from sxhost.store.journal import Row, WriteBatch
from sxhost.store.sql.contracts import DamagedRow, SQLConnection
from sxhost.store.write_batch import ARCHIVED

__all__ = [
    "ALL_COLUMNS",
    "COLUMNS",
    "PRUNED",
    "check_row",
    "checksum",
    "delete",
    "insert",
    "replacing",
    "write",
]

COLUMNS = {
    "meta": ("name", "value"),
    "session": ("id", "body"),
    "log": ("id", "session", "seq", "count", "at", "stream", "body"),
    "key": ("session", "key", "seq", "id"),
    "superseded": ("session", "stream", "seq"),
    "message": ("id", "session", "body", "key"),
    "approval": ("id", "session", "body"),
    "audit": ("id", "body"),
    "usage": ("session", "number", "body"),
    "reading": ("session", "body"),
}

ALL_COLUMNS = {
    **COLUMNS,
    "lease": ("id", "session", "until_ms", "life"),
    "change": ("version", "nonce", "body"),
}
"""Also of the tables that only a log has which several nodes write to."""

NAMED_BY = {"meta": 1, "key": 2, "superseded": 3, "usage": 2}
"""How many columns, from the first, name a row; the others are named by their first alone."""

CHUNKS = (64, 8, 1)
"""Rows of one INSERT: few statements, since each gives up the interpreter's lock."""

PRUNED = "pruned:"
"""Begins the name under which `meta` keeps a session's floor."""


def write(connection: SQLConnection, batch: WriteBatch) -> None:
    """Write a batch."""
    for session_id in batch.deleted_sessions:
        _delete_session(connection, session_id)
    for kept in batch.revived_sessions:
        connection.execute("DELETE FROM meta WHERE name = ?", (ARCHIVED + kept.session.id,))
    for table, rows in batch.rows.items():
        insert(connection, table, rows)
    for table, numbers in (
        ("message", batch.deleted_messages),
        ("approval", batch.deleted_approvals),
    ):
        delete(connection, table, numbers)
    for session_id, number in batch.deleted_usage:
        named = "session = ? AND number = ?"
        connection.execute(f"DELETE FROM usage WHERE {named}", (session_id, number))
    for session_id in batch.deleted_readings:
        connection.execute("DELETE FROM reading WHERE session = ?", (session_id,))
    if batch.deleted_entries > 0:
        connection.execute("DELETE FROM audit WHERE id <= ?", (batch.deleted_entries,))


def insert(connection: SQLConnection, table: str, rows: Sequence[Row]) -> None:
    """Insert or replace rows, in as few statements as there can be."""
    statements = _INSERTS[table]
    done = 0
    for size, sql in zip(CHUNKS, statements, strict=True):
        while len(rows) - done >= size:
            chunk = rows[done : done + size]
            connection.execute(sql, [v for row in chunk for v in (*row, checksum(row))])
            done += size


def delete(connection: SQLConnection, table: str, numbers: Sequence[int]) -> None:
    """Delete rows by their numbers."""
    if numbers:
        marks = ", ".join("?" * len(numbers))
        connection.execute(f"DELETE FROM {table} WHERE id IN ({marks})", numbers)


def _insert(table: str, size: int) -> str:
    """Return the statement that inserts or replaces so many rows."""
    columns = (*ALL_COLUMNS[table], "crc")
    marks = ", ".join([f"({', '.join('?' * len(columns))})"] * size)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {marks} {replacing(table)}"


def replacing(table: str) -> str:
    """Return the end of an INSERT that replaces rows."""
    columns = (*ALL_COLUMNS[table], "crc")
    named = NAMED_BY.get(table, 1)
    replaced = ", ".join(f"{name} = excluded.{name}" for name in columns[named:])
    return f"ON CONFLICT ({', '.join(columns[:named])}) DO UPDATE SET {replaced}"


_INSERTS = {table: [_insert(table, size) for size in CHUNKS] for table in ALL_COLUMNS}


def _delete_session(connection: SQLConnection, session_id: str) -> None:
    connection.execute("DELETE FROM session WHERE id = ?", (session_id,))
    for name in (PRUNED + session_id, ARCHIVED + session_id):
        connection.execute("DELETE FROM meta WHERE name = ?", (name,))
    for table in ("log", "key", "superseded", "message", "approval"):
        connection.execute(f"DELETE FROM {table} WHERE session = ?", (session_id,))


def check_row(table: str, row: Iterable[Any], crc: int) -> None:
    """Check one row's checksum.

    :raises DamagedRow: it is not as it was written.
    """
    if checksum(row) != crc:
        raise DamagedRow(f"a row of {table} is not as it was written")


def checksum(row: Iterable[Any]) -> int:
    """Return the checksum of a row's columns."""
    crc = 0
    for value in row:
        data = value if isinstance(value, bytes) else repr(value).encode()
        crc = zlib.crc32(data, zlib.crc32(b"%d:" % len(data), crc))
    return crc
