"""What every driver promises to the host, over all of them: one suite, a stage for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from sxhost.drivers.echo.recording import read
from sxhost.errors import AgentFailed, BadField, HostError, TurnInProgress, Unsupported
from sxhost.model.approval import Answer
from sxhost.model.event_types import EVENT_TYPES, WHOLE_OF
from sxhost.model.turn import Text, TurnDraft
from sxhost.process.contracts import ChildExit
from tests.support.agents.played import Played
from tests.support.agents.stages import (
    STAGES,
    AcpStage,
    ClaudeStage,
    CodexStage,
    DriverStage,
    PiStage,
)
from tests.support.fake_children import FakeReports
from tests.support.places import RECORDINGS

KILLED = ChildExit(signal="SIGKILL")


@pytest.fixture(params=STAGES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stage(name: str) -> DriverStage:
    """A stage whose agent is started."""
    stage = STAGES[name]()
    stage.start()
    return stage


def turns(reports: FakeReports) -> list[tuple[Any, ...]]:
    """Return how turns began and ended, and the end of the agent."""
    kinds = ("turn_began", "turn_ended", "gone")
    return [told for told in reports.told if told[0] in kinds]


def kinds(reports: FakeReports) -> list[str]:
    return [told[0] for told in reports.told]


def withdrawn(reports: FakeReports) -> list[str]:
    return [told[1] for told in reports.told if told[0] == "settled"]


def items(reports: FakeReports, *names: str) -> list[str]:
    return [data["item"] for _, data in reports.events(*names)]


# Start and end.


def test_a_start_names_the_conversation_after_its_process(name: str) -> None:
    stage = STAGES[name]()
    assert stage.start().native_id
    assert kinds(stage.reports)[:1] == ([] if name == "echo" else ["spawned"])
    assert turns(stage.reports) == []


def test_a_conversation_is_resumed_under_its_id(name: str, tmp_path: Path) -> None:
    session = tmp_path / "session.jsonl"  # pi's are files
    session.write_text('{"type":"session","id":"s1"}\n')
    native_id = {"pi": str(session), "echo": "echo-1"}.get(name, "c-1")
    assert STAGES[name](resume=native_id).start().native_id == native_id


def test_a_stop_ends_the_agent_once(stage: DriverStage) -> None:
    for _ in range(2):
        stage.do(stage.agent.stop())
    assert [told[0] for told in turns(stage.reports)] == ["gone"]
    assert turns(stage.reports)[0][1].asked


# Turns.


def test_a_turn_has_its_text_and_its_end(stage: DriverStage) -> None:
    stage.begin("hello")
    stage.say("so far")
    stage.finish_text("so far")
    stage.end()
    told = [kind for kind in kinds(stage.reports) if kind in ("turn_began", "turn_ended")]
    assert told == ["turn_began", "turn_ended"]
    assert turns(stage.reports)[-1][1] == "completed"
    assert len(stage.reports.events("message")) == 1
    assert set(items(stage.reports, "message-delta")) == set(items(stage.reports, "message"))


def test_a_second_turn_follows_the_first(stage: DriverStage) -> None:
    stage.begin()
    stage.end()
    stage.begin()
    stage.end()
    assert [told[1] for told in turns(stage.reports) if told[0] == "turn_ended"] == [
        "completed"
    ] * 2


def test_input_reaches_a_turn_or_is_refused(name: str, stage: DriverStage) -> None:
    stage.begin()
    steering = stage.agent.steer([Text(text="left")])
    if stage.agent.can.steer:
        stage.do(steering)
    else:
        with pytest.raises(Unsupported):
            stage.do(steering)
    if name != "echo":
        assert ("left" in str(stage.child.said)) is stage.agent.can.steer  # type: ignore[attr-defined]
    stage.end()
    assert turns(stage.reports)[-1][1] == "completed"


def test_an_interruption_reaches_the_program_and_ends_the_turn(stage: DriverStage) -> None:
    stage.begin()
    stage.do(stage.agent.interrupt())
    assert stage.interruptions == 1
    if turns(stage.reports)[-1][0] == "turn_began":
        stage.end("interrupted")
    assert [told[:2] for told in turns(stage.reports)][1:] == [("turn_ended", "interrupted")]


# What is open is cut, exactly once.


def open_text(stage: DriverStage) -> None:
    stage.say("so far")


def open_tool(stage: DriverStage) -> None:
    stage.call_tool()


opened = pytest.mark.parametrize("begin_item", [open_text, open_tool])


def check_closed(reports: FakeReports, last: str) -> None:
    """See that each item that began has ended once, before the last report."""
    begun = set(items(reports, "message-delta", "tool-start"))
    ended = Counter(items(reports, "message", "tool-done"))
    assert begun
    assert ended == Counter(begun)
    assert kinds(reports)[-1] == last


@opened
def test_what_is_open_at_the_end_of_a_turn_is_closed(
    stage: DriverStage, begin_item: Callable[[DriverStage], None]
) -> None:
    stage.begin()
    begin_item(stage)
    stage.end("interrupted")
    check_closed(stage.reports, "turn_ended")
    for _, data in stage.reports.events("tool-done"):
        assert data["status"] == "cut"


@opened
def test_what_is_open_when_the_program_ends_is_cut(
    stage: DriverStage, begin_item: Callable[[DriverStage], None]
) -> None:
    stage.begin()
    begin_item(stage)
    stage.die(KILLED)
    check_closed(stage.reports, "gone")
    for _, data in stage.reports.events("message"):
        assert data["cut"]
    for _, data in stage.reports.events("tool-done"):
        assert data["status"] == "cut"


def test_a_program_that_ends_in_a_turn_leaves_its_end_to_the_host(stage: DriverStage) -> None:
    stage.begin()
    stage.die(KILLED)
    assert [told[0] for told in turns(stage.reports)] == ["turn_began", "gone"]
    assert turns(stage.reports)[-1][1] == KILLED
    for verb in (
        stage.agent.submit(TurnDraft(input="more")),
        stage.agent.compact(),
        stage.agent.interrupt(),
    ):
        with pytest.raises(HostError) as refused:
            stage.do(verb)
        assert not isinstance(refused.value, TurnInProgress)


# Words belong to the turn that has caused them.

ends = pytest.mark.parametrize("status", ["completed", "interrupted"])


def turns_of(reports: FakeReports, text: str) -> set[int]:
    """Return the turns of the events that have a text: said, or those in which they stand."""
    number, found = 0, set[int]()
    for told in reports.told:
        number += told[0] == "turn_began"
        if told[0] == "event" and text in json.encode(told[2]).decode():
            found.add(told[2].get("turn", number))
    return found


@pytest.fixture(params=[name for name in STAGES if name != "echo"])
def program(request: pytest.FixtureRequest) -> DriverStage:
    """A stage whose agent is started and has a program, which may speak at any time."""
    stage = STAGES[request.param]()
    stage.start()
    return stage


@ends
def test_words_after_an_end_are_of_the_turn_that_has_ended(
    program: DriverStage, status: str
) -> None:
    stage = program
    stage.begin()
    stage.say("so far")
    stage.end(status)
    stage.say(", and last words")
    assert len(turns(stage.reports)) == 2
    stage.begin()
    stage.end()
    assert len(turns(stage.reports)) == 4
    assert turns_of(stage.reports, "last words") == {1}
    begun = set(items(stage.reports, "message-delta"))
    assert Counter(items(stage.reports, "message")) == Counter(begun)


@ends
def test_words_of_the_next_turn_are_its_own(program: DriverStage, status: str) -> None:
    stage = program
    stage.begin()
    stage.say("so far")
    stage.end(status)
    stage.say(", and last words")
    stage.begin()
    stage.say("an answer")
    stage.end()
    assert turns_of(stage.reports, "an answer") == {2}


@ends
def test_a_program_that_ends_after_its_turn_loses_no_words(
    program: DriverStage, status: str
) -> None:
    stage = program
    stage.begin()
    stage.end(status)
    stage.say("last words")
    stage.die(KILLED)
    whole = [data for _, data in stage.reports.events("message")]
    assert [(data["text"], data["turn"]) for data in whole] == [("last words", 1)]


# Questions.


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_a_question_is_answered_exactly_once(stage: DriverStage, decision: str) -> None:
    stage.begin()
    stage.ask()
    question = stage.question
    stage.answer(question, decision)
    assert len(stage.responses) == 1
    for again in ("approve", "deny"):
        with pytest.raises(AgentFailed, match="does not wait"):
            stage.answer(question, again)
    stage.end()
    assert len(stage.responses) == 1
    assert withdrawn(stage.reports) == []


def test_a_decision_that_is_no_choice_leaves_the_question_open(stage: DriverStage) -> None:
    stage.begin()
    stage.ask()
    with pytest.raises(BadField):
        stage.answer(stage.question, "shrug")
    assert stage.responses == []
    stage.answer(stage.question, "approve")
    assert len(stage.responses) == 1


def test_a_question_that_the_program_takes_back_is_withdrawn(stage: DriverStage) -> None:
    stage.begin()
    stage.ask()
    stage.take_back()
    stage.take_back()
    assert withdrawn(stage.reports) == [stage.question.key]
    with pytest.raises(AgentFailed, match="does not wait"):
        stage.answer(stage.question, "approve")
    assert stage.responses == []


def test_a_question_of_a_program_that_ended_has_no_answer(stage: DriverStage) -> None:
    stage.begin()
    stage.ask()
    stage.die(KILLED)
    with pytest.raises(AgentFailed):
        stage.do(stage.agent.answer(stage.question, Answer(decision="approve")))
    assert kinds(stage.reports)[-1] == "gone"
    assert stage.clock.getDelayedCalls() == []


# Lines of which the middle is lost, because they are too long.


def swell(stage: DriverStage, *texts: bytes) -> None:
    """Have a stage's program print far more after the first of these texts that it prints."""
    kinds = [CodexStage, PiStage, ClaudeStage, AcpStage]
    stage.child.swollen = texts[kinds.index(type(stage))]  # type: ignore[attr-defined,arg-type]


