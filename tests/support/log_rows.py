"""Rows of the log of an SQLite file in memory."""

from __future__ import annotations

import sqlite3

from msgspec import Raw

from sxhost.codec.json import encode_lines
from sxhost.model.event import Event
from sxhost.store.journal import ReadLimit, WriteBatch
from sxhost.store.sql import reading, rows

ALL = ReadLimit(10**9, 10**9)


def append(
    connection: sqlite3.Connection, first: int, count: int, *, session: str = "a", at: int = 0
) -> None:
    """Append events in one row; in these tests a session's numbers are the host's."""
    numbers = range(first, first + count)
    events = [Event("x", Raw(b'"words"'), 0, n, n, 0, session) for n in numbers]
    row = (first, session, first, count, at, None, encode_lines(events))
    rows.write(connection, WriteBatch({"log": [row]}))


def seqs(connection: sqlite3.Connection, limit: ReadLimit = ALL, after: int = 0) -> list[int]:
    return [e.seq for e in reading.read(connection, "a", after, 0, limit)[0]]
