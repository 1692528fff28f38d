"""Each question of an agent gets one response: of a person, of the driver, or none."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from sxhost.drivers.kit.pending_questions import AgentRequest, PendingQuestions
from sxhost.errors import AgentFailed, BadField
from sxhost.model.approval import Answer, Question
from tests.support.fake_children import FakeReports


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.reports = FakeReports()
        self.sent: list[tuple[Any, Any]] = []
        self.questions = PendingQuestions(
            self.reports, self.clock, lambda number, value: self.sent.append((number, value))
        )

    def ask(self, number: int | str, about: str, lapses_s: float | None = None) -> str:
        question = Question(key=about, kind="tool", title="May I?", choices=["approve", "deny"])
        request = AgentRequest(
            id=number,
            question=question,
            encode_answer=lambda answer: {"said": answer.decision},
            cancelled={"said": "nothing"},
        )
        self.questions.open(request, lapses_s)
        return self.reports.questions[-1].key

    def answer(self, key: str, decision: str = "approve") -> None:
        question = next(q for q in self.reports.questions if q.key == key)
        self.questions.answer(question, Answer(decision=decision))

    @property
    def withdrawn(self) -> list[tuple[str, str]]:
        return [(told[1], told[2]) for told in self.reports.told if told[0] == "settled"]


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.ask(7, "a")
    return bench


def test_a_decision_goes_to_the_request_that_asked(bench: Bench) -> None:
    bench.ask("eight", "b")
    bench.answer("b", "deny")
    bench.answer("a")
    assert bench.sent == [("eight", {"said": "deny"}), (7, {"said": "approve"})]


def test_a_question_is_answered_exactly_once(bench: Bench) -> None:
    bench.answer("a")
    with pytest.raises(AgentFailed, match="does not wait"):
        bench.answer("a")
    bench.questions.cancel_all("over")
    bench.questions.withdraw("a", "over")
    assert bench.sent == [(7, {"said": "approve"})]
    assert len(bench.reports.told) == 1


def test_a_decision_that_is_no_choice_leaves_the_question_open(bench: Bench) -> None:
    with pytest.raises(BadField, match="approve, deny"):
        bench.answer("a", "shrug")
    bench.answer("a")
    assert len(bench.sent) == 1


def test_an_answer_that_cannot_be_encoded_leaves_the_question_open(bench: Bench) -> None:
    def refuse(_answer: Answer) -> Any:
        raise BadField("answers.x", "This is no integer.")

    question = Question(key="f", kind="question", title="?", choices=["approve"])
    bench.questions.open(AgentRequest(id=1, question=question, encode_answer=refuse))
    with pytest.raises(BadField):
        bench.answer("f")
    assert bench.questions.find(1) == "f"


def test_the_agent_takes_a_question_back(bench: Bench) -> None:
    assert bench.questions.find(8) is None
    bench.questions.withdraw(bench.questions.find(8), "nothing")
    bench.questions.withdraw(bench.questions.find(7), "taken back")
    with pytest.raises(AgentFailed):
        bench.answer("a")
    assert bench.reports.told[1:] == [("settled", "a", "taken back")]
    assert bench.sent == []


def test_questions_that_nobody_will_decide_are_cancelled(bench: Bench) -> None:
    bench.ask(8, "b")
    bench.questions.cancel_all("over")
    bench.questions.cancel_all("over again")
    assert bench.sent == [(7, {"said": "nothing"}), (8, {"said": "nothing"})]
    assert bench.withdrawn == [("a", "over"), ("b", "over")]


def test_an_agent_s_limit_withdraws_its_question() -> None:
    bench = Bench()
    bench.ask(7, "a", lapses_s=5)
    bench.clock.advance(5)
    assert bench.reports.told[1:] == [("settled", "a", "the agent waits no longer")]
    assert bench.sent == []


def test_a_question_that_is_over_has_no_timer() -> None:
    bench = Bench()
    for number in range(3):
        bench.ask(number, f"q{number}", lapses_s=5)
    bench.answer("q0")
    bench.questions.withdraw("q1", "over")
    bench.questions.forget_all()
    assert bench.clock.getDelayedCalls() == []
    with pytest.raises(AgentFailed):
        bench.answer("q2")


def test_a_second_question_about_the_same_is_another(bench: Bench) -> None:
    assert bench.ask(8, "a") == "a:2"
    bench.answer("a")
    assert bench.ask(9, "a") == "a:3"
    bench.answer("a:2")
    bench.answer("a:3")
    assert [number for number, _ in bench.sent] == [7, 8, 9]


def test_a_request_that_comes_again_is_the_same_question(bench: Bench) -> None:
    assert bench.ask(7, "a") == "a"
    bench.answer("a")
    with pytest.raises(AgentFailed):
        bench.answer("a")
