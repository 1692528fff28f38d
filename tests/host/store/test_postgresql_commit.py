"""A commit in one statement: all of it if the tip was where it should, else nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from sxhost.model.session import Session, State
from sxhost.store.journal import DropSurplus, EventCounts, Row, WriteBatch
from sxhost.store.postgresql.commit import commit_statement, is_addition
from sxhost.store.postgresql.connection import EngineConnection
from sxhost.store.postgresql.tip import migrate, schema_scripts
from sxhost.store.sql.rows import COLUMNS, check_row
from sxhost.store.sql.shared import Tip, read_tip
from sxhost.store.state import StoredSession
from tests.support.postgresql import Cluster

ROWS: dict[str, list[Row]] = {
    "meta": [("n", "v")],
    "session": [("s", b"{}"), ("t\0\ue000", b"{}")],
    "log": [(1, "s", 1, 2, 5, None, b"\0"), (3, "s", 3, 1, 5, "text", b"x")],
    "key": [("s", "k", 1, 1)],
    "superseded": [("s", "text", 3)],
    "message": [(2**40, "s", b"m", None), (2, "s", b"n", "k")],
    "approval": [(1, "s", b"a")],
    "audit": [(7, b"e")],
}


@pytest.fixture
def connection(postgresql: Cluster, worker_id: str) -> Iterator[EngineConnection]:
    schema = f"{worker_id}_commit"
    postgresql.query(f"CREATE SCHEMA {schema}")
    with closing(EngineConnection(postgresql.url(schema))) as connection:
        migrate(connection, schema_scripts())
        yield connection
    postgresql.query(f"DROP SCHEMA {schema} CASCADE")


def commit(connection: EngineConnection, batch: WriteBatch, old: Tip | None = None) -> Any:
    old = old or read_tip(connection)
    return connection.execute(*commit_statement(old, old.next(), batch)).fetchone()


def table(connection: EngineConnection, name: str) -> list[Row]:
    """Return the rows of a table, each checked."""
    found = []
    query = f"SELECT {', '.join(COLUMNS[name])}, crc FROM {name}"
    for *row, crc in connection.execute(query).fetchall():
        check_row(name, row, crc)
        found.append(tuple(row))
    return found


def test_it_writes_every_table(connection: EngineConnection) -> None:
    for version in (1, 2):  # the second time it replaces them
        assert commit(connection, WriteBatch(rows=ROWS))
        assert read_tip(connection).version == version
        for name, rows in ROWS.items():
            assert sorted(table(connection, name)) == sorted(rows), name


def test_it_writes_nothing_if_another_was_first(connection: EngineConnection) -> None:
    commit(connection, WriteBatch(rows={"message": ROWS["message"]}))
    batch = WriteBatch(
        rows=ROWS, deleted_messages=[2], deleted_approvals=[1], deleted_entries=9
    )
    assert commit(connection, batch, Tip(1, "of another")) is None
    assert sorted(table(connection, "message")) == sorted(ROWS["message"])
    assert not table(connection, "audit")
    assert read_tip(connection).version == 1


def test_it_deletes_by_numbers(connection: EngineConnection) -> None:
    commit(connection, WriteBatch(rows=ROWS))
    batch = WriteBatch(
        rows={"message": [(3, "s", b"put and forgotten", None)], "audit": [(8, b"f")]},
        deleted_messages=[2, 3],
        deleted_approvals=[1],
        deleted_entries=7,
    )
    assert commit(connection, batch)
    assert table(connection, "message") == ROWS["message"][:1]
    assert not table(connection, "approval")
    assert table(connection, "audit") == [(8, b"f")]


def test_what_deletes_much_is_no_addition() -> None:
    assert is_addition(WriteBatch(rows=ROWS, deleted_messages=[1], deleted_entries=3))
    idle = State("idle", "registered", 0)
    session = Session(id="s", start_ms=0, last_seen_ms=0, state=idle)
    kept = StoredSession(session, [], [])
    assert not is_addition(WriteBatch(deleted_sessions=["s"]))
    assert not is_addition(WriteBatch(revived_sessions=[kept]))
    assert not is_addition(WriteBatch(drop=DropSurplus("s", EventCounts(1, 1))))
