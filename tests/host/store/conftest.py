"""A durable store that is opened again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from sxhost.model.limits import Limits
from sxhost.store.group_commit import Threads
from sxhost.store.journalled import JournalledStore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.testing import result_of
from tests.support.durable_stores import Open
from tests.support.stores import HERE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sxhost.db"


@pytest.fixture
def reopen(path: Path) -> Iterator[Open]:
    """Open the store; if it was open, close it before."""
    stores: list[JournalledStore] = []

    def close() -> None:
        while stores:
            result_of(stores.pop().close())

    def reopen(threads: Threads = HERE, **limits: Any) -> JournalledStore:
        close()
        journal = SQLiteConnection(path)
        store = JournalledStore(Limits(**limits), Clock().seconds, journal, threads)
        store.open()
        stores.append(store)
        return store

    yield reopen
    close()
