"""Transactions: nobody sees them before they are committed, and then all of them."""

from __future__ import annotations

import pytest
from msgspec import Raw

from sxhost.errors import QueueFull, SessionLimit, UnknownSession
from sxhost.model.limits import Limits
from sxhost.model.message import MessageDraft
from sxhost.model.session import Registration
from sxhost.store.contracts import Draft
from sxhost.store.recent_events import RECENT
from sxhost.store.state import StoreState
from sxhost.store.transaction import Transaction

DRAFT = Draft("thinking", Raw(b"null"), 5_000)


@pytest.fixture
def state() -> StoreState:
    return StoreState(Limits(events=2, sessions=2, messages=1), lambda: 0.0, only_copy=False)


def append(state: StoreState, session_id: str, count: int = 1) -> None:
    transaction = Transaction(state)
    transaction.append_events(session_id, [DRAFT] * count, 0, {})
    transaction.commit()


def test_nothing_is_seen_before_it_is_committed(state: StoreState) -> None:
    transaction = Transaction(state)
    transaction.append_events("a", [DRAFT], 0, {})
    transaction.put_message("a", MessageDraft(content="words"), 0)
    assert (state.records, state.last_event, state.last_message) == ({}, 0, 0)
    transaction.commit()
    assert (state.last_event, state.last_message) == (1, 1)
    assert state.record("a").session.event_count == 1
    assert len(state.record("a").messages) == 1


def test_a_transaction_sees_what_it_has_done(state: StoreState) -> None:
    transaction = Transaction(state)
    transaction.register("a", Registration(), 0)
    assert not transaction.register("a", Registration(model="m"), 0)[1]
    assert [e.seq for e in transaction.append_events("a", [DRAFT, DRAFT], 0, {})] == [1, 2]
    assert [e.seq for e in transaction.append_events("a", [DRAFT], 0, {})] == [3]
    transaction.put_message("a", MessageDraft(content="words"), 0)
    with pytest.raises(QueueFull):
        transaction.put_message("a", MessageDraft(content="words"), 0)
    transaction.register("b", Registration(), 0)
    with pytest.raises(SessionLimit):
        transaction.register("c", Registration(), 0)
    transaction.delete("b")
    transaction.register("c", Registration(), 0)
    with pytest.raises(UnknownSession):
        transaction.delete("b")
    transaction.commit()
    assert sorted(state.records) == ["a", "c"]


def test_a_session_that_is_made_anew_has_nothing_of_the_old(state: StoreState) -> None:
    append(state, "a", 3)
    transaction = Transaction(state)
    transaction.delete("a")
    assert [(e.seq, e.id) for e in transaction.append_events("a", [DRAFT], 0, {})] == [(1, 4)]
    transaction.commit()
    assert [e.id for e in state.recent.retained("a")] == [4]
    assert [e.id for e in state.recent.since(None, 0) or ()] == [4]


def test_the_recent_of_all_are_in_one_line(state: StoreState) -> None:
    for session_id in "abab":
        append(state, session_id)
    assert [e.session for e in state.recent.since(None, 1) or ()] == ["b", "a", "b"]
    append(state, "a", RECENT)
    assert state.recent.line_start == 4
    assert state.recent.since(None, 3) is None
    assert len(state.recent.since(None, 4) or ()) == RECENT
    append(state, "a", RECENT + 5)
    assert state.recent.line_start == state.last_event - RECENT


@pytest.mark.parametrize("only_copy", [True, False])
def test_only_what_nobody_has_any_more_is_pruned(only_copy: bool) -> None:
    state = StoreState(Limits(events=2), lambda: 0.0, only_copy=only_copy)
    append(state, "a", 5)
    assert state.recent.pruned("a") == state.recent.pruned(None) == (3 if only_copy else 0)


def test_what_many_append_in_turns_is_read_in_order(state: StoreState) -> None:
    transaction = Transaction(state)
    for session_id in "abab":
        transaction.append_events(session_id, [DRAFT], 0, {})
    transaction.commit()
    assert [event.id for event in state.recent.since(None, 0) or ()] == [1, 2, 3, 4]
