"""Rows and their checksums: written in few statements, never read wrong."""

from __future__ import annotations

import sqlite3

import pytest

from sxhost.store.sql import rows
from sxhost.store.sql.contracts import DamagedRow
from sxhost.store.sqlite import checksums
from tests.support.log_rows import append, seqs


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 65, 200])
def test_many_rows_go_in_few_statements(connection: sqlite3.Connection, count: int) -> None:
    written = [(f"name {n}", f"{n}") for n in range(count)]
    rows.insert(connection, "meta", written)
    found = connection.execute("SELECT name, value FROM meta WHERE name LIKE 'name %'")
    assert sorted(found) == sorted(written)
    checksums.check(connection)


def test_a_row_that_was_changed_is_not_read(connection: sqlite3.Connection) -> None:
    append(connection, 1, 1)
    connection.execute("UPDATE log SET body = replace(body, 'words', 'wards')")
    with pytest.raises(DamagedRow, match="a row of log is not as it was written"):
        seqs(connection)
    with pytest.raises(DamagedRow, match="a row of log is not as it was written"):
        checksums.check(connection)


def test_columns_do_not_run_together() -> None:
    assert rows.checksum(("a", "bc")) != rows.checksum(("ab", "c"))
    assert rows.checksum((1, None)) != rows.checksum(("1", "None"))


STREAMS = (None, "words", "it's", 'both "\'" of them', "back\\slash", "\N{SNOWMAN}\n", "a\0b")
"""Streams, most of which Python's `repr` escapes."""


def test_rows_of_the_log_are_as_written_whatever_their_words(
    connection: sqlite3.Connection,
) -> None:
    written = [
        (number, "a", number, 1, 10**number, stream, bytes([0, number, 255]))
        for number, stream in enumerate(STREAMS, 1)
    ]
    rows.insert(connection, "log", written)
    checksums.check(connection)


@pytest.mark.parametrize("column", [*rows.COLUMNS["log"], "crc"])
@pytest.mark.parametrize("value", [7, "7", "seven", b"7", 7.5])
def test_any_column_of_the_log_that_was_changed_is_noticed(
    connection: sqlite3.Connection, column: str, value: object
) -> None:
    append(connection, 1, 1)
    try:
        connection.execute(f"UPDATE log SET {column} = ?", (value,))
    except sqlite3.IntegrityError:
        return  # an `id` that is no number
    with pytest.raises(DamagedRow, match="a row of log is not as it was written"):
        checksums.check(connection)
