"""Several nodes write to one real PostgreSQL, each from a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from sxhost.errors import StoreUnavailable
from sxhost.model.limits import Limits
from sxhost.model.session import Registration
from sxhost.store.contracts import StandingBy, StoreUnusable
from sxhost.store.journal import CommitUnknown, EngineAway, WriteBatch
from sxhost.store.journalled import JournalledStore
from sxhost.store.news import Behind
from sxhost.store.postgresql.journal import PostgreSQLJournal
from sxhost.store.postgresql.shared import SharedPostgreSQLJournal
from sxhost.store.postgresql.tip import schema_scripts
from sxhost.testing import result_of
from sxhost.testing.cluster import node_store
from tests.support.durable_stores import append, draft
from tests.support.engine_proxy import EngineProxy
from tests.support.postgresql import Cluster
from tests.support.stores import HERE, put, states, take

COMMITS = 25


@pytest.fixture
def schema(postgresql: Cluster, worker_id: str) -> str:
    name = f"{worker_id}_shared"
    postgresql.schema(name)
    return name


@pytest.fixture
def proxy(postgresql: Cluster) -> Iterator[EngineProxy]:
    with EngineProxy(postgresql.port) as proxy:
        yield proxy


class Node:
    """A node's store and journal."""

    def __init__(self, url: str, mark: Path) -> None:
        self.ended: list[bool] = []
        self.clock = Clock()
        self.journal = SharedPostgreSQLJournal(
            url,
            mark,
            superseded=lambda: self.ended.append(True),
            seconds=self.clock.seconds,
        )
        self.store: JournalledStore = node_store(self.journal, Limits(), self.clock)

    def ids(self) -> list[int]:
        return [event.id for event in result_of(self.store.read_events(None))]


MakeNode = Callable[..., Node]


@pytest.fixture
def node(
    postgresql: Cluster, schema: str, proxy: EngineProxy, tmp_path: Path
) -> Iterator[MakeNode]:
    """Make nodes over one schema; the first one's connections go through the proxy."""
    nodes: list[Node] = []

    def make() -> Node:
        url = postgresql.url(schema, *(() if nodes else (proxy.port,)))
        nodes.append(Node(url, tmp_path / f"{len(nodes)}"))
        nodes[-1].store.open()
        return nodes[-1]

    yield make
    for each in nodes:
        result_of(each.store.close())


def write_entries(journal: SharedPostgreSQLJournal, first: int) -> int:
    """Commit entries of the audit, each after the last of anybody; return the refusals."""
    refusals, last = 0, first
    for _ in range(COMMITS):
        while True:
            try:
                journal.write(WriteBatch(rows={"audit": [(last + 1, b"{}")]}))
            except Behind as behind:
                refusals += 1
                written = [row[0] for c in behind.news.changes for row in c.table("audit")]
                last = max([last, *written])
                if refusals % 3 == 0 and (news := journal.hold()) is not None:
                    written = [row[0] for c in news.changes for row in c.table("audit")]
                    last = max([last, *written])
            else:
                last += 1
                break
    return refusals


def test_commits_of_all_are_in_one_order(
    node: MakeNode, postgresql: Cluster, schema: str
) -> None:
    nodes = [node() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(write_entries, each.journal, 0) for each in nodes]:
            done.result()
    (count, last) = postgresql.query("SELECT count(*), max(id) FROM audit", schema)[0]
    assert count == last == 3 * COMMITS, "no number was given out twice, or left out"
    (changes,) = postgresql.query("SELECT count(*) FROM change", schema)[0]
    assert changes == 3 * COMMITS + 3, "each tells of itself, and so do those who have joined"
    for each in nodes:
        each.journal.look()
        assert each.journal.look() is None


def test_a_lease_ends_by_the_clock_of_the_engine(node: MakeNode) -> None:
    first, second = node(), node()
    second.clock.advance(5_000)  # whatever its own says
    result_of(second.store.beat())
    append(first.store, "a", draft())
    put(first.store, "one")
    assert take(first.store, lease=600) == ["one"]
    second.clock.advance(500)
    assert states(second.store) == [("one", "leased")]
    second.clock.advance(101)
    assert take(second.store) == ["one"]


