"""A commit as one statement: it moves the tip, and writes what a batch adds if that has moved.

So a commit is one trip, and no lock outlives it: a host that is frozen holds nobody up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sxhost.store.journal import Row, WriteBatch
from sxhost.store.sql.rows import ALL_COLUMNS, checksum, replacing
from sxhost.store.sql.shared import KEPT_CHANGES, Tip

__all__ = ["commit_statement", "is_addition"]

TYPES: Final = {
    **dict.fromkeys(
        ("id", "seq", "count", "at", "number", "until_ms", "version", "crc"), "bigint"
    ),
    "body": "bytea",
}
"""Of columns; others are texts, as is the id of a session."""


def is_addition(batch: WriteBatch) -> bool:
    """Return whether one statement writes a batch: what deletes much takes several."""
    deletes = batch.deleted_sessions, batch.deleted_usage, batch.deleted_readings
    return not (any(deletes) or batch.revived_sessions or batch.drop)


def commit_statement(old: Tip, new: Tip, batch: WriteBatch) -> tuple[str, list[Any]]:
    """Return the statement that commits a batch, with its parameters.

    It returns a row if the tip was where it should, and else has done nothing.
    """
    deleted = {"message": batch.deleted_messages, "approval": batch.deleted_approvals}
    given: list[Any] = [*new, *old]
    tables: list[str] = []
    for table, rows in batch.rows.items():
        gone = set(deleted.get(table, ()))  # what is written and deleted at once is not written
        if kept := [row for row in rows if row[0] not in gone] if gone else rows:
            tables.append(table)
            given += _columns(kept)
    shortened = [table for table, numbers in deleted.items() if numbers]
    given += [deleted[table] for table in shortened]
    if batch.deleted_entries > 0:
        given.append(batch.deleted_entries)
    if "change" in tables:
        given.append(new.version - KEPT_CHANGES)
    return _statement(tuple(tables), tuple(shortened), batch.deleted_entries > 0), given


def _columns(rows: Sequence[Row]) -> list[list[Any]]:
    return [*map(list, zip(*rows, strict=True)), [checksum(row) for row in rows]]


@lru_cache(256)
def _statement(tables: Sequence[str], shortened: Sequence[str], audit: bool) -> str:
    moved = "UPDATE tip SET version = ?, nonce = ? WHERE version = ? AND nonce = ? RETURNING 1"
    parts = [f"moved AS ({moved})"]
    parts += [f"new_{table} AS ({_insert(table)})" for table in tables]
    for table in shortened:
        parts.append(f"old_{table} AS (DELETE FROM {table} WHERE id = ANY(%b) AND {_IF_MOVED})")
    if audit:
        parts.append(f"old_audit AS (DELETE FROM audit WHERE id <= ? AND {_IF_MOVED})")
    if "change" in tables:
        parts.append(f"old_change AS (DELETE FROM change WHERE version = ? AND {_IF_MOVED})")
    return f"WITH {', '.join(parts)} SELECT 1 AS committed FROM moved"


_IF_MOVED = "EXISTS (SELECT FROM moved)"


def _insert(table: str) -> str:
    columns = (*ALL_COLUMNS[table], "crc")
    types = [
        "text" if (table, n) == ("session", "id") else TYPES.get(n, "text") for n in columns
    ]
    arrays = ", ".join(f"%b::{kind}[]" for kind in types)
    return (
        f"INSERT INTO {table} ({', '.join(columns)})"
        f" SELECT * FROM unnest({arrays}) WHERE {_IF_MOVED} {replacing(table)}"
    )
