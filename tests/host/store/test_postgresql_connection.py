"""A connection to PostgreSQL: what is written comes back, and what is cut off fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.errors import DiskFull

from sxhost.errors import StorageFull
from sxhost.store.journal import EngineAway
from sxhost.store.postgresql.connection import EngineConnection, errors_for_clients
from tests.support.postgresql import Cluster


@pytest.fixture
def connection(postgresql: Cluster) -> Iterator[EngineConnection]:
    with closing(EngineConnection(postgresql.url())) as connection:
        yield connection


@pytest.mark.parametrize(
    "text",
    ["", "words", "a\0b", "\0\0", "\ue000", "\ue0000", "\ue000\0", "100 % 'of' it?"],
)
def test_any_text_comes_back(connection: EngineConnection, text: str) -> None:
    connection.execute("CREATE TEMPORARY TABLE words (word TEXT)")
    connection.execute("INSERT INTO words VALUES (?)", (text,))
    assert connection.execute("SELECT word FROM words").fetchone() == (text,)
    found = connection.execute("SELECT count(*) FROM words WHERE word = ?", (text,))
    assert found.fetchone() == (1,)


def test_numbers_and_bytes_come_back(connection: EngineConnection) -> None:
    row = (1, 2**62, b"\0\xff", None)
    sql = "SELECT ?::bigint, ?::bigint, ?::bytea, ?::text"
    assert connection.execute(sql, row).fetchone() == row


def test_one_that_was_cut_is_open_no_longer(connection: EngineConnection) -> None:
    assert connection.is_open
    connection.cut()
    with pytest.raises(EngineAway), errors_for_clients():
        connection.execute("SELECT 1")
    connection.close()
    connection.cut()  # it has no socket any more, and what has its number is not touched


def test_errors_are_those_that_clients_know() -> None:
    with pytest.raises(StorageFull), errors_for_clients():
        raise DiskFull
    with pytest.raises(EngineAway, match="answer: it is away\\."), errors_for_clients():
        raise psycopg.OperationalError("it is away\nand more that nobody needs")


def test_an_engine_that_is_not_there_is_told_in_a_line() -> None:
    with pytest.raises(EngineAway, match="refused") as caught, errors_for_clients():
        EngineConnection("postgresql://sx@127.0.0.1:1/postgres")
    assert "\n" not in str(caught.value)
