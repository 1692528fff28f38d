"""The driver of Claude Code: recordings are played, what we write is what was written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.task import Clock

from sxhost.codec.json import encode
from sxhost.drivers.claude import make
from sxhost.drivers.claude.agent import PATIENCE_S
from sxhost.errors import AgentFailed, BadField, HostError, Unsupported
from sxhost.model.approval import Answer
from sxhost.model.turn import Launch, ModelDraft, Text
from sxhost.process.contracts import ChildExit
from sxhost.testing import is_done, result_of, started
from tests.support.agents.recorded_claude import Play, Stage, respond
from tests.support.fake_children import FakeReports, FakeSpawn

APPROVE = Answer(decision="approve")
DECISIONS = (
    APPROVE,
    Answer(decision="deny", reason="not this time"),
    Answer(decision="cancel", reason="stop it"),
)
"""What was decided when ``control`` was recorded."""

BLUE = Answer(decision="approve", answers={"q1": "Blue"})


# Recordings.


def test_hello() -> None:
    play = Play("hello").run()
    play.finish()
    assert play.reports.texts("message") == ["echo: hello there", "second answer"]
    assert play.reports.texts("thinking") == ["pondering"]
    assert "".join(play.reports.texts("message-delta")) == "echo: hello theresecond answer"
    assert play.ends == ["completed", "completed"]


def test_turns_are_named_as_we_named_their_messages() -> None:
    play = Play("hello").run()
    names = [said["uuid"] for said in play.child.said if said["type"] == "user"]
    assert [turn[1] for turn in play.turns if turn[0] == "turn_began"] == names


def test_decisions() -> None:
    play = Play("control", *DECISIONS).run()
    play.finish()
    done = [data["status"] for _, data in play.reports.events("tool-done")]
    assert done == ["completed", "declined", "declined"]
    assert play.ends == ["completed", "completed", "interrupted", "completed"]


def test_questions_are_told_in_our_words() -> None:
    play = Play("control", *DECISIONS).run()
    asked = play.reports.questions[0]
    assert (asked.kind, asked.title) == ("command", "Bash: echo hi > made.txt && cat made.txt")
    assert asked.detail["command"] == "echo hi > made.txt && cat made.txt"
    assert asked.choices == ["approve", "approve_session", "deny", "cancel"]
    assert json.loads(encode(asked.native))["request"]["subtype"] == "can_use_tool"


def test_compaction_and_a_question_to_the_user() -> None:
    play = Play("compact_and_question", BLUE).run()
    play.finish()
    assert play.ends == ["completed"] * 6
    assert [turn for turn in play.turns if turn == ("turn_began", None)] == [
        ("turn_began", None)
    ]
    assert len(play.reports.events("compact")) == 1
    [asked] = play.reports.questions
    assert (asked.kind, [i.text for i in asked.inquiries]) == ("question", ["Which color?"])


def test_what_is_interrupted_is_cut() -> None:
    play = Play("interrupt").run()
    play.finish()
    [first, second] = [data for _, data in play.reports.events("message")]
    assert (first["text"], first["cut"]) == ("chunk-1 chunk-2 chunk-3 chunk-4 ", True)
    assert "cut" not in second
    assert play.ends == ["interrupted", "completed"]


def test_an_interrupted_command_is_cut() -> None:
    play = Play("interrupt_command").run()
    play.finish()
    [(_, done)] = play.reports.events("tool-done")
    assert (done["tool"], done["status"]) == ("Bash", "cut")
    assert play.ends == ["interrupted"]


def test_what_is_added_belongs_to_its_turn() -> None:
    play = Play("steer").run()
    play.finish()
    assert [turn[0] for turn in play.turns] == ["turn_began", "turn_ended"] * 2
    assert play.reports.texts("message")[-1] == "steered in words"


def test_what_is_added_to_a_claude_that_names_no_messages_is_a_turn_of_its_own() -> None:
    play = Play("queue").run()
    assert [turn[0] for turn in play.turns] == ["turn_began", "turn_ended"] * 2
    assert play.turns[2] == ("turn_began", None)


def test_a_question_is_withdrawn_and_a_message_dropped_by_interrupting() -> None:
    play = Play("withdrawn").run()
    play.finish()
    [asked] = play.reports.questions
    assert asked.key in [told[1] for told in play.reports.told if told[0] == "settled"]
    assert play.ends == ["interrupted", "interrupted"]
    with pytest.raises(AgentFailed):
        result_of(play.agent.answer(asked, APPROVE))


def test_failures() -> None:
    play = Play("fail").run()
    ends = [turn[1:] for turn in play.turns if turn[0] == "turn_ended"]
    assert ends[0] == ("failed", "API Error: 400 told to fail")
    warnings = play.reports.texts("warning")
    assert warnings[0] == "API Error: 400 told to fail"
    assert (
        warnings[1]
        == "The model failed (500 server_error); it is asked again in 0.6 s, 1 of 10."
    )
    cut = [data for _, data in play.reports.events("message") if data.get("cut")]
    assert len(cut) == 1, "the half of an answer whose connection broke"
    assert len({data["item"] for _, data in play.reports.events("message")}) == 3


def test_a_conversation_goes_on_in_a_new_process() -> None:
    name = "df4cc0c8-21d3-4832-94bb-16ad1e650d40"
    play = Play("resume", process=1, resume=name).run()
    assert f"--resume={name}" in play.child.command.argv
    assert play.ends == ["completed"]


def test_its_name_stays() -> None:
    assert Stage(resume="a name").start().native_id == "a name"


def test_a_turn_is_finished_at_the_end_of_its_input() -> None:
    play = Play("eof_in_turn").run()
    play.die(code=0, asked=True)
    assert play.ends == ["completed"]


def test_a_command_that_claude_itself_refuses_has_failed() -> None:
    play = Play("sigterm_in_turn").run()
    [(_, done)] = play.reports.events("tool-done")
    assert done["status"] == "failed"


def test_claude_begins_turns_by_itself() -> None:
    play = Play("background").run()
    assert [turn[0] for turn in play.turns] == ["turn_began", "turn_ended"] * 2
    assert play.turns[2] == ("turn_began", None)


def test_question_of_a_subagent_outlives_the_turn_and_is_answered() -> None:
    play = Play("background_subagent", APPROVE).run()
    play.finish()
    [asked] = play.reports.questions
    assert asked.outlives_turn
    assert not [told for told in play.reports.told if told[0] == "settled"]
    assert play.child.said[-1]["response"]["response"]["behavior"] == "allow"
    assert [turn[0] for turn in play.turns] == ["turn_began", "turn_ended"] * 3
    kinds = [
        [(task["kind"], task["title"]) for task in data["tasks"]]
        for _, data in play.reports.events("background")
    ]
    assert kinds == [[("subagent", "look")], []]
    told = [told[1] if told[0] == "event" else told[0] for told in play.reports.told]
    assert told.index("background", told.index("background") + 1) > told.index(
        "turn_began", len(told) - told[::-1].index("turn_began") - 1
    )


def test_question_of_a_subagent_that_has_ended_is_withdrawn() -> None:
    stage = Stage()
    stage.start()
    name = stage.submit()
    ask = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {}, "agent_id": "s1"}
    tasks = [{"task_id": "s1", "task_type": "local_agent"}]
    changed = {"type": "system", "subtype": "background_tasks_changed"}
    stage.child.say({**changed, "tasks": tasks})
    stage.child.say({"type": "control_request", "request_id": "r", "request": ask})
    stage.child.say({"type": "result", "subtype": "success", "user_message_uuids": [name]})
    assert "settled" not in [told[0] for told in stage.reports.told]
    stage.child.say({**changed, "tasks": []})
    [key] = [told[1] for told in stage.reports.told if told[0] == "settled"]
    assert key == "r"


def test_question_of_a_subagent_in_the_turn_ends_with_it() -> None:
    stage = Stage()
    stage.start()
    name = stage.submit()
    ask = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {}, "agent_id": "s1"}
    stage.child.say({"type": "control_request", "request_id": "r", "request": ask})
    stage.child.say({"type": "result", "subtype": "success", "user_message_uuids": [name]})
    assert [told[1] for told in stage.reports.told if told[0] == "settled"] == ["r"]


def test_a_turn_of_claudes_own_does_not_end_ours() -> None:
    stage = Stage()
    stage.start()
    name = stage.submit()
    notification = {
        "type": "result",
        "subtype": "success",
        "origin": {"kind": "task-notification"},
    }
    stage.child.say(notification)
    assert stage.ends == []
    stage.child.say({"type": "result", "subtype": "success", "user_message_uuids": [name]})
    assert stage.ends == ["completed"]


def test_what_a_subagent_does_has_a_parent() -> None:
    play = Play("subagent").run()
    start, inner = [data for _, data in play.reports.events("tool-start")]
    assert "parent" not in start
    assert (inner["title"], inner["parent"]) == ("Bash: echo subby", start["item"])
    assert play.ends == ["completed"]


# Starting.


def test_the_command_line() -> None:
    stage = Stage(
        model="opus",
        effort="low",
        approval_policy="plan",
        title="-a name",
        command=["npx", "claude"],
        env={"A": "1"},
        native={"args": ["--add-dir", "/x"], "initialize": {"agents": {}}},
    )
    begun = stage.start()
    argv = list(stage.child.command.argv)
    assert argv[:3] == ["npx", "claude", "-p"]
    assert f"--session-id={begun.native_id}" in argv
    given = ["--model=opus", "--effort=low", "--name=-a name", "--permission-mode=plan"]
    assert argv[-6:] == [*given, "--add-dir", "/x"]
    assert stage.child.command.env == {"DISABLE_AUTOUPDATER": "1", "A": "1"}
    assert stage.child.said[0]["request"] == {"agents": {}, "subtype": "initialize"}
    assert begun.model == "opus"


def test_the_usual_program_and_model() -> None:
    stage = Stage()
    assert stage.start().model == "claude-opus-5-5"
    assert stage.child.command.argv[0] == "claude"
    assert stage.reports.told[0] == ("spawned", stage.child.process)


@pytest.mark.parametrize(
    "launch",
    [
        {"approval_policy": "on-request"},
        {"sandbox": "read-only"},
        {"native": {"args": "--x"}},
        {"native": {"args": [1]}},
        {"native": {"initialize": 1}},
    ],
)
def test_what_claude_cannot_be_started_with(launch: dict[str, Any]) -> None:
    with pytest.raises(HostError):
        Stage(**launch)


def test_a_conversation_that_is_not_there() -> None:
    stage = Stage(resume="00000000-0000-4000-8000-000000000000")
    stage.spawn.script = None
    work = started(stage.agent.start())
    errors = ["No conversation found"]
    stage.child.say({"type": "result", "subtype": "error_during_execution", "errors": errors})
    stage.child.die(ChildExit(code=1, stderr="No conversation found with session ID: x\n"))
    with pytest.raises(AgentFailed, match="No conversation found with session ID"):
        result_of(work)
    assert stage.turns == []
    assert stage.reports.told[-1][0] == "gone"


def test_a_claude_that_is_never_ready() -> None:
    stage = Stage()
    stage.spawn.script = None
    work = started(stage.agent.start())
    stage.clock.advance(PATIENCE_S - 1)
    assert not is_done(work)
    stage.clock.advance(1)
    with pytest.raises(AgentFailed, match="has not answered initialize within 30 s"):
        result_of(work)
    assert stage.child.ended
    assert stage.clock.getDelayedCalls() == []


def test_a_claude_that_is_not_ready_and_complains() -> None:
    stage = Stage()
    stage.spawn.script = lambda child, said: respond(child, said, "error", error="not now")
    work = started(stage.agent.start())
    with pytest.raises(AgentFailed, match="Claude refused initialize: not now"):
        result_of(work)


def test_it_cannot_be_started_without_a_program() -> None:
    def spawn(command: Any, talk: Any) -> Any:
        raise AgentFailed("There is no claude.")

    agent = make(spawn, Clock()).agent(Launch(agent="claude", cwd="/"), FakeReports())
    with pytest.raises(AgentFailed, match="no claude"):
        result_of(agent.start())
    result_of(agent.stop())


def test_the_driver_closes() -> None:
    result_of(make(FakeSpawn(), Clock()).close())


# Turns.


def test_what_a_turn_is_to_hold_from_then_on() -> None:
    stage = Stage()
    stage.start()
    stage.submit(model="sonnet", effort="high", approval_policy="manual", cwd="/work")
    requests = [said["request"] for said in stage.child.said[1:4]]
    assert requests == [
        {"subtype": "set_model", "model": "sonnet"},
        {"subtype": "apply_flag_settings", "settings": {"effortLevel": "high"}},
        {"subtype": "set_permission_mode", "mode": "default"},
    ]
    assert stage.child.said[4]["type"] == "user"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"cwd": "/elsewhere"}, Unsupported),
        ({"sandbox": "none"}, Unsupported),
        ({"approval_policy": "x"}, BadField),
    ],
)
def test_what_a_turn_cannot_change(more: dict[str, Any], error: type[HostError]) -> None:
    stage = Stage()
    stage.start()
    with pytest.raises(error):
        stage.submit(**more)
    assert len(stage.child.said) == 1


def test_a_model_that_claude_refuses() -> None:
    stage = Stage()
    stage.start()
    stage.child.script = lambda child, said: respond(
        child, said, "error", error="no such model."
    )
    with pytest.raises(AgentFailed, match="Claude refused set_model: no such model"):
        result_of(stage.agent.set_model(ModelDraft(model="x")))


def test_nothing_is_said_to_the_dead() -> None:
    stage = Stage()
    with pytest.raises(AgentFailed, match="it was not started"):
        stage.submit()
    stage.start()
    stage.child.die()
    for verb in (stage.agent.interrupt(), stage.agent.compact(), stage.agent.steer([])):
        with pytest.raises(AgentFailed, match="was killed by SIGKILL"):
            result_of(verb)
    assert stage.turns == []


def test_a_verb_that_waits_is_told_of_the_end() -> None:
    stage = Stage()
    stage.start()
    stage.child.script = None
    work = started(stage.agent.set_model(ModelDraft(model="x")))
    stage.child.die()
    with pytest.raises(AgentFailed, match="No answer to set_model"):
        result_of(work)
    assert stage.clock.getDelayedCalls() == []


def test_a_message_that_claude_drops_ends_its_turn() -> None:
    stage = Stage()
    stage.start()
    name = stage.submit()
    lifecycle = {"type": "command_lifecycle", "command_uuid": name}
    stage.child.say({**lifecycle, "state": "queued"}, {**lifecycle, "state": "refused"})
    stage.child.say({**lifecycle, "state": "cancelled"})
    assert stage.turns == [("turn_ended", "interrupted", "Claude has refused the message.")]


def test_a_turn_goes_on_until_all_that_was_added_is_answered() -> None:
    stage = Stage()
    stage.start()
    first = stage.submit()
    result_of(stage.agent.steer([Text(text="and this")]))
    second = stage.child.said[-1]["uuid"]
    stage.child.say({"type": "result", "subtype": "success", "user_message_uuids": [first]})
    assert stage.ends == []
    failed = {"type": "result", "subtype": "error_max_turns", "user_message_uuids": [second]}
    stage.child.say(failed)
    assert stage.turns[-1] == ("turn_ended", "failed", "error max turns")


# Ending.


def test_stopping_interrupts_first() -> None:
    stage = Stage()
    stage.start()
    stage.submit()
    result_of(stage.agent.stop())
    assert stage.child.said[-1]["request"] == {"subtype": "interrupt", "cancel_queued": True}
    assert stage.reports.told[-1] == ("gone", ChildExit(code=0, asked=True))
    result_of(stage.agent.stop())


def test_stopping_does_not_wait_for_a_claude_that_hangs() -> None:
    stage = Stage()
    stage.start()
    stage.submit()
    stage.child.script = None
    work = started(stage.agent.stop())
    stage.clock.advance(5)
    result_of(work)
    assert stage.child.ended


def test_an_idle_claude_is_just_ended() -> None:
    stage = Stage()
    stage.start()
    result_of(stage.agent.stop())
    assert len(stage.child.said) == 1


# Rubbish.

RUBBISH = [
    b"",
    b"   ",
    b"not json",
    b"[]",
    b"7",
    b"null",
    b"{}",
    b'{"type": 7}',
    b'{"type": "system", "subtype": \xff}',
    b"[" * 100_000,
    b'{"type": "' + b"x" * 2_000_000,
]

STRANGE = [
    {"type": "surprise", "x": 1},
    {"type": "system", "subtype": "surprise"},
    {"type": "system", "subtype": 7},
    {"type": "assistant", "message": "?"},
    {"type": "assistant", "message": {"content": [{"type": "surprise"}]}},
    {"type": "assistant", "message": {"content": "words"}},
    {"type": "user", "message": {"content": [7]}},
    {"type": "rate_limit_event", "rate_limit_info": {"status": "allowed"}},
    {"type": "control_cancel_request"},
    {"type": "command_lifecycle"},
    {"type": "stream_event", "event": 7},
]


def test_rubbish_is_passed_over() -> None:
    stage = Stage()
    stage.start()
    stage.child.say(*RUBBISH, *RUBBISH, *RUBBISH)
    assert stage.reports.events() == []
    stage.submit()


def test_what_is_strange_is_told_as_it_is() -> None:
    stage = Stage()
    stage.start()
    began = len(stage.reports.told)
    stage.child.say(*STRANGE)
    natives = [data["native"] for _, data in stage.reports.events("native")]
    assert [native for native in natives if native in STRANGE] == natives
    assert len(natives) == len(STRANGE)
    events = [told for told in stage.reports.told[began:] if told[0] == "event"]
    assert len(events) == len(STRANGE)


def test_a_result_of_nothing_is_told_as_it_is() -> None:
    stage = Stage()
    stage.start()
    stage.child.say({"type": "result", "subtype": "success"})
    assert [name for name, _ in stage.reports.events()] == ["native"]
    assert stage.turns == []


def test_pieces_of_no_known_kind_are_passed_over() -> None:
    stage = Stage()
    stage.start()
    for event in ({"type": "ping"}, {"type": "content_block_delta", "delta": {"type": "?"}}):
        stage.child.say({"type": "stream_event", "event": event})
    stage.child.say({"type": "control_cancel_request", "request_id": "nobody's"})
    respond(stage.child, {"request_id": "nobody's"})
    assert stage.reports.events() == []


def test_a_result_of_another_shape_still_ends_the_turn() -> None:
    stage = Stage()
    stage.start()
    stage.submit()
    stage.child.say({"type": "result", "subtype": "success", "is_error": False, "errors": 7})
    assert stage.ends == ["completed"]


def test_a_huge_line_is_heard() -> None:
    stage = Stage()
    stage.start()
    block = {"type": "text", "text": "x" * 3_000_000}
    stage.child.say({"type": "assistant", "message": {"id": "m", "content": [block]}})
    assert stage.reports.texts("message") == [block["text"]]


@pytest.mark.parametrize("subtype", ["hook_callback", "mcp_message", "surprise"])
def test_what_we_are_asked_and_do_not_know_is_refused(subtype: str) -> None:
    stage = Stage()
    stage.start()
    stage.child.script = None
    request = {"type": "control_request", "request_id": "7", "request": {"subtype": subtype}}
    stage.child.say(request)
    assert stage.child.said[-1]["response"] == {
        "subtype": "error",
        "request_id": "7",
        "error": f"This host does not answer {subtype}.",
    }


def test_what_we_are_asked_in_another_shape_is_refused() -> None:
    stage = Stage()
    stage.start()
    stage.child.script = None
    stage.child.say({"type": "control_request", "request_id": "7", "request": {"subtype": 7}})
    assert stage.child.said[-1]["response"]["subtype"] == "error"
