"""One host writes, another stands by; and what becomes of commits when the engine is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from sxhost.errors import StoreUnavailable
from sxhost.model.limits import Limits
from sxhost.store.contracts import StandingBy, StoreUnusable
from sxhost.store.journal import CommitUnknown, DropSurplus, EngineAway, EventCounts, ReadLimit
from sxhost.store.journalled import JournalledStore
from sxhost.store.postgresql.journal import SILENCE_S, PostgreSQLJournal
from sxhost.store.postgresql.tip import schema_scripts
from sxhost.testing import result_of
from tests.support.durable_stores import append, draft, fill
from tests.support.engine_proxy import EngineProxy
from tests.support.hosts import until
from tests.support.postgresql import Cluster
from tests.support.stores import HERE

HELD = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
    AND objid::bigint = hashtext(current_schema())::bigint & 4294967295
"""
"""How many hold the lock of a schema: the engine notices a moment later that a host is gone."""

MakeNode = Callable[..., "Node"]


class Node:
    """A host's store, and what its journal has told."""

    def __init__(self, url: str, mark: Path, **given: Any) -> None:
        self.clock = Clock()
        self.superseded: list[bool] = []
        self.journal = PostgreSQLJournal(
            url,
            mark,
            superseded=lambda: self.superseded.append(True),
            seconds=self.clock.seconds,
            **given,
        )
        self.store = JournalledStore(Limits(events=4), self.clock.seconds, self.journal, HERE)

    def read(self, session: str = "a") -> list[tuple[int, int]]:
        return [(e.seq, e.id) for e in result_of(self.store.read_events(session))]


@pytest.fixture
def schema(postgresql: Cluster, worker_id: str) -> str:
    name = f"{worker_id}_nodes"
    postgresql.schema(name)
    return name


@pytest.fixture
def proxy(postgresql: Cluster) -> Iterator[EngineProxy]:
    with EngineProxy(postgresql.port) as proxy:
        yield proxy


@pytest.fixture
def node(
    postgresql: Cluster, schema: str, proxy: EngineProxy, tmp_path: Path
) -> Iterator[MakeNode]:
    """Make nodes over one schema; the first one's connections go through the proxy."""
    nodes: list[Node] = []

    def make(**given: Any) -> Node:
        url = postgresql.url(schema, *(() if nodes else (proxy.port,)))
        url = f"{url}&application_name={schema}"
        nodes.append(Node(url, tmp_path / f"{len(nodes)}", **given))
        return nodes[-1]

    yield make
    for each in nodes:
        result_of(each.store.close())


def test_what_opens_takes_its_time(node: MakeNode) -> None:
    first, second = node(), node()
    first.store.open()
    with pytest.raises(StandingBy):
        second.store.open()
    second.journal.cut_writer()  # a watchdog's turn has waited for it
    result_of(first.store.close())
    result_of(second.store.take_over())
    second.journal.cut_writer()
    assert append(second.store, "a", draft()) == [(1, 1)]


def test_a_host_stands_by_until_the_other_has_ended(node: MakeNode) -> None:
    first, second = node(), node()
    first.store.open()
    fill(first.store)
    with pytest.raises(StandingBy):
        second.store.open()
    with pytest.raises(StandingBy):
        result_of(second.store.take_over())
    result_of(first.store.close())
    result_of(second.store.take_over())
    assert second.store.epoch == first.store.epoch
    assert append(second.store, "a", draft()) == [(4, 5)]


def test_the_host_that_was_active_comes_first_when_the_engine_is_back(
    node: MakeNode, postgresql: Cluster, schema: str
) -> None:
    first, second = node(), node()
    first.store.open()
    with pytest.raises(StandingBy):
        second.store.open()
    ours = f"application_name = '{schema}'"
    postgresql.query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
    with pytest.raises(StoreUnusable):
        result_of(second.store.take_over())  # it learns that its connection is lost
    with pytest.raises(StandingBy):
        result_of(second.store.take_over())  # the lock is free, and not yet for this one
    result_of(first.store.beat())
    assert append(first.store, "a", draft()) == [(1, 1)]
    second.clock.advance(SILENCE_S)
    with pytest.raises(StandingBy):
        result_of(second.store.take_over())