def test_words_in_a_line_that_is_too_long_are_kept_with_a_mark(program: DriverStage) -> None:
    program.begin()
    swell(program, *[b"so far"] * 4)
    program.say("so far")
    ((_, piece),) = program.reports.events("message-delta")
    assert piece["text"].startswith("so farxxx")
    assert "bytes are missing" in piece["text"]


def test_an_end_in_a_line_that_is_too_long_is_the_end(program: DriverStage) -> None:
    program.begin()
    swell(program, b"completed", b"stop", b"success", b"end_turn")
    program.end()
    assert [told[0] for told in turns(program.reports)] == ["turn_began", "turn_ended"]


def test_a_question_that_nobody_can_see_whole_is_refused(program: DriverStage) -> None:
    program.begin()
    swell(program, b"ls", b"Sure?", b"ls", b'"q"')
    program.ask()
    assert program.reports.questions == []
    assert len(program.responses) == 1
    assert "allow" not in json.encode(program.responses).decode()
    ((_, warning),) = program.reports.events("warning")
    assert warning["text"].startswith("The agent has asked something of 20000000 bytes")
    program.child.swollen = b""  # type: ignore[attr-defined]
    program.end()
    assert turns(program.reports)[-1][0] == "turn_ended"


# Recordings.

FILES = sorted(
    path
    for path in RECORDINGS.glob("*/*.jsonl")
    if not path.stem.startswith(("serve_http", "hook_payloads"))
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_agent_keeps_the_rules(path: Path) -> None:
    played = Played(path)
    played.play()
    check_reports(played.reports, plain=not read(path).agent.startswith("codex-acp"))


def check_reports(reports: FakeReports, *, plain: bool) -> None:
    """Check the rules of `sxhost.drivers.contracts` on all that an agent has reported."""
    wholes: dict[str, list[Any]] = {}
    for name, data in reports.events():
        json.decode(json.encode(data), type=EVENT_TYPES[name])
        if name in set(WHOLE_OF.values()):
            wholes.setdefault(data["item"], []).append(data)
    for piece, whole in WHOLE_OF.items():
        pieces: dict[str, str] = {}
        for _, data in reports.events(piece):
            pieces[data["item"]] = pieces.get(data["item"], "") + data["text"]
        for item, text in pieces.items():
            (ended,) = wholes[item]
            is_short = str(ended.get("text")).endswith("characters]")  # in the recording
            if whole != "tool-done" and plain and not is_short:
                assert ended["text"] == text
    assert all(len(ends) == 1 for ends in wholes.values())
    assert set(items(reports, "tool-start")) <= set(wholes)
    shape = [told[0] for told in turns(reports)]
    assert shape.count("gone") <= 1
    assert "gone" not in shape[:-1]
