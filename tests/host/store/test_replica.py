"""Nodes over one log: whoever decides sees what all others have committed before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sxhost.errors import AlreadyAnswered, HostError, QueueFull, UnknownSession
from sxhost.model.auth import AuditQuery
from sxhost.model.event_types import PIECES
from sxhost.model.message import MessageDraft
from sxhost.model.session import Registration
from sxhost.store.contracts import Store
from sxhost.store.group_commit import PATIENCE
from sxhost.store.journal import CommitUnknown, EngineAway
from sxhost.testing import result_of
from tests.support.nodes import Nodes
from tests.support.stores import append, draft, end, note, put, question, states, take

MakeNodes = Callable[..., Nodes]


@pytest.fixture
def make() -> Iterator[MakeNodes]:
    """Make nodes, with limits of the test's own."""
    made: list[Nodes] = []

    def make(count: int = 2, **limits: Any) -> Nodes:
        made.append(Nodes(count, **limits))
        return made[-1]

    yield make
    for nodes in made:
        nodes.close()


def test_numbers_have_no_holes_whoever_writes(make: MakeNodes) -> None:
    nodes = make(3)
    for number in range(9):
        append(nodes.stores[number % 3], "ab"[number % 2], draft())
    for store in nodes.stores:
        events = result_of(store.read_events(None))
        assert [event.id for event in events] == list(range(1, 10))
        assert [event.seq for event in events if event.session == "b"] == [1, 2, 3, 4]


def test_the_first_answer_wins(make: MakeNodes) -> None:
    first, second = make().stores
    append(first, "a", draft())
    asked = result_of(first.open_approval("a", question(), 0, None))
    result_of(second.close_approval("a", asked.id, "answered", end()))
    with pytest.raises(AlreadyAnswered):
        result_of(first.close_approval("a", asked.id, "answered", end("deny")))
    assert [one.state for one in result_of(first.approvals("a"))] == ["answered"]


def test_a_queue_is_full_for_all(make: MakeNodes) -> None:
    first, second = make(messages=2).stores
    append(first, "a", draft())
    put(first, "one")
    put(second, "two")
    with pytest.raises(QueueFull):
        put(first, "three")


def test_what_one_has_leased_no_other_gives_out(make: MakeNodes) -> None:
    nodes = make()
    first, second = nodes.stores
    append(first, "a", draft())
    number = put(first, "one")
    assert take(first, lease=30) == ["one"]
    assert take(second, lease=30) == []
    result_of(second.nack_message("a", number))
    assert take(second, lease=30) == ["one"]
    nodes.clock.advance(29)
    assert take(first) == []
    nodes.clock.advance(1)
    assert take(first) == ["one"]
    assert states(second) == [("one", "delivered")]


def test_who_joins_knows_of_leases(make: MakeNodes) -> None:
    nodes = make(1)
    append(nodes.stores[0], "a", draft())
    put(nodes.stores[0], "one")
    take(nodes.stores[0], lease=30)
    third = nodes.join()
    assert states(third) == [("one", "leased")]
    nodes.clock.advance(30)
    assert take(third) == ["one"]


def test_a_key_is_known_to_all(make: MakeNodes) -> None:
    first, second = make(events=2).stores
    assert append(first, "a", draft(key="k")) == [(1, "thinking")]
    assert append(second, "a", draft(key="k"), draft(), draft(), draft()) == [
        (1, "thinking"),
        (2, "thinking"),
        (3, "thinking"),
        (4, "thinking"),
    ]
    assert append(first, "a", draft(key="k")) == [(1, "thinking")], "the log alone has it"
    message = MessageDraft(content="x", key="m")
    assert result_of(first.put_message("a", message, 0)) == (
        result_of(second.put_message("a", message, 0))
    )


def test_what_is_deleted_and_archived_is_so_for_all(make: MakeNodes) -> None:
    first, second = make().stores
    append(first, "a", draft())
    append(first, "b", draft())
    result_of(second.archive("a"))
    result_of(first.delete("b"))
    assert result_of(first.sessions()) == result_of(second.sessions()) == []
    assert result_of(first.session("a")).event_count == 1, "the journal has it"
    with pytest.raises(UnknownSession):
        result_of(second.session("b"))
    assert append(first, "a", draft()) == [(2, "thinking")], "it is back"
    assert append(second, "a", draft()) == [(3, "thinking")]
    assert append(second, "b", draft()) == [(1, "thinking")], "it begins anew"
    assert [event.seq for event in result_of(first.read_events("b"))] == [1]


def test_readers_of_one_hear_of_what_another_writes(make: MakeNodes) -> None:
    nodes = make()
    first, second = nodes.stores
    told: list[Any] = []
    second.watch(told.append)
    append(first, "a", draft())
    put(first, "one")
    assert told == []
    nodes.clock.advance(1)
    assert [(list(each.logs), list(each.inboxes)) for each in told] == [
        (["a"], []),
        ([], ["a"]),
    ]
    assert [event.id for event in second.recent.since("a", 0) or ()] == [1]


def test_operations_run_again_until_they_are_first(make: MakeNodes) -> None:
    nodes = make()
    first, second = nodes.stores
    others = iter(range(2))

    def be_first() -> None:
        if next(others, None) is not None:
            append(second, "b", draft())

    nodes.journals[0].before_write = be_first
    append(first, "a", draft())
    assert nodes.journals[0].refusals == 2
    assert [e.session for e in result_of(first.read_events(None))] == ["b", "b", "a"]


