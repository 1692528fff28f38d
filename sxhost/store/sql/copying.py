"""All that a journal's tables hold, read in steps, and written to another engine's.

Nothing here begins or ends a transaction, and the engines' errors pass as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from sxhost.store.journal import Row
from sxhost.store.sql.contracts import DamagedRow, SQLConnection
from sxhost.store.sql.rows import COLUMNS, NAMED_BY, check_row, insert

__all__ = ["Progress", "Totals", "copy_rows", "totals"]

STEP: Final = 64
"""Rows that are in memory at once: one of the log is seldom above 64 KiB."""

REPORTED: Final = 100_000
"""Rows of one table after which it is said how far it is."""

OWN: Final = frozenset({"epoch", "boot", "open"})
"""What `meta` says of one place alone: it is not copied."""

Progress = Callable[[str], object]
"""Is told how far it is."""


class Totals(NamedTuple):
    """What a table holds: how many rows, and the sum of their checksums."""

    rows: int = 0
    checksum: int = 0

    def plus(self, crc: int) -> Totals:
        """Return the totals with one more row."""
        return Totals(self.rows + 1, self.checksum + crc)


def copy_rows(
    source: SQLConnection, target: SQLConnection, progress: Progress
) -> Mapping[str, Totals]:
    """Copy all rows into tables that are new; return what was copied, by table.

    :raises DamagedRow: one is not as it was written, or what is there then is not the same.
    """
    target.execute("DELETE FROM meta WHERE name <> 'epoch'")
    copied = {table: _copy_table(source, target, table, progress) for table in COLUMNS}
    if totals(target) != copied:
        raise DamagedRow("what was written is not what was read")
    return copied


def totals(connection: SQLConnection) -> Mapping[str, Totals]:
    """Return what each table holds, with each row checked.

    :raises DamagedRow: one is not as it was written.
    """
    found = {}
    for table in COLUMNS:
        found[table] = Totals()
        for _, crcs in _steps(connection, table):
            for crc in crcs:
                found[table] = found[table].plus(crc)
    return found


def _copy_table(
    source: SQLConnection, target: SQLConnection, table: str, progress: Progress
) -> Totals:
    copied = Totals()
    for rows, crcs in _steps(source, table):
        insert(target, table, rows)
        for crc in crcs:
            copied = copied.plus(crc)
            if copied.rows % REPORTED == 0:
                progress(f"{table}: {copied.rows:,} rows")
    return copied


def _steps(connection: SQLConnection, table: str) -> Iterator[tuple[list[Row], list[int]]]:
    """Go through a table in the order of its key: rows, each checked, and their checksums."""
    columns = COLUMNS[table]
    key = NAMED_BY.get(table, 1)
    names = ", ".join(columns[:key])
    select = f"SELECT {', '.join(columns)}, crc FROM {table}"
    after = f"WHERE ({names}) > ({', '.join('?' * key)})"
    last: Row = ()
    while True:
        query = f"{select} {after if last else ''} ORDER BY {names} LIMIT {STEP}"
        found: list[Any] = connection.execute(query, last).fetchall()
        for *row, crc in found:
            check_row(table, row, crc)
        if kept := [row for row in found if table != "meta" or row[0] not in OWN]:
            yield [tuple(row[:-1]) for row in kept], [row[-1] for row in kept]
        if len(found) < STEP:
            return
        last = tuple(found[-1][:key])
