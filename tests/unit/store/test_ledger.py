"""Changes on paper: nobody sees them before they are committed, and then all of them."""

from __future__ import annotations

import pytest
from msgspec import Raw

from sxhost.errors import QueueFull, SessionLimit, UnknownSession
from sxhost.model.limits import Limits
from sxhost.model.session import MessageDraft, Registration
from sxhost.store.contracts import Draft
from sxhost.store.hot import RECENT
from sxhost.store.ledger import Ledger
from sxhost.store.transaction import Change

DRAFT = Draft("thinking", Raw(b"null"), 5_000)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(Limits(events=2, sessions=2, messages=1), lambda: 0.0, forgetful=False)


def append(ledger: Ledger, session_id: str, count: int = 1) -> None:
    change = Change(ledger)
    change.append_events(session_id, [DRAFT] * count, 0, {})
    change.commit()


def test_paper_is_patient(ledger: Ledger) -> None:
    change = Change(ledger)
    change.append_events("a", [DRAFT], 0, {})
    change.put_message("a", MessageDraft(content="words"), 0)
    assert (ledger.rows, ledger.last_event, ledger.last_message) == ({}, 0, 0)
    change.commit()
    assert (ledger.last_event, ledger.last_message) == (1, 1)
    assert ledger.row("a").session.event_count == 1
    assert len(ledger.row("a").inbox) == 1


def test_a_change_sees_what_it_has_done(ledger: Ledger) -> None:
    change = Change(ledger)
    change.register("a", Registration(), 0)
    assert not change.register("a", Registration(model="m"), 0)[1]
    assert [e.seq for e in change.append_events("a", [DRAFT, DRAFT], 0, {})] == [1, 2]
    assert [e.seq for e in change.append_events("a", [DRAFT], 0, {})] == [3]
    change.put_message("a", MessageDraft(content="words"), 0)
    with pytest.raises(QueueFull):
        change.put_message("a", MessageDraft(content="words"), 0)
    change.register("b", Registration(), 0)
    with pytest.raises(SessionLimit):
        change.register("c", Registration(), 0)
    change.delete("b")
    change.register("c", Registration(), 0)
    with pytest.raises(UnknownSession):
        change.delete("b")
    change.commit()
    assert sorted(ledger.rows) == ["a", "c"]


def test_a_session_that_is_made_anew_has_nothing_of_the_old(ledger: Ledger) -> None:
    append(ledger, "a", 3)
    change = Change(ledger)
    change.delete("a")
    assert [(e.seq, e.id) for e in change.append_events("a", [DRAFT], 0, {})] == [(1, 4)]
    change.commit()
    assert [e.id for e in ledger.hot.merged(0)] == [4]
    assert [e.id for e in ledger.hot.recent(0) or ()] == [4]


def test_the_recent_of_all_are_in_one_line(ledger: Ledger) -> None:
    for session_id in "abab":
        append(ledger, session_id)
    assert [e.session for e in ledger.hot.recent(1) or ()] == ["b", "a", "b"]
    append(ledger, "a", RECENT)
    assert ledger.hot.start == 4
    assert ledger.hot.recent(3) is None
    assert len(ledger.hot.recent(4) or ()) == RECENT
    append(ledger, "a", RECENT + 5)
    assert ledger.hot.start == ledger.last_event - RECENT


@pytest.mark.parametrize("forgetful", [True, False])
def test_only_what_nobody_has_any_more_is_pruned(forgetful: bool) -> None:
    ledger = Ledger(Limits(events=2), lambda: 0.0, forgetful=forgetful)
    append(ledger, "a", 5)
    assert ledger.row("a").pruned == ledger.pruned == (3 if forgetful else 0)


def test_what_many_append_in_turns_is_read_in_order(ledger: Ledger) -> None:
    change = Change(ledger)
    for session_id in "abab":
        change.append_events(session_id, [DRAFT], 0, {})
    change.commit()
    assert [event.id for event in ledger.hot.recent(0) or ()] == [1, 2, 3, 4]
