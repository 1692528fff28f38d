"""The approvals: the first decision wins, whoever makes it, and the agent is told once."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.agents.answers import check_answer
from sxhost.agents.approvals import EXPIRY_RETRY_S, ApprovalBroker
from sxhost.codec.json import encode
from sxhost.errors import (
    AgentFailed,
    AlreadyAnswered,
    BadField,
    HostError,
    QuestionLimit,
    StoreUnavailable,
    UnknownApproval,
)
from sxhost.model.approval import Answer, Approval, Inquiry, Option, Question
from sxhost.model.auth import AuditQuery
from sxhost.model.caller import Caller, current_caller
from sxhost.model.limits import Limits
from sxhost.model.session import Registration
from sxhost.policy.rules import ASK_A_PERSON, PolicyDecision
from sxhost.store.memory import MemoryStore
from sxhost.testing import question, result_of, started


class Refusing(MemoryStore):
    """A store that refuses to settle, if told."""

    refuse: HostError | None = None
    slow: Deferred[None] | None = None
    settled = 0

    async def open_approval(self, *given: Any, **named: Any) -> Approval:
        if self.slow is not None:
            await self.slow
        if self.refuse is not None:
            raise self.refuse
        return await super().open_approval(*given, **named)

    async def close_approval(self, *given: Any, **named: Any) -> Approval:
        if self.refuse is not None:
            raise self.refuse
        self.settled += 1
        return await super().close_approval(*given, **named)


class Rig:
    def __init__(self, verdict: PolicyDecision = ASK_A_PERSON, **limits: Any) -> None:
        self.clock = Clock()
        self.limits = Limits(answer_within=100, **limits)
        self.store = Refusing(self.limits, self.clock.seconds)
        result_of(self.store.register("a", Registration(), 0))
        self.told: list[tuple[str, Answer]] = []
        self.deaf = False
        self.approvals = ApprovalBroker(
            self.store,
            self.store,
            self.clock,
            lambda: int(self.clock.seconds() * 1000),
            limits=self.limits,
            decide=lambda _session, _question: verdict,
        )

    async def tell(self, asked: Question, answer: Answer) -> None:
        self.told.append((asked.key, answer))
        if self.deaf:
            raise AgentFailed("It has gone.")

    def ask(self, key: str = "q1", **fields: Any) -> Approval:
        return result_of(self.approvals.open_approval("a", question(key, **fields), self.tell))

    def answer(self, approval: Approval, decision: str = "approve", **more: Any) -> Approval:
        answer = Answer(decision=decision, **more)
        return result_of(self.approvals.decide("a", approval.id, answer))

    def state(self, approval: Approval) -> tuple[str, str | None, str | None]:
        known = {a.id: a for a in result_of(self.store.approvals("a"))}[approval.id]
        end = known.resolution
        if end is None:
            return known.state, None, None
        return known.state, end.decision, end.by

    def events(self) -> list[str]:
        return [event.event for event in result_of(self.store.read_events("a"))]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_decision_is_stored_and_delivered_to_the_agent(rig: Rig) -> None:
    approval = rig.ask()
    assert (approval.state, approval.expires_ms) == ("pending", 100_000)
    closed = rig.answer(approval, "deny", reason="not today")
    assert closed.resolution is not None
    assert closed.resolution.reason == "not today"
    assert rig.state(approval) == ("answered", "deny", "own")
    assert rig.told == [("q1", Answer(decision="deny", reason="not today"))]
    assert rig.events() == ["approval-requested", "approval-resolved"]
    assert rig.clock.getDelayedCalls() == []


def test_second_decision_is_refused(rig: Rig) -> None:
    approval = rig.ask()
    rig.answer(approval, "deny")
    with pytest.raises(AlreadyAnswered) as caught:
        rig.answer(approval, "approve")
    assert caught.value.details["decision"] == "deny"
    assert len(rig.told) == 1
    assert rig.events().count("approval-resolved") == 1


def test_decider_is_stored(rig: Rig) -> None:
    approval = rig.ask()
    token = current_caller.set(Caller(scopes=frozenset({"approve"}), token="t7"))
    try:
        rig.answer(approval)
    finally:
        current_caller.reset(token)
    assert rig.state(approval) == ("answered", "approve", "token t7")
    (entry,) = result_of(rig.store.audit_entries(AuditQuery()))
    assert (entry.what, entry.token, entry.detail) == ("answer", "t7", "approval 1: approve")


def test_unknown_approval_is_refused(rig: Rig) -> None:
    approval = rig.ask()
    result_of(rig.store.register("b", Registration(), 0))
    for session, number in (("a", 99), ("b", approval.id)):
        with pytest.raises(UnknownApproval):
            result_of(rig.approvals.decide(session, number, Answer(decision="approve")))
    assert rig.told == []


def test_approval_expires_without_a_decision(rig: Rig) -> None:
    approval = rig.ask(expires_s=5.0)
    rig.clock.advance(4.9)
    assert rig.state(approval)[0] == "pending"
    rig.clock.advance(0.1)
    assert rig.state(approval) == ("expired", "deny", "host")
    assert [answer.decision for _, answer in rig.told] == ["deny"]


@pytest.mark.parametrize(
    ("choices", "decision"),
    [(["approve", "deny"], "deny"), (["approve", "cancel"], "cancel"), (["a", "b"], "cancel")],
)
def test_expiry_uses_a_decision_that_the_agent_offers(
    choices: list[str], decision: str
) -> None:
    rig = Rig(PolicyDecision(on_expiry="deny"))
    approval = rig.ask(choices=choices)
    rig.clock.advance(100)
    assert rig.state(approval) == ("expired", decision, "host")


def test_expiry_is_retried_while_the_store_refuses(rig: Rig) -> None:
    approval = rig.ask(expires_s=5.0)
    rig.store.refuse = StoreUnavailable("The disk is full.")
    rig.clock.pump([5, EXPIRY_RETRY_S, EXPIRY_RETRY_S])
    with pytest.raises(StoreUnavailable):
        rig.answer(approval)
    assert rig.told == []
    rig.store.refuse = None
    rig.clock.advance(EXPIRY_RETRY_S)
    assert rig.state(approval) == ("expired", "deny", "host")
    assert rig.clock.getDelayedCalls() == []


def test_approvals_of_a_forgotten_session_expire_once(rig: Rig) -> None:
    rig.ask(expires_s=5.0)
    result_of(rig.store.delete("a"))
    rig.clock.advance(5)
    assert rig.clock.getDelayedCalls() == []


def test_policy_decides_at_once() -> None:
    rig = Rig(PolicyDecision(decision="approve", rule="reads", reason="harmless"))
    approval = rig.ask()
    assert rig.state(approval) == ("answered", "approve", "policy reads")
    assert rig.told == [("q1", Answer(decision="approve", reason="harmless"))]
    assert rig.events() == ["approval-requested", "approval-resolved"]


def test_shortest_timeout_counts() -> None:
    for policy, agent, seconds in ((7.0, 5.0, 5), (3.0, None, 3), (None, None, 100)):
        rig = Rig(PolicyDecision(expire_s=policy))
        assert rig.ask(expires_s=agent).expires_ms == seconds * 1000


def test_repeated_question_is_the_same_approval_with_a_new_timeout(rig: Rig) -> None:
    first = rig.ask(expires_s=50.0)
    rig.clock.advance(30)
    again = rig.ask(expires_s=50.0)
    assert again.id == first.id
    assert len(rig.clock.getDelayedCalls()) == 1
    rig.answer(again)
    assert len(rig.told) == 1
    assert rig.events() == ["approval-requested", "approval-resolved"]


def test_repeated_question_that_is_refused_stays_open(rig: Rig) -> None:
    first = rig.ask(expires_s=50.0)
    rig.store.refuse = StoreUnavailable("The disk is full.")
    with pytest.raises(StoreUnavailable):
        rig.ask(expires_s=50.0)
    rig.store.refuse = None
    rig.answer(first)
    assert [key for key, _ in rig.told] == ["q1"]
    assert rig.clock.getDelayedCalls() == []


def test_agent_closes_its_own_question_and_no_other(rig: Rig) -> None:
    one, other = rig.ask("one"), rig.ask("other")
    result_of(rig.approvals.close_question("a", "one", "resolved elsewhere"))
    result_of(rig.approvals.close_question("a", "unknown", "?"))
    result_of(rig.approvals.close_question("b", "other", "?"))
    assert rig.state(one) == ("withdrawn", "cancel", "agent")
    assert rig.state(other)[0] == "pending"
    assert rig.told == []


def test_all_approvals_of_a_session_are_withdrawn(rig: Rig) -> None:
    asked = [rig.ask("one"), rig.ask("two")]
    done = rig.ask("three")
    rig.answer(done)
    result_of(rig.approvals.withdraw("a", "the host was killed"))
    assert [rig.state(a) for a in asked] == [("withdrawn", "cancel", "host")] * 2
    assert rig.state(done)[0] == "answered"
    assert rig.clock.getDelayedCalls() == []


class TestBounds:
    def test_number_of_open_approvals_is_bounded(self) -> None:
        rig = Rig(open_questions=2)
        first, _ = rig.ask("one"), rig.ask("two")
        with pytest.raises(QuestionLimit):
            rig.ask("three")
        assert rig.ask("two", title="again").id
        result_of(rig.store.register("b", Registration(), 0))
        assert result_of(rig.approvals.open_approval("b", question("one"), rig.tell)).id
        rig.answer(first)
        assert rig.ask("three").id

    def test_approvals_being_stored_count_as_open(self) -> None:
        rig = Rig(open_questions=2)
        rig.store.slow = Deferred()
        asked = [
            started(rig.approvals.open_approval("a", question(key), rig.tell))
            for key in ("one", "two")
        ]
        with pytest.raises(QuestionLimit):
            rig.ask("three")
        rig.store.refuse = StoreUnavailable("The disk is full.")
        rig.store.slow.callback(None)
        for one in asked:
            with pytest.raises(StoreUnavailable):
                result_of(one)
        rig.store.refuse = None
        assert rig.ask("three").id

    def test_bytes_of_open_approvals_are_bounded(self) -> None:
        rig = Rig(questions_size=1500)
        first = rig.ask("one", title="x" * 500)
        rig.ask("two", title="x" * 500)
        with pytest.raises(QuestionLimit):
            rig.ask("three", title="x" * 500)
        rig.answer(first)
        for _ in range(5):
            rig.ask("three", title="x" * 500)
        result_of(rig.approvals.withdraw("a", "it is over"))
        rig.ask("four", title="x" * 1000)

    def test_large_approval_is_shortened(self) -> None:
        rig = Rig(question_size=4096)
        detail = {"command": "ls " * 1000, "cwd": "/"}
        approval = rig.ask(native="x" * 4000, detail={"cwd": "/"})
        assert (approval.native, approval.detail) == (None, {"cwd": "/"})
        approval = rig.ask("q2", native="x", detail=detail, title="t" * 1000)
        assert approval.detail["cwd"] == "/"
        assert str(approval.detail["command"]).endswith("… (2488 characters more)")
        assert len(encode(approval)) < 4096
        with pytest.raises(QuestionLimit):
            rig.ask("q3", choices=["x" * 5000])

    def test_what_is_not_shown_whole_can_only_be_refused(self) -> None:
        rig = Rig(question_size=4096)
        detail = {"command": "ls " * 2000}
        choices = ["approve", "approve_session", "deny", "cancel", "its own"]
        approval = rig.ask("q1", detail=detail, choices=choices)
        assert approval.choices == ["deny", "cancel"]
        assert "can only be refused" in str(approval.detail["cut"])
        with pytest.raises(BadField):
            rig.answer(approval)
        with pytest.raises(QuestionLimit):
            rig.ask("q2", detail=detail, choices=["approve"])

    def test_approvals_of_a_session_close_in_one_commit(self) -> None:
        rig = Rig()
        for number in range(rig.limits.open_questions):
            rig.ask(f"q{number}")
        result_of(rig.approvals.withdraw("a", "it is over"))
        assert rig.store.settled == 0
        assert rig.clock.getDelayedCalls() == []
        assert rig.events().count("approval-resolved") == rig.limits.open_questions


def test_failed_delivery_does_not_undo_the_decision(rig: Rig) -> None:
    rig.deaf = True
    approval = rig.ask()
    assert rig.answer(approval).state == "answered"


def test_close_leaves_approvals_open(rig: Rig) -> None:
    approval = rig.ask()
    rig.approvals.close()
    assert rig.clock.getDelayedCalls() == []
    assert rig.state(approval)[0] == "pending"


def test_answer_must_fit_its_question() -> None:
    asked = question(inquiries=[Inquiry(id="name", text="Who?")])
    check_answer(Answer(decision="approve", answers={"name": "Ada"}), asked, 7)
    check_answer(Answer(decision="deny"), asked, 7)
    for wrong in (
        Answer(decision="perhaps"),
        Answer(decision="approve", answers={"age": "7"}),
        Answer(decision="approve", answers={"name": "Ada", "age": ["7"]}),
    ):
        with pytest.raises(BadField):
            check_answer(wrong, asked, 7)


@pytest.mark.parametrize(
    ("agent", "policy", "seconds"),
    [(None, None, 60), (5.0, None, 5), (90.0, None, 90), (None, 3600.0, 3600)],
)
def test_dialog_expires_after_a_minute(
    agent: float | None, policy: float | None, seconds: int
) -> None:
    rig = Rig(PolicyDecision(expire_s=policy))
    approval = rig.ask(kind="dialog", choices=["approve", "cancel"], expires_s=agent)
    assert approval.expires_ms == seconds * 1000
    rig.clock.advance(seconds)
    assert rig.state(approval) == ("expired", "cancel", "host")
    assert [answer.decision for _, answer in rig.told] == ["cancel"]


def test_yes_is_no_answer_to_a_question() -> None:
    labels = [Option("Red"), Option("Blue")]
    inquiry = Inquiry(id="q1", text="Which?", options=labels, other=False)
    asked = question(inquiries=[inquiry, Inquiry(id="q2", text="Why?")])
    for decision in ("approve", "approve_session"):
        with pytest.raises(BadField, match=r"Which\? \(1 Red, 2 Blue\)\.; Why\?") as refused:
            check_answer(Answer(decision=decision), asked, 7)
        assert "sxhost answer 7 CHOICE" in refused.value.message
    for given in ("Green", ["Red", "Green"], "2"):
        with pytest.raises(BadField, match=r"one of these: Which\? \(1 Red, 2 Blue\)"):
            check_answer(Answer(decision="approve", answers={"q1": given}), asked, 7)
    for answer in (
        Answer(decision="deny"),
        Answer(decision="cancel"),
        Answer(decision="approve", answers={}),  # somebody means to say nothing
        Answer(decision="approve", answers={"q1": ["Red", "Blue"], "q2": "so"}),
    ):
        check_answer(answer, asked, 7)
