"""Retention: old rows of the log are dropped, a step at a time.

Nothing here begins or ends a transaction, and the engine's errors pass as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from msgspec import Struct

from sxhost.model.pieces import Superseded
from sxhost.store.journal import Drop, DropOlder, Dropped, DropSuperseded, DropSurplus
from sxhost.store.recent_events import Floor
from sxhost.store.sql.contracts import SQLConnection
from sxhost.store.sql.reading import count_events, last_numbers, seq_before
from sxhost.store.sql.rows import PRUNED, delete, insert

__all__ = ["PRUNE_ROWS", "drop", "drop_pieces", "prune", "prune_older"]

PRUNE_ROWS = 256
"""Rows that one step of retention deletes at the most: a millisecond or two."""


def drop(connection: SQLConnection, what: Drop | None) -> Dropped:
    """Drop a step's worth of something; return what that was."""
    match what:
        case DropSurplus():
            return _drop_surplus(connection, what)
        case DropOlder():
            return Dropped(prune_older(connection, what.now_ms, what.age_ms, what.last))
        case DropSuperseded():
            return Dropped(superseded=drop_pieces(connection, what.pieces))
    return Dropped()


def _drop_surplus(connection: SQLConnection, what: DropSurplus) -> Dropped:
    counts = count_events(connection, what.session)
    if counts.facts <= what.most.facts and counts.pieces <= what.most.pieces:
        return Dropped(counts=counts)
    facts = seq_before(connection, what.session, what.most.facts)
    pieces = seq_before(connection, what.session, what.most.pieces, pieces=True)
    return Dropped(prune(connection, what.session, max(facts, pieces) + 1), counts=counts)


def prune(connection: SQLConnection, session_id: str, below: int) -> dict[str, Floor]:
    """Drop a step's worth of a session's events below a number; return its new floor."""
    which = "WHERE session = ? AND seq + count <= ? ORDER BY seq"
    return _drop(connection, _step(connection, which, (session_id, below)))


def prune_older(connection: SQLConnection, now: int, age: int, last: int) -> dict[str, Floor]:
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
    connection: SQLConnection, superseded: Sequence[Superseded]
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
        delete(connection, "log", [number for (number,) in rows])
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


def _step(connection: SQLConnection, which: str, given: tuple[Any, ...]) -> list[_LogRow]:
    """Return the first rows of the log in an order, as many as may go at once."""
    query = f"SELECT {', '.join(_LogRow.__struct_fields__)} FROM log {which} LIMIT {PRUNE_ROWS}"
    return [_LogRow(*row) for row in connection.execute(query, given)]


def _drop(connection: SQLConnection, rows: Sequence[_LogRow]) -> dict[str, Floor]:
    """Delete rows of the log with their keys; return the floors that moved."""
    if not rows:
        return {}
    _keep_numbers(connection)
    floors: dict[str, Floor] = {}
    delete(connection, "log", [row.id for row in rows])
    for row in rows:
        floors[row.session] = Floor(row.seq + row.count, row.id + row.count - 1)
    for session_id, floor in floors.items():
        keys = "DELETE FROM key WHERE session = ? AND seq < ?"
        connection.execute(keys, (session_id, floor.seq))
    insert(connection, "meta", [(PRUNED + s, f"{f.seq}:{f.pruned}") for s, f in floors.items()])
    return floors


def _keep_numbers(connection: SQLConnection) -> None:
    """Write down how far numbering has come, before the rows that tell it are deleted."""
    numbers = last_numbers(connection)
    kept = {
        "last_event": numbers.event,
        "last_message": numbers.message,
        "last_approval": numbers.approval,
    }
    insert(connection, "meta", [(name, str(number)) for name, number in kept.items()])
