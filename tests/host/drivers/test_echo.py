"""The agent without a program: what scripts make it report, what its verbs do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from sxhost.drivers.contracts import Driver, Started
from sxhost.drivers.echo import make
from sxhost.drivers.echo.agent import KNOWN
from sxhost.drivers.echo.script import MOST, Step, parse
from sxhost.drivers.echo.script_runner import STEPS
from sxhost.errors import AgentFailed, BadField, NoTurn, TurnInProgress
from sxhost.model.approval import Answer
from sxhost.model.turn import Image, Launch, ModelDraft, Text, TurnDraft
from sxhost.process.contracts import ChildExit
from sxhost.testing import result_of, started
from tests.support.fake_children import FakeReports, FakeSpawn


class Rig:
    """A started agent on a clock that we move."""

    def __init__(self, driver: Driver | None = None, **launch: Any) -> None:
        self.clock = Clock()
        self.spawn = FakeSpawn()
        self.driver = driver or make(self.spawn, self.clock)
        self.reports = FakeReports()
        self.agent = self.driver.agent(Launch(agent="echo", **launch), self.reports)

    def start(self) -> Started:
        return result_of(self.agent.start())

    def submit(self, script: str, *, run: bool = True) -> str | None:
        name = result_of(self.agent.submit(TurnDraft(input=script)))
        if run:
            self.clock.advance(0)
        return name

    def answer(self, decision: str, **answers: Any) -> None:
        answer = Answer(decision=decision, answers=answers or None)
        result_of(self.agent.answer(self.reports.questions[-1], answer))
        self.clock.advance(0)

    @property
    def told(self) -> list[Any]:
        return self.reports.told

    @property
    def end(self) -> tuple[Any, ...]:
        end: tuple[Any, ...] = self.told[-1]
        assert end[0] in ("turn_ended", "gone"), end
        return end


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.start()
    return made


# Scripts.


SCRIPTS = [
    ("two words", [Step("SAY", "two words")]),
    ("one\n\n  two", [Step("SAY", "one\n\n  two")]),
    ("SAY:  a b ", [Step("SAY", "a b")]),
    ("a\nTHINK: b\nc", [Step("SAY", "a"), Step("THINK", "b"), Step("SAY", "c")]),
    ("  RUN: ls -l", [Step("RUN", "ls -l")]),
    ("SLOW 3\nSLOW 3 10", [Step("SLOW", "", (3,)), Step("SLOW", "", (3, 10))]),
    ("FAIL", [Step("FAIL")]),
    ("FAIL no luck", [Step("FAIL", "no luck")]),
    ("PLAN a; b", [Step("PLAN", "a; b")]),
    ("HANG\nCRASH\nEXIT 3", [Step("HANG"), Step("CRASH"), Step("EXIT", "", (3,))]),
    ("BIG 999999999999", [Step("BIG", "", (MOST,))]),
    ("SAY:", [Step("SAY", "SAY:")]),
    ("SLOW", [Step("SAY", "SLOW")]),
    ("EXIT soon", [Step("SAY", "EXIT soon")]),
    ("FAILURE", [Step("SAY", "FAILURE")]),
    ("HANG on", [Step("SAY", "HANG on")]),
    ("COMPACT", [Step("SAY", "COMPACT")]),
    ("", []),
    (" \n ", []),
]


@pytest.mark.parametrize(("text", "steps"), SCRIPTS)
def test_a_text_is_a_script(text: str, steps: list[Step]) -> None:
    assert parse(text) == steps


@given(st.text())
def test_every_text_is_a_script_that_can_be_performed(text: str) -> None:
    assert {step.word for step in parse(text)} <= STEPS.keys()


WORDS = st.sampled_from(["SAY: a b", "THINK: c", "RUN: ls", "ASK: rm", "QUESTION: q? | a | b"])
COUNTS = st.sampled_from(["SLOW 3 0", "FLOOD 3", "BIG 3", "USAGE 1 2", "PLAN a; b", "plain"])
ENDS = st.sampled_from(["FAIL", "CRASH", "EXIT 1", "HANG", ""])


@given(
    st.lists(WORDS | COUNTS, max_size=6), ENDS, st.sampled_from(["approve", "deny", "cancel"])
)
def test_whatever_is_performed_closes_what_it_opens(
    lines: list[str], end: str, decision: str
) -> None:
    rig = Rig()
    rig.start()
    rig.submit("\n".join([*lines, end]))
    while rig.told[-1][0] == "asked":
        rig.answer(decision)
    if rig.told[-1][0] not in ("turn_ended", "gone"):
        result_of(rig.agent.interrupt())
    opened = [data["item"] for name, data in rig.reports.events() if name == "tool-start"]
    opened += [d["item"] for n, d in rig.reports.events("message-delta", "thinking-delta")]
    closed = [d["item"] for _, d in rig.reports.events("message", "thinking", "tool-done")]
    assert set(opened) == set(closed)
    assert len(closed) == len(set(closed))
    assert [told[0] for told in rig.told].count("turn_ended") <= 1
    assert not rig.clock.getDelayedCalls()


# What is said.


def test_words_come_one_by_one_and_then_whole(rig: Rig) -> None:
    assert rig.submit("hello  my\nworld") == "turn-1"
    assert rig.told[0] == ("turn_began", "turn-1")
    assert rig.reports.texts("message-delta") == ["hello  ", "my\n", "world"]
    assert rig.reports.texts("message") == ["hello  my\nworld"]
    assert rig.end == ("turn_ended", "completed", "")


def test_spaces_without_end_are_read_once(rig: Rig) -> None:
    """It took the square of their number, which nobody would wait for here."""
    text = "a\n" + " " * 400_000 + "\nb"
    rig.submit(text)
    assert "".join(rig.reports.texts("message-delta")) == text


def test_verbs_return_before_anything_is_said(rig: Rig) -> None:
    rig.submit("hello", run=False)
    assert rig.told == [("turn_began", "turn-1")]


def test_thoughts_are_not_said(rig: Rig) -> None:
    rig.submit("THINK: let me see\nSAY: done")
    assert rig.reports.texts("thinking-delta") == ["let ", "me ", "see"]
    assert rig.reports.texts("thinking") == ["let me see"]
    assert rig.reports.texts("message") == ["done"]


def test_items_have_names_of_their_own(rig: Rig) -> None:
    rig.submit("a\nTHINK: b\nRUN: c\nd")
    rig.submit("e")
    names = ("message", "thinking", "tool-done")
    items = [data["item"] for _, data in rig.reports.events(*names)]
    assert len(set(items)) == len(items) == 5


def test_words_come_at_a_pace_if_told() -> None:
    rig = Rig(native={"pause_ms": 20})
    rig.start()
    rig.submit("a b c")
    assert rig.reports.texts("message-delta") == ["a "]
    rig.clock.pump([0.02])
    assert rig.reports.texts("message-delta") == ["a ", "b "]
    rig.clock.pump([0.02, 0.02])
    assert rig.end == ("turn_ended", "completed", "")


@pytest.mark.parametrize(("script", "ms"), [("SLOW 3", 50), ("SLOW 3 7", 7)])
def test_pieces_come_slowly(rig: Rig, script: str, ms: int) -> None:
    rig.submit(script)
    rig.clock.pump([ms / 1000])
    assert rig.reports.texts("message-delta") == ["piece-1 ", "piece-2 "]
    rig.clock.pump([ms / 1000] * 2)
    assert rig.reports.texts("message") == ["piece-1 piece-2 piece-3 "]


def test_a_flood_comes_at_once(rig: Rig) -> None:
    rig.submit("FLOOD 1000")
    assert len(rig.reports.texts("message-delta")) == 1000
    assert rig.end == ("turn_ended", "completed", "")


def test_a_picture_is_echoed_as_such(rig: Rig) -> None:
    draft = TurnDraft(input=[Text(text="look:"), Image(url="data:,")])
    result_of(rig.agent.submit(draft))
    rig.clock.advance(0)
    assert rig.reports.texts("message") == ["look:\n[image]"]


def test_nothing_is_a_turn_as_well(rig: Rig) -> None:
    rig.submit(" ")
    assert rig.told == [("turn_began", "turn-1"), ("turn_ended", "completed", "")]


# Tools.


def test_a_command_is_pretended_and_nothing_is_run(rig: Rig) -> None:
    rig.submit("RUN: rm -rf /")
    start, output, done = rig.reports.events("tool-start", "tool-output", "tool-done")
    item = start[1]["item"]
    command = {"command": "rm -rf /"}
    assert start[1] == {"item": item, "tool": "shell", "title": "rm -rf /", "input": command}
    assert output[1] == {"item": item, "text": "pretended: rm -rf /\n"}
    assert done[1] == {
        "item": item,
        "tool": "shell",
        "status": "completed",
        "output": "pretended: rm -rf /\n",
        "exit_code": 0,
    }
    assert rig.spawn.children == []


def test_a_big_output_has_its_size(rig: Rig) -> None:
    rig.submit("BIG 100000")
    assert [len(text) for text in rig.reports.texts("tool-output")] == [100_000]
    assert len(rig.reports.events("tool-done")[0][1]["output"]) == 100_000


@pytest.mark.parametrize(
    ("decision", "status", "end"),
    [
        ("approve", "completed", ("turn_ended", "completed", "")),
        ("approve_session", "completed", ("turn_ended", "completed", "")),
        ("deny", "declined", ("turn_ended", "completed", "")),
        ("cancel", "declined", ("turn_ended", "interrupted", "the question was cancelled")),
    ],
)
def test_a_command_waits_for_approval(
    decision: str, status: str, end: tuple[str, str, str]
) -> None:
    rig = Rig(cwd="/work")
    rig.start()
    rig.submit("ASK: make\nSAY: after")
    (question,) = rig.reports.questions
    assert (question.kind, question.title) == ("command", "make")
    assert question.detail == {"command": "make", "cwd": "/work"}
    assert decision in question.choices
    assert rig.told[-1] == ("asked", question)
    rig.answer(decision)
    ((_, done),) = rig.reports.events("tool-done")
    assert done["status"] == status
    assert rig.end == end
    assert rig.reports.texts("message") == ([] if decision == "cancel" else ["after"])


def test_what_is_approved_for_the_session_is_not_asked_again(rig: Rig) -> None:
    rig.submit("ASK: make")
    rig.answer("approve_session")
    rig.submit("ASK: make\nASK: make install")
    assert [question.title for question in rig.reports.questions] == ["make", "make install"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"answer": "blue"}, "answer: blue"),
        ({"answer": ["blue", "red"]}, "answer: blue, red"),
        ({}, "answer: none"),
    ],
)
def test_the_answer_to_a_question_is_said(rig: Rig, given: Any, said: str) -> None:
    rig.submit("QUESTION: Which colour? | blue | red")
    (question,) = rig.reports.questions
    (inquiry,) = question.inquiries
    assert (question.kind, inquiry.text) == ("question", "Which colour?")
    assert [option.label for option in inquiry.options] == ["blue", "red"]
    rig.answer("approve", **given)
    assert rig.reports.texts("message") == [said]


# The rest of a script.


def test_a_plan_has_its_entries(rig: Rig) -> None:
    rig.submit("PLAN look; think;")
    ((_, plan),) = rig.reports.events("plan")
    entries = [(entry["content"], entry["status"]) for entry in plan["entries"]]
    assert entries == [("look", "pending"), ("think", "pending")]


def test_usage_adds_up(rig: Rig) -> None:
    rig.submit("USAGE 100 20 50")
    rig.submit("USAGE 10 2")
    (_, first), (_, second) = rig.reports.events("usage")
    assert first["total_tokens"] == 120
    assert second == {
        "input_tokens": 110,
        "cached_tokens": 50,
        "output_tokens": 22,
        "total_tokens": 132,
    }


def test_a_turn_fails_and_the_next_works(rig: Rig) -> None:
    rig.submit("SAY: before\nFAIL no model\nSAY: never")
    assert rig.end == ("turn_ended", "failed", "no model")
    rig.submit("again")
    assert rig.reports.texts("message") == ["before", "again"]
    assert rig.end == ("turn_ended", "completed", "")


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("CRASH", ChildExit(signal="SIGKILL")),
        ("EXIT 3", ChildExit(code=3)),
        ("EXIT 0", ChildExit(code=0)),
    ],
)
def test_an_agent_goes_in_the_middle_of_a_turn(rig: Rig, script: str, how: ChildExit) -> None:
    rig.submit(f"before\n{script}\nafter")
    assert rig.end == ("gone", how)
    assert "turn_ended" not in [told[0] for told in rig.told]
    with pytest.raises(AgentFailed):
        rig.submit("again")
    result_of(rig.agent.stop())
    assert rig.end == ("gone", how), "told once"


# Verbs.


def test_a_turn_at_a_time(rig: Rig) -> None:
    rig.submit("HANG")
    with pytest.raises(TurnInProgress, match="'echo-1'"):
        rig.submit("again")
    with pytest.raises(TurnInProgress):
        result_of(rig.agent.compact())


def test_an_interrupt_ends_what_hangs_and_what_has_not_begun(rig: Rig) -> None:
    rig.submit("HANG")
    result_of(rig.agent.interrupt())
    rig.submit("hello", run=False)
    result_of(rig.agent.interrupt())
    rig.clock.advance(1)
    assert rig.reports.events() == []
    assert rig.told.count(("turn_ended", "interrupted", "interrupted")) == 2


def test_a_steered_turn_does_the_new_first_and_then_the_rest(rig: Rig) -> None:
    rig.submit("SLOW 100\nthe rest")
    result_of(rig.agent.steer([Text(text="SAY: new\nSAY: newer")]))
    rig.clock.advance(0)
    assert rig.reports.texts("message") == ["piece-1 ", "new", "newer", "the rest"]
    assert rig.reports.events("message")[0][1]["cut"]
    assert [told[0] for told in rig.told].count("turn_began") == 1
    assert rig.end == ("turn_ended", "completed", "")


def test_without_a_turn_there_is_nothing_to_steer_or_interrupt(rig: Rig) -> None:
    for verb in (rig.agent.interrupt(), rig.agent.steer([Text(text="x")])):
        with pytest.raises(NoTurn):
            result_of(verb)


def test_compacting_is_a_turn(rig: Rig) -> None:
    result_of(rig.agent.compact())
    rig.clock.advance(0)
    assert [told[0] for told in rig.told] == ["turn_began", "event", "turn_ended"]
    assert [name for name, _ in rig.reports.events()] == ["compact"]


def test_a_model_is_remembered(rig: Rig) -> None:
    result_of(rig.agent.set_model(ModelDraft(model="parrot")))
    result_of(rig.agent.stop())
    assert Rig(rig.driver, resume="echo-1").start().model == "parrot"
    assert Rig(rig.driver, resume="echo-1", model="crow").start().model == "crow"


# Starting, resuming, stopping.


def test_what_an_agent_says_of_itself() -> None:
    rig = Rig(model="m", provider="p", title="t")
    said = rig.start()
    assert said == Started(
        native_id="echo-1", model="m", provider="p", title="t", native={"turns": 0}
    )
    assert Rig(rig.driver).start().native_id == "echo-2"


def test_a_conversation_goes_on(rig: Rig) -> None:
    rig.submit("one\nUSAGE 1 1\nCRASH")
    again = Rig(rig.driver, resume="echo-1")
    again.clock = rig.clock
    said = again.start()
    assert (said.native_id, said.native) == ("echo-1", {"turns": 1})
    assert again.submit("USAGE 1 1") == "turn-2"
    assert again.reports.events("usage")[0][1]["total_tokens"] == 4


def test_a_conversation_of_an_earlier_host_goes_on() -> None:
    rig = Rig(resume="echo-1")
    assert rig.start().native_id == "echo-1"
    assert Rig(rig.driver).start().native_id == "echo-2", "the name is taken"


def test_nobody_knows_a_conversation() -> None:
    with pytest.raises(AgentFailed, match="no conversation 'thread-7'"):
        Rig(resume="thread-7").start()


def test_only_so_many_conversations_are_remembered() -> None:
    rig = Rig()
    rig.start()
    rig.submit("one")
    for _ in range(KNOWN):
        Rig(rig.driver).start()
    assert Rig(rig.driver, resume="echo-1").start().native == {"turns": 0}


def test_a_start_fails_if_told() -> None:
    rig = Rig(native={"start": "fail"})
    with pytest.raises(AgentFailed, match="told not to start"):
        rig.start()
    assert rig.told == []


def test_a_start_is_slow_if_told() -> None:
    rig = Rig(native={"start": "slow", "slow_ms": 500})
    starting = started(rig.agent.start())
    rig.clock.advance(0.4)
    assert not starting.called
    rig.clock.advance(0.1)
    assert result_of(starting).native_id == "echo-1"


@pytest.mark.parametrize("how", ["hang", "slow"])
def test_a_start_that_hangs_ends_with_the_agent(how: str) -> None:
    rig = Rig(native={"start": how})
    starting = started(rig.agent.start())
    with pytest.raises(AgentFailed, match="not there"):
        rig.submit("x")
    result_of(rig.agent.stop())
    assert rig.told == [("gone", ChildExit(code=0, asked=True))]
    with pytest.raises(AgentFailed, match="did not start"):
        result_of(starting)
    assert not rig.clock.getDelayedCalls()


@pytest.mark.parametrize(
    "native", [{"start": "late"}, {"strat": "fail"}, {"pause_ms": -1}, {"pause_ms": "1"}]
)
def test_what_a_launch_says_is_checked(native: dict[str, Any]) -> None:
    with pytest.raises(BadField, match="The field `native` is wrong") as refused:
        Rig(native=native)
    assert refused.value.details == {"field": "native"}


def test_a_driver_has_nothing_to_let_go_of() -> None:
    result_of(Rig().driver.close())
