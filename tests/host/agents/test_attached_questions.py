"""Questions of agents that run elsewhere: asked by verbs, answered, withdrawn, too late."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from sxhost.model.approval import Answer, Approval, ApprovalQuery
from sxhost.model.session import Registration
from sxhost.testing import HostInMemory, is_done, question, result_of, started

ALL = ApprovalQuery(all=True)


@pytest.fixture
def host(lab: HostInMemory) -> HostInMemory:
    """A host with an attached session, `a`."""
    result_of(lab.service.register("a", Registration()))
    return lab


def ask(host: HostInMemory, key: str = "q1", wait_s: float = 10) -> Deferred[Any]:
    return started(host.service.ask("a", question(key), wait_s))


def closed(host: HostInMemory) -> list[tuple[str, str | None]]:
    """Return how the approvals have ended, in order: the state and the reason."""
    approvals: list[Approval] = result_of(host.service.approvals(ALL))
    ends = [(each.state, each.resolution) for each in approvals]
    return [(state, how.reason if how is not None else None) for state, how in ends]


def test_decision_is_returned(host: HostInMemory) -> None:
    asking = ask(host)
    answer = Answer(decision="approve", reason="fine")
    result_of(host.service.answer("a", 1, answer))
    assert result_of(asking) == answer
    assert closed(host) == [("answered", "fine")]


def test_question_without_decision_is_closed_when_time_is_up(host: HostInMemory) -> None:
    asking = ask(host, wait_s=3)
    host.clock.advance(2.9)
    assert not is_done(asking)
    host.clock.advance(0.1)
    assert result_of(asking) is None
    assert closed(host) == [("withdrawn", "nobody decided in time")]


def test_withdrawn_question_has_no_answer(host: HostInMemory) -> None:
    asking, other = ask(host), ask(host, "q2")
    result_of(host.service.withdraw_question("a", "q1", "decided elsewhere"))
    assert result_of(asking) is None
    assert not is_done(other)
    assert closed(host) == [("withdrawn", "decided elsewhere"), ("pending", None)]


def test_question_asked_twice_is_withdrawn_from_both(host: HostInMemory) -> None:
    both = [ask(host), ask(host)]
    result_of(host.service.withdraw_question("a", "q1", "decided elsewhere"))
    assert [result_of(asking) for asking in both] == [None, None]
    assert closed(host) == [("withdrawn", "decided elsewhere")]


def test_question_whose_caller_leaves_is_closed(host: HostInMemory) -> None:
    asking = ask(host)
    asking.cancel()
    asking.addErrback(lambda failure: failure.trap(CancelledError))
    assert closed(host) == [("withdrawn", "its agent no longer waits")]


def test_question_of_an_earlier_host_life_is_withdrawn(host: HostInMemory) -> None:
    ask(host)
    host.restart()
    result_of(host.service.withdraw_questions("a", "its agent no longer waits"))
    assert closed(host) == [("withdrawn", "its agent no longer waits")]


def test_withdrawal_of_an_unknown_question_changes_nothing(host: HostInMemory) -> None:
    result_of(host.service.withdraw_question("a", "unknown", "?"))
    assert closed(host) == []


def test_end_of_the_host_releases_callers_who_ask(host: HostInMemory) -> None:
    asking = ask(host)
    host.notifier.close()
    assert result_of(asking) is None
