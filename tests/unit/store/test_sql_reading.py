"""The log is read in pieces, from anywhere, by an index."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.codec.json import encode_lines
from sxhost.model.event import Event
from sxhost.store.journal import ReadLimit, WriteBatch
from sxhost.store.sql import reading, rows
from tests.support.log_rows import ALL, append, seqs


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
        row = (first, session, before + 1, count, 0, None, encode_lines(events))
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
        (reading._READ[True], ("a", "a", 1, 9)),
        (reading._READ[False], (1, 9)),
        (reading._LAST_SEQ, ("a",)),
        (reading._ROW_WITH, ("a", 1)),
    ],
)
def test_nothing_is_sorted_or_looked_through(
    connection: sqlite3.Connection, query: str, given: tuple[object, ...]
) -> None:
    plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", given)
    assert not [step for *_, step in plan if "TEMP B-TREE" in step or step.startswith("SCAN")]


def test_a_key_leads_to_its_event(connection: sqlite3.Connection) -> None:
    append(connection, 1, 5)
    rows.insert(connection, "key", [("a", "third", 3, 3), ("a", "left", 9, 12)])
    found = reading.lookup(connection, "a", ["third", "left", "never"])
    numbers = {key: (event.seq, event.id) for key, event in found.items()}
    assert numbers == {"third": (3, 3), "left": (9, 12)}, "a piece has left, its key has not"
