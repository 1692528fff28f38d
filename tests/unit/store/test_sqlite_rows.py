"""Rows and their checksums: written in few statements, never read wrong."""

from __future__ import annotations

import sqlite3

import pytest

from sxhost.store.sqlite import rows
from tests.support.log_rows import append, seqs


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 65, 200])
def test_many_rows_go_in_few_statements(connection: sqlite3.Connection, count: int) -> None:
    written = [(f"name {n}", f"{n}") for n in range(count)]
    rows.insert(connection, "meta", written)
    found = connection.execute("SELECT name, value FROM meta WHERE name LIKE 'name %'")
    assert sorted(found) == sorted(written)
    rows.check(connection)


def test_a_row_that_was_changed_is_not_read(connection: sqlite3.Connection) -> None:
    append(connection, 1, 1)
    connection.execute("UPDATE log SET body = replace(body, 'words', 'wards')")
    with pytest.raises(sqlite3.DatabaseError, match="a row of log is not as it was written"):
        seqs(connection)
    with pytest.raises(sqlite3.DatabaseError, match="a row of log is not as it was written"):
        rows.check(connection)


def test_columns_do_not_run_together() -> None:
    assert rows.checksum(("a", "bc")) != rows.checksum(("ab", "c"))
    assert rows.checksum((1, None)) != rows.checksum(("1", "None"))