def test_a_node_that_is_never_first_has_its_turn(make: MakeNodes) -> None:
    nodes = make()
    first, second = nodes.stores
    nodes.journals[0].before_write = lambda: append(second, "b", draft())
    append(first, "a", draft())
    assert (nodes.journals[0].refusals, nodes.journals[0].holds) == (PATIENCE, 1)
    assert result_of(second.session("a")).event_count == 1


@pytest.mark.parametrize("more", [0, 2])
def test_a_commit_whose_answer_was_lost_is_found_by_its_name(
    make: MakeNodes, more: int
) -> None:
    nodes = make()
    first, second = nodes.stores
    append(first, "a", draft())
    nodes.journals[0].loses_answer = True
    with pytest.raises(CommitUnknown):
        append(first, "a", draft(key="k"))
    for _ in range(more):
        append(second, "a", draft())
    assert append(first, "a", draft(key="k")) == [(2, "thinking")]
    for store in nodes.stores:
        assert [e.seq for e in result_of(store.read_events("a"))] == list(range(1, 3 + more))


def test_who_cannot_reach_the_log_reads_what_it_has(make: MakeNodes) -> None:
    nodes = make()
    first, second = nodes.stores
    append(first, "a", draft())
    assert len(result_of(second.read_events("a"))) == 1
    nodes.journals[1].away = True
    append(first, "a", draft())
    assert len(result_of(second.read_events("a"))) == 1
    with pytest.raises(EngineAway):
        append(second, "a", draft())
    nodes.clock.advance(1)
    nodes.journals[1].away = False
    assert append(second, "a", draft()) == [(3, "thinking")]


def test_logs_are_shortened_whoever_has_written(make: MakeNodes) -> None:
    nodes = make(retain=4, events=2)
    for number in range(40):
        append(nodes.stores[number % 2], "a", draft())
    for store in nodes.stores:
        assert 4 <= len(result_of(store.read_events("a"))) <= 6
        assert store.recent.pruned("a") >= 34


USED = b'{"input_tokens":7,"output_tokens":5}'


def _register(store: Store, session: str, key: str) -> Any:
    return result_of(store.register(session, Registration(title=key), 0))


def _append(store: Store, session: str, key: str) -> Any:
    drafts = [draft("message-delta"), draft("message"), draft("usage", USED, key=key)]
    return append(store, session, *drafts)


def _put(store: Store, session: str, key: str) -> Any:
    return result_of(store.put_message(session, MessageDraft(content="x", key=key), 0))


def _take(store: Store, session: str, key: str) -> Any:
    return result_of(store.take_messages(session, 5.0 if key == "k1" else 0))


def _message(verb: str, store: Store, session: str, key: str) -> Any:
    known = result_of(store.peek_messages(session))
    return known and result_of(getattr(store, verb)(session, known[-1].id))


def _open(store: Store, session: str, key: str) -> Any:
    return result_of(store.open_approval(session, question(key), 0, None))


def _close(store: Store, session: str, key: str) -> Any:
    return result_of(store.close_approvals(session, "answered", end()))


def _archive(store: Store, session: str, key: str) -> Any:
    return result_of(store.archive(session))


def _delete(store: Store, session: str, key: str) -> Any:
    return result_of(store.delete(session))


def _note(store: Store, session: str, key: str) -> Any:
    note(store, key)


ACTS = [_register, _append, _append, _put, _put, _take, _open, _close, _archive, _delete, _note]
ACTS += [partial(_message, f"{verb}_message") for verb in ("ack", "nack")]
ACTS += [partial(_message, "withdraw")]


def observed(store: Store) -> Any:
    """Return all that can be read of a store."""
    sessions = result_of(store.sessions())
    events = result_of(store.read_events(None))
    return (
        sessions,
        [(e.id, e.session, e.seq) for e in events if e.event not in PIECES],
        [result_of(store.peek_messages(session.id)) for session in sessions],
        [result_of(store.approvals(session.id)) for session in sessions],
        result_of(store.counts()),
        sorted(result_of(store.usage_entries(0, 1 << 60)), key=attrgetter("session", "number")),
        result_of(store.audit_entries(AuditQuery(limit=100))),
        [store.recent.floor(session.id) for session in sessions],
    )


steps = st.tuples(
    st.sampled_from(range(3)),
    st.sampled_from(ACTS),
    st.sampled_from("ab"),
    st.sampled_from(["k1", "k2", "k3"]),
)
FEW = {"closed_messages": 2, "closed_approvals": 2, "deeds": 3, "sessions": 2, "messages": 2}


@settings(max_examples=40)
@given(st.lists(steps, max_size=24), st.integers(1, 4))
def test_all_nodes_know_what_one_that_joins_reads(plan: list[Any], events: int) -> None:
    nodes = Nodes(3, events=events, retain=5, **FEW)
    for who, act, session, key in plan:
        with suppress(HostError):  # it is refused, by all nodes alike
            act(nodes.stores[who], session, key)
        nodes.clock.advance(0.3)
    found = [observed(store) for store in nodes.stores]
    assert found[0] == found[1] == found[2] == observed(nodes.join())
    nodes.close()
