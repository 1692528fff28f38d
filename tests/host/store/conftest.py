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
from tests.support.postgresql import Cluster, journal_at
from tests.support.stores import HERE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sxhost.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def reopen(request: pytest.FixtureRequest, path: Path, worker_id: str) -> Iterator[Open]:
    """Open the store; if it was open, close it before."""
    url = ""
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgresql")
        url = cluster.schema(f"{worker_id}_reopened")
    stores: list[JournalledStore] = []

    def close() -> None:
        while stores:
            result_of(stores.pop().close())

    def reopen(threads: Threads = HERE, **limits: Any) -> JournalledStore:
        close()
        journal = journal_at(url, path) if url else SQLiteConnection(path)
        store = JournalledStore(Limits(**limits), Clock().seconds, journal, threads)
        store.open()
        stores.append(store)
        return store

    yield reopen
    close()
