"""Retention: old rows of the log are dropped, a step at a time.

Nothing here begins or ends a transaction, and SQLite's errors pass as they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from msgspec import Struct

from sxhost.model.pieces import Superseded
from sxhost.store.recent_events import Floor
from sxhost.store.sqlite.reading import last_numbers
from sxhost.store.sqlite.rows import PRUNED, insert

__all__ = ["PRUNE_ROWS", "drop_pieces", "prune", "prune_older"]

PRUNE_ROWS = 256
"""Rows that one step of retention deletes at the most: a millisecond or two."""


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


def drop_pieces(
    connection: sqlite3.Connection, superseded: Sequence[Superseded]
) -> Sequence[Superseded]:
    """Drop a step's worth of superseded pieces; return of which nothing is left.

    Where a session was deleted meanwhile, and has begun again, its log is another one.
    """
    noted = "FROM superseded WHERE session = ? AND stream = ? AND seq = ?"
    pieces = "FROM log WHERE session = ? AND stream = ? AND seq < ? ORDER BY seq LIMIT ?"
    gone: list[Superseded] = []
    left = PRUNE_ROWS
    for each in superseded:
        rows: list[tuple[int]] = []
        if connection.execute(f"SELECT 1 {noted}", each).fetchone() is not None:
            rows = connection.execute(f"SELECT id {pieces}", (*each, left)).fetchall()
        connection.executemany("DELETE FROM log WHERE id = ?", rows)
        left -= len(rows)
        if left <= 0:
            break
        connection.execute(f"DELETE {noted}", each)
        gone.append(each)
    return gone


class _LogRow(Struct):
    """What retention needs to know of a row of the log; `at` is its time in Unix ms."""

    id: int
    session: str
    seq: int
    count: int
    at: int


def _step(connection: sqlite3.Connection, which: str, given: tuple[Any, ...]) -> list[_LogRow]:
    """Return the first rows of the log in an order, as many as may go at once."""
    query = f"SELECT {', '.join(_LogRow.__struct_fields__)} FROM log {which} LIMIT {PRUNE_ROWS}"
    return [_LogRow(*row) for row in connection.execute(query, given)]


def _drop(connection: sqlite3.Connection, rows: Sequence[_LogRow]) -> dict[str, Floor]:
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
    numbers = last_numbers(connection)
    kept = {
        "last_event": numbers.event,
        "last_message": numbers.message,
        "last_approval": numbers.approval,
    }
    insert(connection, "meta", [(name, str(number)) for name, number in kept.items()])
