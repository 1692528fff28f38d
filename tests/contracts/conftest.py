"""The stores that the contract suites run over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from sxhost.model.limits import Limits
from sxhost.store.contracts import Store
from sxhost.store.journalled import JournalledStore
from sxhost.store.memory import MemoryStore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.testing import result_of
from sxhost.testing.cluster import LogInMemory, NodeJournal, node_store
from tests.support.postgresql import Cluster, journal_at, node_at
from tests.support.stores import HERE, MakeStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Turns:
    """Nodes of a cluster as one store: each verb is that of the next node, in turns.

    What is read at once is read at the next one as well, once that has caught up.
    """

    def __init__(self, nodes: Sequence[JournalledStore]) -> None:
        self._nodes = cycle(nodes)

    def __getattr__(self, name: str) -> Any:
        node = next(self._nodes)
        if name in ("known", "recent"):
            result_of(node._group.catch_up())
        return getattr(node, name)


NODES = {"two_nodes": 2, "three_nodes": 3, "two_over_engine": 2, "three_over_engine": 3}
"""How many nodes are one store together; over a log in memory, or over a PostgreSQL."""


class Stores:
    """Makes stores of a kind, and closes them."""

    def __init__(self, request: pytest.FixtureRequest, clock: Clock, place: Path) -> None:
        self._request = request
        self._kind: str = request.param
        self._clock = clock
        self._place = place
        self._made = 0
        self._open: list[JournalledStore] = []

    def make(self, **limits: int) -> Store:
        """Make one with limits of the test's own."""
        self._made += 1
        bounds = Limits(**limits)
        if self._kind == "memory":
            return MemoryStore(bounds, self._clock.seconds)
        if self._kind in NODES:
            return cast(Store, Turns([self._opened(node) for node in self._nodes(bounds)]))
        place = self._place / f"{self._made}.db"
        is_file = self._kind == "sqlite"
        journal = SQLiteConnection(place) if is_file else journal_at(self._url(), place)
        return self._opened(JournalledStore(bounds, self._clock.seconds, journal, HERE))

    def _nodes(self, limits: Limits) -> Iterator[JournalledStore]:
        log = LogInMemory(self._clock, ahead_s=1_000)
        url = self._url() if self._kind.endswith("engine") else ""
        for number in range(NODES[self._kind]):
            journal: Any = NodeJournal(log, str(number))
            if url:
                journal = node_at(
                    url, self._place / f"{self._made}_{number}", self._clock.seconds
                )
            yield node_store(journal, limits, self._clock)

    def _url(self) -> str:
        cluster: Cluster = self._request.getfixturevalue("postgresql")
        worker = self._request.getfixturevalue("worker_id")
        return cluster.schema(f"{worker}_{self._made}")

    def _opened(self, store: JournalledStore) -> JournalledStore:
        store.open()
        self._open.append(store)
        return store

    def close(self) -> None:
        """Close all."""
        for store in self._open:
            result_of(store.close())


@pytest.fixture(params=["memory", "sqlite", "postgresql", *NODES])
def make_store(
    request: pytest.FixtureRequest, clock: Clock, tmp_path: Path
) -> Iterator[MakeStore]:
    """Make a store of each kind with limits of the test's own."""
    stores = Stores(request, clock, tmp_path)
    yield stores.make
    stores.close()


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()