def test_a_commit_whose_answer_was_lost_is_found_at_once(
    node: MakeNode, proxy: EngineProxy, postgresql: Cluster, schema: str
) -> None:
    first = node()
    first.store.open()
    proxy.lose_an_answer()
    assert append(first.store, "a", draft()) == [(1, 1)]
    assert proxy.lost.is_set()
    assert postgresql.query("SELECT count(*) FROM log", schema) == [(1,)]
    assert append(first.store, "a", draft()) == [(2, 2)]


def test_a_commit_whose_answer_was_lost_is_found_later(
    node: MakeNode, proxy: EngineProxy
) -> None:
    first = node()
    first.store.open()
    append(first.store, "a", draft())
    proxy.lose_an_answer(refuse=True)
    with pytest.raises(CommitUnknown):
        append(first.store, "a", draft(key="k"))
    assert first.read() == [(1, 1)], "nobody sees what is in doubt"
    proxy.mend()
    assert append(first.store, "a", draft(key="k"), draft()) == [(2, 2), (3, 3)]
    assert first.read() == [(1, 1), (2, 2), (3, 3)]


def test_a_beat_settles_what_is_in_doubt(node: MakeNode, proxy: EngineProxy) -> None:
    first = node()
    first.store.open()
    proxy.lose_an_answer(refuse=True)
    with pytest.raises(CommitUnknown):
        append(first.store, "a", draft())
    proxy.mend()
    result_of(first.store.beat())
    assert first.read() == [(1, 1)]


def test_what_a_commit_in_doubt_has_dropped_is_told(node: MakeNode, proxy: EngineProxy) -> None:
    first = node()
    first.store.open()
    for _ in range(3):
        append(first.store, "a", draft())
    proxy.lose_an_answer()
    surplus = DropSurplus("a", EventCounts(1, 1))
    with pytest.raises(CommitUnknown):
        result_of(first.store._group.drop(surplus, first=True))
    assert first.store.recent.pruned("a") == 0
    result_of(first.store.beat())
    assert first.store.recent.pruned("a") == 2


def test_what_never_arrived_is_not_kept(node: MakeNode, proxy: EngineProxy) -> None:
    first = node()
    first.store.open()
    append(first.store, "a", draft())
    proxy.cut(refuse=True)
    for _ in range(2):
        with pytest.raises(EngineAway):
            append(first.store, "a", draft())
        with pytest.raises(EngineAway):
            result_of(first.store.beat())
    assert first.read() == [(1, 1)], "memory has it, and goes on to be read"
    proxy.mend()
    assert append(first.store, "a", draft()) == [(2, 2)]


def test_a_connection_that_was_lost_between_two_commits_is_replaced(
    node: MakeNode, proxy: EngineProxy
) -> None:
    first = node()
    first.store.open()
    append(first.store, "a", *[draft()] * 8)
    proxy.cut()
    assert append(first.store, "a", draft()) == [(9, 9)]
    assert len(first.read()) == 9, "what memory has no longer is read from the engine"


def test_who_finds_the_log_elsewhere_writes_no_more(
    node: MakeNode, postgresql: Cluster, schema: str
) -> None:
    first = node()
    first.store.open()
    append(first.store, "a", draft())
    postgresql.query("UPDATE tip SET nonce = 'of another'", schema)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            append(first.store, "a", draft())
    assert first.superseded == [True]
    assert postgresql.query("SELECT count(*) FROM log", schema) == [(1,)]


def test_who_comes_back_after_another_was_active_learns_it(
    node: MakeNode, proxy: EngineProxy, postgresql: Cluster, schema: str
) -> None:
    first, second = node(), node()
    first.store.open()
    append(first.store, "a", draft())
    assert postgresql.query(HELD, schema) == [(1,)]
    proxy.cut(refuse=True)
    until(lambda: postgresql.query(HELD, schema) == [(0,)])
    second.store.open()
    append(second.store, "a", draft())
    proxy.mend()
    with pytest.raises(StoreUnavailable, match="another host has written to it"):
        append(first.store, "a", draft())
    assert first.superseded
    assert second.read() == [(1, 1), (2, 2)]


