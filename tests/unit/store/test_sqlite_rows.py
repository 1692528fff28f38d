"""Rows and their checksums: written, read in pieces, dropped in steps, never read wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.codec.json import encode_lines
from sxhost.model.session import Event
from sxhost.store.journal import ReadLimit, WriteBatch
from sxhost.store.recent_events import Floor
from sxhost.store.sqlite import pruning, reading, rows
from sxhost.store.sqlite.file import schema_scripts, upgrade

ALL = ReadLimit(10**9, 10**9)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        upgrade(connection, 0, schema_scripts())
        rows.insert(connection, "meta", [("last_event", "0"), ("last_message", "0")])
        rows.insert(connection, "meta", [("epoch", "e")])
        yield connection


def append(
    connection: sqlite3.Connection, first: int, count: int, *, session: str = "a", at: int = 0
) -> None:
    """Append events in one row; in these tests a session's numbers are the host's."""
    numbers = range(first, first + count)
    events = [Event("x", Raw(b'"words"'), 0, n, n, 0, session) for n in numbers]
    row = (first, session, first, count, at, encode_lines(events))
    rows.write(connection, WriteBatch({"log": [row]}))


def seqs(connection: sqlite3.Connection, limit: ReadLimit = ALL, after: int = 0) -> list[int]:
    return [e.seq for e in reading.read(connection, "a", after, 0, limit)[0]]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 65, 200])
def test_many_rows_go_in_few_statements(connection: sqlite3.Connection, count: int) -> None:
    written = [(f"name {n}", f"{n}") for n in range(count)]
    rows.insert(connection, "meta", written)
    found = connection.execute("SELECT name, value FROM meta WHERE name LIKE 'name %'")
    assert sorted(found) == sorted(written)
    rows.check(connection)


def test_reading_stops_at_its_limit(connection: sqlite3.Connection) -> None:
    for first in (1, 11, 21):
        append(connection, first, 10)
    assert seqs(connection) == list(range(1, 31))
    assert seqs(connection, ReadLimit(1, 10**9)) == list(range(1, 11)), "a whole row"
    assert seqs(connection, ReadLimit(11, 10**9)) == list(range(1, 21))
    assert seqs(connection, ReadLimit(10**9, 1), after=15) == [16, 17, 18, 19, 20]
    assert not reading.read(connection, "a", 0, 0, ReadLimit(20, 10**9))[1], "there is more"
    assert reading.read(connection, "a", 0, 0, ALL)[1], "this is all"


def interleaved(connection: sqlite3.Connection, batches: list[tuple[str, int]]) -> list[Event]:
    """Append batches of sessions; a session's numbers are its own here."""
    log: list[Event] = []
    for session, count in batches:
        first, before = len(log) + 1, sum(e.session == session for e in log)
        events = [
            Event("x", Raw(b"1"), 0, before + 1 + n, first + n, 0, session)
            for n in range(count)
        ]
        row = (first, session, before + 1, count, 0, encode_lines(events))
        rows.write(connection, WriteBatch({"log": [row]}))
        log += events
    return log


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@drawn(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 4)), max_size=12),
    st.sampled_from(["a", "b", None]),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_reading_begins_anywhere(
    connection: sqlite3.Connection,
    batches: list[tuple[str, int]],
    session: str | None,
    seq: int,
    position: int,
) -> None:
    connection.execute("DELETE FROM log")
    log = interleaved(connection, batches)
    after = seq if session else 0
    found, _ = reading.read(connection, session, after, position, ALL)
    wanted = [e for e in log if session in (None, e.session) and e.seq > after]
    assert found == [e for e in wanted if e.id > position]


@pytest.mark.parametrize(
    ("query", "given"),
    [
        (reading._READ[True], ("a", 1)),
        (reading._READ[False], (1,)),
        (reading._LAST_SEQ, ("a",)),
        (reading._ROW_WITH, ("a", 1)),
    ],
)
def test_nothing_is_sorted_or_looked_through(
    connection: sqlite3.Connection, query: str, given: tuple[object, ...]
) -> None:
    plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", given)
    assert not [step for *_, step in plan if "TEMP B-TREE" in step or step.startswith("SCAN")]


def test_a_row_that_was_changed_is_not_read(connection: sqlite3.Connection) -> None:
    append(connection, 1, 1)
    connection.execute("UPDATE log SET body = replace(body, 'words', 'wards')")
    with pytest.raises(sqlite3.DatabaseError, match="a row of log is not as it was written"):
        seqs(connection)
    with pytest.raises(sqlite3.DatabaseError, match="a row of log is not as it was written"):
        rows.check(connection)


def test_a_key_leads_to_its_event(connection: sqlite3.Connection) -> None:
    append(connection, 1, 5)
    rows.insert(connection, "key", [("a", "third", 3), ("a", "gone", 9)])
    found = reading.lookup(connection, "a", ["third", "gone", "never"])
    assert {key: event.seq for key, event in found.items()} == {"third": 3}


def test_retention_goes_in_steps(connection: sqlite3.Connection) -> None:
    for number in range(1, 401):
        append(connection, number, 1)
    rows.insert(connection, "key", [("a", "early", 1), ("a", "late", 400)])
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


def test_columns_do_not_run_together() -> None:
    assert rows.checksum(("a", "bc")) != rows.checksum(("ab", "c"))
    assert rows.checksum((1, None)) != rows.checksum(("1", "None"))