def test_hosts_that_would_be_alone_and_nodes_keep_each_other_out(
    node: MakeNode, postgresql: Cluster, schema: str, tmp_path: Path
) -> None:
    journal = PostgreSQLJournal(postgresql.url(schema), tmp_path / "alone")
    alone = JournalledStore(Limits(), Clock().seconds, journal, HERE)
    alone.open()
    append(alone, "a", draft())
    with pytest.raises(StandingBy):
        node()
    result_of(alone.close())
    first = node()
    assert first.ids() == [1]
    other = PostgreSQLJournal(postgresql.url(schema), tmp_path / "other")
    with pytest.raises(StandingBy):
        other.open()
    other.close()


def test_a_commit_whose_answer_was_lost_is_found_by_its_name(
    node: MakeNode, proxy: EngineProxy
) -> None:
    first, second = node(), node()
    assert first.ids() == [], "it knows that the second has joined"
    proxy.lose_an_answer(refuse=True)
    with pytest.raises(CommitUnknown):
        append(first.store, "a", draft(key="k"))
    assert append(second.store, "a", draft(), draft()) == [(2, 2), (3, 3)]
    assert first.ids() == [], "it reads what it has"
    proxy.mend()
    assert append(first.store, "a", draft(key="k"), draft()) == [(1, 1), (4, 4)]
    assert first.ids() == second.ids() == [1, 2, 3, 4]


def test_a_lost_answer_is_found_at_once(node: MakeNode, proxy: EngineProxy) -> None:
    first, second = node(), node()
    assert first.ids() == []
    proxy.lose_an_answer()
    assert append(first.store, "a", draft()) == [(1, 1)]
    assert append(second.store, "a", draft()) == [(2, 2)]
    assert first.ids() == [1, 2]


def test_who_was_cut_off_goes_on_where_the_others_are(
    node: MakeNode, proxy: EngineProxy
) -> None:
    first, second = node(), node()
    append(first.store, "a", draft())
    proxy.cut(refuse=True)
    with pytest.raises(EngineAway):
        append(first.store, "a", draft())
    append(second.store, "a", draft())
    assert first.ids() == [1]
    proxy.mend()
    assert append(first.store, "a", draft()) == [(3, 3)]


def test_who_sleeps_through_its_turn_holds_nobody_up(node: MakeNode) -> None:
    first, second = node(), node()
    append(first.store, "a", draft())
    first.journal.hold()
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(second.journal.write, WriteBatch(rows={"audit": [(1, b"{}")]}))
        with pytest.raises(Behind):  # once the engine has ended the first one's turn
            refused.result()
    assert append(first.store, "a", draft()) == [(2, 2)]


def test_who_cannot_be_told_all_ends(node: MakeNode, postgresql: Cluster, schema: str) -> None:
    first, second = node(), node()
    append(first.store, "a", draft())
    postgresql.query("DELETE FROM change WHERE version < 3", schema)
    with pytest.raises(StoreUnavailable):
        append(second.store, "a", draft())
    assert second.ended
    assert not first.ended


def test_a_new_epoch_ends_those_who_know_the_old_one(
    node: MakeNode, postgresql: Cluster, schema: str
) -> None:
    first, second = node(), node()
    append(first.store, "a", draft())
    result_of(first.store.close())
    postgresql.query("DELETE FROM log; DELETE FROM meta WHERE name = 'last_event'", schema)
    first.store.open()
    assert first.store.missing
    with pytest.raises(StoreUnavailable):
        result_of(second.store.register("b", Registration(), 0))
    assert second.ended


def test_a_schema_of_older_nodes_is_left_to_them(
    node: MakeNode, postgresql: Cluster, schema: str
) -> None:
    node()
    postgresql.query("UPDATE schema_version SET version = 1", schema)
    try:
        with pytest.raises(StoreUnusable, match="an older sxhost"):
            node()
    finally:
        version = len(schema_scripts())
        postgresql.query(f"UPDATE schema_version SET version = {version}", schema)
