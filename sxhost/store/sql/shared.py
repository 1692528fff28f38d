"""A log that several nodes write to: where it ends, and what each commit has changed.

Nothing here begins or ends a transaction, and the engine's errors pass as they are.
"""

from __future__ import annotations

import secrets
from typing import Final, NamedTuple

from sxhost.store.journal import Dropped, Lease, Numbers, ReadLimit, Row, WriteBatch
from sxhost.store.news import Change, News, change_of
from sxhost.store.sql.contracts import SQLConnection
from sxhost.store.sql.reading import read
from sxhost.store.sql.rows import ALL_COLUMNS, check_row, insert

__all__ = [
    "KEPT_CHANGES",
    "LogMoved",
    "Tip",
    "add_change",
    "advance",
    "change_row",
    "has_change",
    "hold_tip",
    "lease_rows",
    "leases",
    "read_news",
    "read_tip",
]

KEPT_CHANGES: Final = 4096
"""Commits of which nodes are told: who is behind by more begins afresh."""

ALL: Final = ReadLimit(1 << 62, 1 << 62)

_CHANGES = f"SELECT {', '.join(ALL_COLUMNS['change'])}, crc FROM change"


class LogMoved(Exception):
    """The log does not have what this node has seen last, or no longer tells what followed."""


class Tip(NamedTuple):
    """How far the log was written: a number that counts commits, and a name of the last."""

    version: int
    nonce: str

    def next(self) -> Tip:
        """Return the tip after one more commit."""
        return Tip(self.version + 1, secrets.token_hex(8))


def read_tip(connection: SQLConnection) -> Tip:
    """Return how far the log was written."""
    return Tip(*connection.execute("SELECT version, nonce FROM tip").fetchone())


def hold_tip(connection: SQLConnection) -> Tip:
    """Return how far the log was written, and let nobody move that in this transaction."""
    held = "SELECT version, nonce FROM tip FOR UPDATE"
    return Tip(*connection.execute(held).fetchone())


def advance(connection: SQLConnection, old: Tip, new: Tip) -> bool:
    """Move the tip, in a transaction that has begun; return whether it was where it should."""
    moved = "UPDATE tip SET version = ?, nonce = ? WHERE version = ? AND nonce = ? RETURNING 1"
    return connection.execute(moved, (*new, *old)).fetchone() is not None


def change_row(
    tip: Tip, batch: WriteBatch, dropped: Dropped, last: Numbers, at: float = 0
) -> Row:
    """Return the row that tells other nodes of the commit that ends at a tip.

    :param at: the engine's clock in seconds.
    """
    return (*tip, change_of(batch, dropped, last, at).encode())


def add_change(connection: SQLConnection, row: Row) -> None:
    """Add what a commit has changed, and forget what nobody is to be told any more."""
    insert(connection, "change", [row])
    forgotten = "DELETE FROM change WHERE version <= ?"
    connection.execute(forgotten, (row[0] - KEPT_CHANGES,))


def has_change(connection: SQLConnection, tip: Tip) -> bool:
    """Return whether a commit was made, known by the tip that it ends at."""
    query = "SELECT 1 FROM change WHERE version = ? AND nonce = ?"
    return connection.execute(query, tip).fetchone() is not None


def lease_rows(batch: WriteBatch, ahead_ms: int, life: str) -> list[Row]:
    """Return the rows of leases.

    :param ahead_ms: what the engine's clock is ahead of the monotonic one of this host.
    """
    return [
        (number, session, int(until * 1000) + ahead_ms if until else 0, life)
        for number, session, until in batch.leases
    ]


def leases(connection: SQLConnection, ahead_ms: int) -> list[Lease]:
    """Return all leases that are noted."""
    rows = connection.execute("SELECT id, session, until_ms FROM lease")
    return [Lease(number, of, (until - ahead_ms) / 1000) for number, of, until in rows]


def read_news(
    connection: SQLConnection, tip: Tip, last_event: int, ahead_ms: int
) -> tuple[Tip, News] | None:
    """Return what was committed after a tip, and where the log ends then; None: nothing.

    :raises LogMoved: that cannot be told.
    """
    query = f"{_CHANGES} WHERE version >= ? ORDER BY version"
    (first, *rows) = connection.execute(query, (tip.version,)).fetchall() or [(None, None)]
    if first[:2] != tip:
        raise LogMoved
    if not rows:
        return None
    for *row, crc in rows:
        check_row("change", row, crc)
    changes = [_by_own_clock(Change.decode(row[2]), ahead_ms) for row in rows]
    events = []
    if changes[-1].last_event > last_event:
        events = read(connection, None, 0, last_event, ALL)[0]
    return Tip(*rows[-1][:2]), News(changes, events)


def _by_own_clock(change: Change, ahead_ms: int) -> Change:
    """Have times be those of this host's monotonic clock."""
    change.at -= ahead_ms / 1000
    if "lease" in change.rows:
        change.rows["lease"] = [
            (number, session, (until - ahead_ms) / 1000, life)
            for number, session, until, life in change.rows["lease"]
        ]
    return change
