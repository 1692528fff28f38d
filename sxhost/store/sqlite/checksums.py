"""The checksums of all rows of an SQLite file, checked as it is opened."""

from __future__ import annotations

import sqlite3
import zlib

from sxhost.store.sql.rows import COLUMNS, check_row

__all__ = ["check"]

_LOG_CRC = """crc32(CAST(body AS BLOB), crc32(CAST(printf(
    '%d:%d' || '%d:''%s''' || '%d:%d' || '%d:%d' || '%d:%d' || '%s' || '%d:',
    length(id), id, length(session) + 2, session, length(seq), seq, length(count), count,
    length(at), at, coalesce((length(stream) + 2) || ':''' || stream || '''', '4:None'),
    length(body)) AS BLOB)))"""
"""The `checksum` of a row of the log, in SQL: there are hundreds of thousands at a start.

Of text that Python's `repr` escapes it is another one; such a row is then checked in Python.
"""


def check(connection: sqlite3.Connection) -> None:
    """Check every row's checksum.

    :raises DamagedRow: a row is not as it was written.
    """
    connection.create_function("crc32", -1, zlib.crc32, deterministic=True)
    for table, columns in COLUMNS.items():
        where = f"WHERE {_LOG_CRC} IS NOT crc" if table == "log" else ""
        sql = f"SELECT {', '.join(columns)}, crc FROM {table} {where}"
        for *row, crc in connection.execute(sql):
            check_row(table, row, crc)
