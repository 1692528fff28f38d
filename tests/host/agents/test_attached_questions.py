"""Questions of agents that run elsewhere: asked by verbs, answered, withdrawn, too late."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred

from sxhost.errors import OnlyAtTerminal, Stopping
from sxhost.model.approval import Answer, Approval, ApprovalQuery, TerminalAnswer
from sxhost.model.event import EventDraft, EventQuery
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
    result_of(host.service.end_question("a", "q1", "decided elsewhere"))
    assert result_of(asking) is None
    assert not is_done(other)
    assert closed(host) == [("withdrawn", "decided elsewhere"), ("pending", None)]


def test_question_asked_twice_is_withdrawn_from_both(host: HostInMemory) -> None:
    both = [ask(host), ask(host)]
    result_of(host.service.end_question("a", "q1", "decided elsewhere"))
    assert [result_of(asking) for asking in both] == [None, None]
    assert closed(host) == [("withdrawn", "decided elsewhere")]


def test_question_whose_caller_leaves_is_closed(host: HostInMemory) -> None:
    asking = ask(host)
    asking.cancel()
    asking.addErrback(lambda failure: failure.trap(CancelledError))
    assert closed(host) == [("withdrawn", "its agent no longer waits")]


def test_withdrawal_of_an_unknown_question_changes_nothing(host: HostInMemory) -> None:
    result_of(host.service.end_question("a", "unknown", "?"))
    assert closed(host) == []


# What the agent's own terminal can answer too.


def shown(host: HostInMemory) -> list[tuple[str, bool]]:
    """Return the approvals that wait: their keys, and whether only a terminal can answer."""
    pending: list[Approval] = result_of(host.service.approvals(ApprovalQuery()))
    return [(each.key, each.at_terminal_ms is not None) for each in pending]


def ask_both(host: HostInMemory, wait_s: float = 10) -> Deferred[Any]:
    """Ask what the agent's own dialog asks, too."""
    asked = replace(question("q1"), at_terminal=True)
    return started(host.service.ask("a", asked, wait_s))


def test_hook_that_asks_again_before_the_host_has_looked_back_is_heard(
    host: HostInMemory,
) -> None:
    ask_both(host)
    host.restart()
    asked = ask_both(host)
    host.service.startService()
    assert shown(host) == [("q1", False)]
    answer = Answer(decision="approve")
    result_of(host.service.answer("a", 1, answer))
    assert result_of(asked) == answer


def test_what_is_asked_at_the_terminal_too_stays_open_there(host: HostInMemory) -> None:
    asking = ask_both(host)
    host.clock.advance(10)
    assert result_of(asking) is None
    assert shown(host) == [("q1", True)]
    with pytest.raises(OnlyAtTerminal):
        result_of(host.service.answer("a", 1, Answer(decision="approve")))
    result_of(host.service.end_question("a", "q1", TerminalAnswer(decision="approve")))
    (one,) = result_of(host.service.approvals(ALL))
    assert one.resolution is not None
    assert (one.state, one.resolution.by) == ("answered", "terminal")
    assert one.resolution.decision == "approve"


def test_no_more_are_left_to_a_terminal_than_may_be_open() -> None:
    lab = HostInMemory(open_questions=2)
    result_of(lab.service.register("a", Registration()))
    for number in range(3):
        asked = replace(question(f"q{number}"), at_terminal=True)
        result_of(started(lab.service.ask("a", asked, 0)))
    assert shown(lab) == [("q1", True), ("q2", True)]


def test_a_question_that_is_asked_again_can_be_answered_here_again(host: HostInMemory) -> None:
    asking = ask_both(host)
    asking.cancel()
    asking.addErrback(lambda failure: failure.trap(CancelledError))
    assert shown(host) == [("q1", True)]
    again = ask_both(host)
    assert shown(host) == [("q1", False)]
    result_of(host.service.answer("a", 1, Answer(decision="deny")))
    assert result_of(again) == Answer(decision="deny")
    names = [event.event for event in result_of(host.service.events("a", EventQuery()))]
    assert names == [
        *("approval-requested", "approval-moved", "approval-moved"),
        "approval-resolved",
    ]


def test_a_lost_connection_does_not_take_the_question_from_the_next(host: HostInMemory) -> None:
    first, second = ask_both(host), ask_both(host)
    first.cancel()
    first.addErrback(lambda failure: failure.trap(CancelledError))
    assert shown(host) == [("q1", False)]
    result_of(host.service.answer("a", 1, Answer(decision="approve")))
    assert result_of(second) == Answer(decision="approve")


def test_a_question_outlives_the_host_and_keeps_its_number(host: HostInMemory) -> None:
    ask_both(host)
    host.restart()
    host.service.startService()
    assert shown(host) == [("q1", True)]
    state = result_of(host.service.session("a")).detail_state
    assert state == "waiting"
    again = ask_both(host)
    result_of(host.service.answer("a", 1, Answer(decision="approve")))
    assert result_of(again) == Answer(decision="approve")


def test_what_an_agent_has_asked_ends_with_it(host: HostInMemory) -> None:
    asking = ask_both(host)
    host.clock.advance(10)
    assert result_of(asking) is None
    result_of(host.service.fire("a", EventDraft.of("ended", {"reason": "killed"})))
    assert closed(host) == [("withdrawn", "its agent has ended")]
    assert result_of(host.service.session("a")).detail_state == "ended"


def test_end_of_the_host_releases_callers_who_ask(host: HostInMemory) -> None:
    asking = ask(host)
    host.notifier.close()
    with pytest.raises(Stopping):
        result_of(asking)
    assert closed(host) == [("pending", None)]
