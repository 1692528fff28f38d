"""Rows of the log are dropped in steps, and their numbers outlive them."""

from __future__ import annotations

import sqlite3

from sxhost.store.recent_events import Floor
from sxhost.store.sql import pruning, reading, rows
from tests.support.log_rows import append, seqs


def test_retention_goes_in_steps(connection: sqlite3.Connection) -> None:
    for number in range(1, 401):
        append(connection, number, 1)
    rows.insert(connection, "key", [("a", "early", 1, 1), ("a", "late", 400, 400)])
    assert pruning.prune(connection, "a", 300) == {"a": Floor(257, 256)}
    assert pruning.prune(connection, "a", 300) == {"a": Floor(300, 299)}
    assert pruning.prune(connection, "a", 300) == {}
    assert seqs(connection) == list(range(300, 401))
    keys = connection.execute("SELECT key FROM key").fetchall()
    assert keys == [("late",)]


def test_what_is_old_goes_up_to_the_first_that_stays(connection: sqlite3.Connection) -> None:
    for number, at in enumerate((1, 2, 9, 3, 80), start=1):
        append(connection, number, 1, at=at)
    assert pruning.prune_older(connection, 55, 50, 1) == {"a": Floor(2, 1)}
    assert pruning.prune_older(connection, 55, 50, 5) == {"a": Floor(3, 2)}
    assert pruning.prune_older(connection, 55, 50, 5) == {}
    assert seqs(connection) == [3, 4, 5]


def test_age_is_counted_up_to_the_newest(connection: sqlite3.Connection) -> None:
    for number, at in enumerate((1, 40, 55), start=1):
        append(connection, number, 1, at=at)
    assert pruning.prune_older(connection, 10_000, 50, 3) == {"a": Floor(2, 1)}
    assert pruning.prune_older(connection, 10_000, 50, 3) == {}


def test_numbers_outlive_what_bore_them(connection: sqlite3.Connection) -> None:
    append(connection, 1, 7)
    pruning.prune(connection, "a", 100)
    restored = reading.restore(connection)
    assert (restored.numbers.event, restored.floors) == (7, {"a": Floor(8, 7)})
