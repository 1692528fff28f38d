"""The row that tells how far the log was written, and who may write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from sxhost.store.contracts import StoreUnusable
from sxhost.store.postgresql.connection import EngineConnection
from sxhost.store.postgresql.tip import (
    lock,
    migrate,
    schema_scripts,
    unlock,
    wait_for_lock,
)
from sxhost.store.sql.shared import Tip, advance, read_tip
from tests.support.postgresql import Cluster


@pytest.fixture
def url(postgresql: Cluster, worker_id: str) -> Iterator[str]:
    schema = f"{worker_id}_tip"
    postgresql.query(f"CREATE SCHEMA {schema}")
    yield postgresql.url(schema)
    postgresql.query(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def connection(url: str) -> Iterator[EngineConnection]:
    with closing(EngineConnection(url)) as connection:
        assert migrate(connection, schema_scripts())
        yield connection


def test_it_moves_only_from_where_it_is(connection: EngineConnection) -> None:
    start = read_tip(connection)
    first, other = start.next(), start.next()
    assert advance(connection, start, first)
    assert not advance(connection, start, other)
    assert not advance(connection, other, other.next()), "the version alone is not enough"
    assert read_tip(connection) == first == Tip(1, first.nonce)


def test_one_connection_has_the_lock(connection: EngineConnection, url: str) -> None:
    with closing(EngineConnection(url)) as second:
        assert lock(connection)
        assert not lock(second)
        assert not wait_for_lock(second)
        unlock(connection)
        assert wait_for_lock(second)


def test_the_schema_is_made_once(connection: EngineConnection) -> None:
    assert not migrate(connection, schema_scripts())


def test_a_schema_grows_by_its_next_script(connection: EngineConnection) -> None:
    scripts = [*schema_scripts(), "ALTER TABLE meta ADD COLUMN more TEXT"]
    assert not migrate(connection, scripts)
    connection.execute("SELECT more FROM meta")
    with pytest.raises(StoreUnusable, match="Use a newer one"):
        migrate(connection, schema_scripts())