@pytest.mark.parametrize("required", ["replicas"])
def test_an_engine_that_promises_too_little_is_refused(node: MakeNode, required: str) -> None:
    with pytest.raises(StoreUnusable, match="its commits wait for no replica"):
        node(required=required).store.open()


def test_a_promise_that_is_not_the_best_is_told(node: MakeNode) -> None:
    first = node()
    first.store.open()
    assert first.store.durability == "power"
    assert "a failover may lose the last ones" in first.journal.lacking


def test_an_older_database_in_its_place_is_noticed(
    node: MakeNode, postgresql: Cluster, schema: str
) -> None:
    first = node()
    first.store.open()
    append(first.store, "a", draft(), draft())
    epoch = first.store.epoch
    result_of(first.store.close())
    postgresql.query("DELETE FROM log; DELETE FROM meta WHERE name = 'last_event'", schema)
    first.store.open()
    assert first.store.epoch != epoch
    assert "event 2 (it ends at 0)" in first.store.missing


@pytest.mark.parametrize(("promise", "is_lost"), [("power", True), ("replicas", False)])
def test_another_engine_may_have_lost_what_did_not_wait_for_it(
    node: MakeNode, postgresql: Cluster, schema: str, promise: str, is_lost: bool
) -> None:
    first = node()
    first.store.open()
    epoch = first.store.epoch
    result_of(first.store.close())
    postgresql.query(f"UPDATE tip SET timeline = '0', promise = '{promise}'", schema)
    first.store.open()
    assert (first.store.epoch != epoch, bool(first.store.missing)) == (is_lost, is_lost)
    result_of(first.store.close())
    epoch = first.store.epoch
    first.store.open()
    assert first.store.epoch == epoch, "it is told once"


def test_an_engine_that_has_taken_over_and_lost_nothing_is_no_other_next_time(
    node: MakeNode, postgresql: Cluster, schema: str, proxy: EngineProxy
) -> None:
    first = node()
    first.store.open()
    append(first.store, "a", draft())
    epoch = first.store.epoch
    postgresql.query("UPDATE tip SET timeline = '0'", schema)
    proxy.cut()
    append(first.store, "a", draft())  # the log ends where this host has left it
    result_of(first.store.close())
    first.store.open()
    assert (first.store.epoch, first.store.missing) == (epoch, "")


def test_who_cannot_use_a_database_lets_go_of_it(
    node: MakeNode, postgresql: Cluster, schema: str
) -> None:
    first, second = node(), node()
    second.store.open()
    result_of(second.store.close())
    postgresql.query("UPDATE schema_version SET version = 99", schema)
    with pytest.raises(StoreUnusable, match="Use a newer one"):
        first.store.open()
    postgresql.query(f"UPDATE schema_version SET version = {len(schema_scripts())}", schema)
    second.store.open()
    assert append(second.store, "a", draft()) == [(1, 1)]


def test_a_row_that_was_changed_is_not_served(
    node: MakeNode, postgresql: Cluster, schema: str
) -> None:
    first = node()
    first.store.open()
    append(first.store, "a", *[draft()] * 8)
    postgresql.query("UPDATE log SET at = at + 1", schema)
    with pytest.raises(StoreUnavailable, match="a row of log is not as it was written"):
        first.journal.read("a", 0, 0, ReadLimit(9, 9))


def test_an_engine_that_is_away_at_the_start_is_told_in_a_sentence(tmp_path: Path) -> None:
    journal = PostgreSQLJournal("postgresql://sx@127.0.0.1:1/x", tmp_path / "mark")
    with pytest.raises(StoreUnusable, match=r"PostgreSQL cannot be used: .*refused.*\.$"):
        journal.open()
    journal.close()
