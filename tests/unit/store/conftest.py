"""An SQLite file in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from sxhost.store.sql import rows
from sxhost.store.sqlite.file import schema_scripts, upgrade


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        upgrade(connection, 0, schema_scripts())
        rows.insert(connection, "meta", [("last_event", "0"), ("last_message", "0")])
        rows.insert(connection, "meta", [("epoch", "e")])
        yield connection
