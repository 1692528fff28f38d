"""The stores that the contract suites run over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from sxhost.model.limits import Limits
from sxhost.store.contracts import Store
from sxhost.store.journal import Journal
from sxhost.store.journalled import JournalledStore
from sxhost.store.memory import MemoryStore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.testing import result_of
from tests.support.postgresql import Cluster, journal_at
from tests.support.stores import HERE, MakeStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def make_store(
    request: pytest.FixtureRequest, clock: Clock, tmp_path: Path, worker_id: str
) -> Iterator[MakeStore]:
    """Make a store of each kind with limits of the test's own."""
    stores: list[Store] = []

    def journal_of(place: Path) -> Journal:
        if request.param == "sqlite":
            return SQLiteConnection(place)
        cluster: Cluster = request.getfixturevalue("postgresql")
        return journal_at(cluster.schema(f"{worker_id}_{len(stores)}"), place)

    def make(**limits: int) -> Store:
        if request.param == "memory":
            return MemoryStore(Limits(**limits), clock.seconds)
        journal = journal_of(tmp_path / f"{len(stores)}.db")
        store = JournalledStore(Limits(**limits), clock.seconds, journal, HERE)
        store.open()
        stores.append(store)
        return store

    yield make
    for store in stores:
        result_of(store.close())


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()
