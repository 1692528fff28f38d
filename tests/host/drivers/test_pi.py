"""The driver for pi: recordings of three versions, and what they do not have."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.drivers.pi import make
from sxhost.drivers.pi.agent import TAKE_S
from sxhost.errors import AgentFailed, CommandRefused, NoTurn, TurnInProgress, Unsupported
from sxhost.model.approval import Answer
from sxhost.model.turn import Launch, ModelDraft, Process, Text, TurnDraft
from sxhost.process.contracts import ChildExit
from sxhost.testing import is_done, result_of, started
from tests.support.agents.recorded_pi import LINES, OLD, STATE, Pi, Player, plain, tapes
from tests.support.fake_children import FakeReports, FakeSpawn

CONFIRM = {"type": "extension_ui_request", "id": "d1", "method": "confirm", "title": "Sure?"}

every_line = pytest.mark.parametrize("line", LINES)


# Recordings.


@every_line
def test_hello(line: str) -> None:
    player = Player(line, "hello").play()
    reports = player.reports
    assert player.ended() == [("completed", ""), ("completed", "")]
    assert reports.texts("message") == ["echo: hello there", "second answer"]
    assert reports.texts("thinking") == ["pondering"]
    assert "".join(reports.texts("message-delta")) == "".join(reports.texts("message"))
    assert reports.told[0] == ("spawned", Process(1000, 1))
    usage = reports.events("usage")[-1][1]
    assert (usage["output_tokens"], usage["cached_tokens"]) == (37, 1000)
    assert usage["context_window"] == 100000


@every_line
def test_a_tool(line: str) -> None:
    player = Player(line, "tool").play()
    start, _ = player.reports.events("tool-start")
    assert start[1]["title"].startswith("for i in 1 2 3; do echo line $i;")
    assert start[1]["input"] == {"command": start[1]["title"]}
    assert player.reports.texts("tool-output") == ["line 1\n", "line 2\n", "line 3\n"]
    done, failed = (data for _, data in player.reports.events("tool-done"))
    assert (done["status"], done["exit_code"]) == ("completed", 0)
    assert done["output"] == "line 1\nline 2\nline 3\n"
    assert (failed["status"], failed["exit_code"]) == ("failed", 3)
    assert player.ended() == [("completed", ""), ("completed", "")]


@every_line
def test_steering(line: str) -> None:
    player = Player(line, "steer").play()
    texts = [text.split()[0] for text in player.reports.texts("message")]
    assert texts == ["chunk-1", "steered", "chunk-1", "queued", "follow"]
    assert player.ended() == [("completed", "")] * 2
    assert "already processing" in player.error("r4").message


@every_line
def test_interrupting(line: str) -> None:
    player = Player(line, "abort").play()
    assert [status for status, _ in player.ended()] == ["interrupted"] * 2 + ["completed"]
    assert player.reports.texts("message")[0] == "chunk-1 chunk-2 chunk-3 chunk-4 "
    assert player.reports.events("tool-done")[0][1]["status"] == "cut"
    assert not player.open


@every_line
def test_commands_of_pis_own(line: str) -> None:
    player = Player(line, "bash").play()
    told = plain(player.results["r1"])
    assert told["output"] == "direct\n0\n"
    assert plain(player.results["r4"]) == {"text": "echo: after the direct command"}
    assert player.ended() == [("completed", "")]


@every_line
def test_compacting(line: str) -> None:
    player = Player(line, "compact").play()
    ((_, compact),) = player.reports.events("compact")
    assert compact["tokens_before"] > 40000
    assert [told[0] for told in player.reports.told].count("turn_began") == 6
    assert player.ended() == [("completed", "")] * 6


@every_line
def test_failures(line: str) -> None:
    player = Player(line, "fail").play()
    first, refused, failed, dropped = player.ended()
    assert first == ("completed", "")
    assert (refused[0], failed[0]) == ("failed", "failed")
    assert "told to fail" in refused[1]
    assert dropped[0] == ("completed" if line == OLD else "failed")
    warnings = player.reports.texts("warning")
    assert [text.rpartition(": ")[2] for text in warnings] == (
        [] if line == OLD else ["attempt 1 of 3 in 2 s"]
    )


@every_line
def test_dialogs(line: str) -> None:
    player = Player(line, "extension_confirm").play()
    question = player.reports.questions[0]
    assert (question.kind, question.title) == ("dialog", "Allow this command?")
    assert question.choices == ["approve", "deny"]
    assert question.detail == {"message": "echo guarded"}
    assert [s for s, _ in player.ended()] == ["completed", "completed", "interrupted"]
    settled = [told for told in player.reports.told if told[0] == "settled"]
    assert settled == [("settled", player.reports.questions[2].key, "the turn was interrupted")]


@every_line
def test_models(line: str) -> None:
    player = Player(line, "models").play()
    assert player.error("r8").message == "pi refused set_model: Model not found: no/such."
    refusal = player.error("r11")
    assert isinstance(refusal, CommandRefused)
    assert refusal.reason == "Unknown command: nonsense"
    assert player.ended() == [("completed", "")] * 3


@every_line
def test_resuming(line: str) -> None:
    for which in range(len(list(tapes(line, "resume")))):
        player = Player(line, "resume", which).play()
        assert not player.open
    assert [s for s, _ in Player(line, "resume", 1).play().ended()] == ["completed"]


@every_line
@pytest.mark.parametrize("scenario", ["hello", "tool", "steer", "fail"])
def test_pis_own_words_are_kept_once_and_small(line: str, scenario: str) -> None:
    player = Player(line, scenario).play()
    natives = [d["native"] for _, d in player.reports.events() if "native" in d]
    kinds = [native["type"] for native in natives if native["type"] != "message_update"]
    heard = [e["msg"]["type"] for e in player.tape if e["dir"] == "in"]
    dull = {"response", "message_update", "tool_execution_update"}
    assert kinds == [kind for kind in heard if kind not in dull]
    assert not [n for n in natives if "partial" in n.get("assistantMessageEvent", ())]
    assert not [n for n in natives if n["type"] == "message_update" and "message" in n]


# Its life.


def test_starting() -> None:
    host = Pi(Launch(agent="pi", cwd="/w", model="m", provider="p", effort="low"))
    begun = host.start()
    assert (begun.native_id, begun.model, begun.provider) == (
        "/s/1.jsonl",
        "fake-model",
        "fake",
    )
    assert plain(begun.native)["sessionId"] == "s1"
    command = host.child.command
    assert command.cwd == "/w"
    expected = "pi --mode rpc --provider p --model m --thinking low"
    assert list(command.argv) == expected.split()


def test_a_title_is_given_to_the_session() -> None:
    host = Pi(Launch(agent="pi", cwd="/w", title="Mine"))
    host.start()
    assert host.said == [{"id": "r2", "type": "set_session_name", "name": "Mine"}]


def test_one_that_ends_at_once_cannot_be_started() -> None:
    host = Pi()
    host.mute.add("get_state")
    work = started(host.agent.start())
    host.child.die(ChildExit(code=1, stderr="first\nno such provider\n"))
    with pytest.raises(AgentFailed, match="ended with code 1: no such provider"):
        result_of(work)
    assert host.reports.told[-1][0] == "gone"


def test_one_that_says_nothing_is_ended() -> None:
    host = Pi()
    host.mute.add("get_state")
    work = started(host.agent.start())
    host.clock.advance(30)
    with pytest.raises(AgentFailed, match="has not answered get_state within 30 s"):
        result_of(work)
    assert host.child.ended


def test_one_whose_state_makes_no_sense_is_ended() -> None:
    host = Pi()
    host.state = {"sessionId": 7}
    with pytest.raises(AgentFailed, match="answer to get_state is wrong"):
        host.start()
    assert host.child.ended


def test_what_pi_does_not_have_is_refused_early() -> None:
    driver = make(FakeSpawn(), Pi().clock)
    with pytest.raises(Unsupported, match="pi has no sandbox"):
        driver.agent(Launch(agent="pi", sandbox="read-only"), FakeReports())
    result_of(driver.close())


def test_stopping() -> None:
    host = Pi()
    host.start()
    host.mute.clear()
    result_of(host.agent.stop())
    assert host.said == []
    assert host.reports.told[-1] == ("gone", ChildExit(code=0, asked=True))


def test_stopping_in_a_turn_interrupts_it_first() -> None:
    host = Pi()
    host.start()
    host.submit()
    work = started(host.agent.stop())
    assert host.said[-1]["type"] == "abort"
    assert not host.child.ended
    host.clock.advance(5)
    result_of(work)
    assert host.child.ended


def test_stopping_what_dies_meanwhile() -> None:
    host = Pi()
    host.start()
    host.submit()
    work = started(host.agent.stop())
    host.child.die()
    result_of(work)
    assert host.reports.told[-1] == ("gone", ChildExit(signal="SIGKILL"))


def test_one_that_was_never_started_is_stopped() -> None:
    result_of(Pi().agent.stop())


# Turns.


def test_a_turn_begins_and_ends() -> None:
    host = Pi()
    host.start()
    host.submit("do it")
    assert host.said[-1] == {"id": "r2", "type": "prompt", "message": "do it"}
    host.end()
    assert [told[0] for told in host.reports.told if told[0] != "event"] == [
        "spawned",
        "turn_began",
        "turn_ended",
    ]


def test_a_second_turn_has_to_wait() -> None:
    host = Pi()
    host.start()
    host.submit()
    for work in (host.agent.submit(TurnDraft(input="more")), host.agent.compact()):
        with pytest.raises(TurnInProgress):
            result_of(work)
    assert len(host.said) == 1


def test_a_turn_that_pi_refuses() -> None:
    host = Pi()
    host.start()
    for error, kind in (
        ("No API key.", CommandRefused),
        ("already processing", TurnInProgress),
    ):
        work = started(host.agent.submit(TurnDraft(input="x")))
        host.reply("prompt", error=error)
        with pytest.raises(kind):
            result_of(work)
    assert host.ended() == []
    host.submit()


def test_a_turn_that_pi_never_takes() -> None:
    host = Pi()
    host.start()
    work = started(host.agent.submit(TurnDraft(input="x")))
    host.clock.advance(TAKE_S)
    with pytest.raises(AgentFailed, match="not taken"):
        result_of(work)
    host.reply("prompt")
    assert host.ended() == []
    host.submit()


def test_a_turn_whose_agent_goes() -> None:
    host = Pi()
    host.start()
    work = started(host.agent.submit(TurnDraft(input="x")))
    host.child.die()
    with pytest.raises(AgentFailed, match="killed by SIGKILL"):
        result_of(work)
    with pytest.raises(AgentFailed, match="nobody to ask"):
        result_of(host.agent.submit(TurnDraft(input="x")))


def test_a_turn_with_another_model_and_effort() -> None:
    host = Pi()
    host.start()
    host.answers["get_available_models"] = {"models": [{"id": "b", "provider": "p"}]}
    work = started(host.agent.submit(TurnDraft(input="x", model="b", effort="high")))
    host.reply("prompt")
    result_of(work)
    sent = [{k: v for k, v in m.items() if k != "id"} for m in host.said]
    assert sent == [
        {"type": "get_available_models"},
        {"type": "set_model", "provider": "p", "modelId": "b"},
        {"type": "set_thinking_level", "level": "high"},
        {"type": "prompt", "message": "x"},
    ]


def test_a_turn_somewhere_else_is_refused() -> None:
    host = Pi()
    host.start()
    with pytest.raises(Unsupported, match="cannot change its directory"):
        result_of(host.agent.submit(TurnDraft(input="x", cwd="/elsewhere")))


def test_what_an_extension_deals_with_begins_nothing() -> None:
    host = Pi()
    host.start()
    work = started(host.agent.submit(TurnDraft(input="/quick")))
    host.reply("prompt", {"disposition": "handled"})
    result_of(work)
    assert host.ended() == [("completed", "")]


def test_old_pi_does_not_say_what_an_extension_dealt_with() -> None:
    host = Pi()
    host.start()
    work = started(host.agent.submit(TurnDraft(input="/quick")))
    host.reply("prompt")
    result_of(work)
    assert host.ended() == []
    host.clock.advance(1)
    assert host.ended() == [("completed", "")]


def test_a_command_that_asks_lets_the_turn_be_known() -> None:
    host = Pi()
    host.start()
    work = started(host.agent.submit(TurnDraft(input="/ask")))
    host.say(CONFIRM)
    assert is_done(work)
    result_of(host.agent.answer(host.reports.questions[0], Answer(decision="approve")))
    host.reply("prompt")
    host.clock.advance(1)
    assert host.ended() == [("completed", "")]


def test_a_compaction_before_a_prompt_belongs_to_its_turn() -> None:
    host = Pi()
    host.start()
    work = started(host.agent.submit(TurnDraft(input="x")))
    host.say({"type": "compaction_start", "reason": "threshold"})
    assert is_done(work)
    host.say({"type": "compaction_end", "reason": "threshold", "result": {}})
    host.clock.pump([1, 1, 1])
    assert host.ended() == []
    host.reply("prompt", error="the key has expired")
    assert host.ended() == [("failed", "pi refused prompt: the key has expired.")]


def test_what_nobody_submitted_is_a_turn_as_well() -> None:
    host = Pi()
    host.start()
    host.say({"type": "agent_start"})
    host.end()
    assert host.ended() == [("completed", "")]


def test_steering_needs_a_turn() -> None:
    host = Pi()
    host.start()
    with pytest.raises(NoTurn):
        result_of(host.agent.steer([Text(text="left")]))
    with pytest.raises(NoTurn):
        result_of(host.agent.interrupt())


def test_steering_that_comes_too_late_is_told() -> None:
    host = Pi()
    host.start()
    host.submit()
    work = started(host.agent.steer([Text(text="left")]))
    host.end()
    host.reply("steer")
    result_of(work)
    assert "the next" in host.reports.texts("warning")[0]


def test_an_interruption_before_the_prompt_is_taken_is_repeated() -> None:
    host = Pi()
    host.start()
    work = started(host.agent.submit(TurnDraft(input="x")))
    cut = started(host.agent.interrupt())
    host.reply("abort")
    result_of(cut)
    host.reply("prompt")
    result_of(work)
    assert [m["type"] for m in host.said] == ["prompt", "abort", "abort"]
    host.say({"type": "agent_start"})
    host.end("aborted")
    assert host.ended() == [("interrupted", "")]


def test_what_asks_while_it_is_interrupted_is_cancelled() -> None:
    host = Pi()
    host.start()
    host.submit()
    started(host.agent.interrupt())
    host.say(CONFIRM)
    assert host.reports.questions == []
    assert host.said[-1] == {"type": "extension_ui_response", "id": "d1", "cancelled": True}


def test_an_abort_when_nothing_runs_harms_no_later_turn() -> None:
    host = Pi()
    host.start()
    work = started(host.pi.native_command("abort", {}))
    host.reply("abort")
    assert plain(result_of(work).result) is None
    host.submit()
    assert [m["type"] for m in host.said] == ["abort", "prompt"]


def test_a_compaction_that_is_refused() -> None:
    host = Pi()
    host.start()
    work = started(host.agent.compact())
    error = "Compaction failed: Already compacted"
    host.say({"type": "compaction_start", "reason": "manual"})
    host.say({"type": "compaction_end", "reason": "manual", "errorMessage": error})
    host.reply("compact", error="Already compacted")
    with pytest.raises(CommandRefused, match="Already compacted"):
        result_of(work)
    assert host.ended() == [("failed", error)]


def test_a_compaction_takes_its_time() -> None:
    host = Pi()
    host.start()
    work = started(host.agent.compact())
    host.say({"type": "compaction_start", "reason": "manual"})
    host.clock.advance(1)
    result_of(work)
    host.say({"type": "compaction_end", "reason": "manual", "result": {}})
    host.reply("compact", {})
    assert host.ended() == [("completed", "")]


# Questions and commands.


def test_an_answer_in_pis_own_words() -> None:
    host = Pi()
    host.start()
    host.say(CONFIRM)
    fields = {"id": "d1", "confirmed": True}
    answer = result_of(host.pi.native_command("extension_ui_response", fields))
    assert plain(answer.result) is None
    assert host.said == [{"type": "extension_ui_response", "id": "d1", "confirmed": True}]
    assert host.reports.told[-1][:2] == ("settled", "d1")


def test_another_session_is_told() -> None:
    host = Pi()
    host.start()
    host.state = {**STATE, "sessionFile": "/s/2.jsonl", "sessionId": "s2"}
    answer = result_of(host.pi.native_command("new_session", {}))
    assert (answer.native_id, answer.model, answer.effort) == ("/s/2.jsonl", None, None)
    native = host.reports.events("native")[-1][1]["native"]
    assert native["type"] == "session_changed"
    assert native["state"]["sessionId"] == "s2"


def test_a_model_is_set_where_it_is_another() -> None:
    host = Pi()
    host.start()
    result_of(host.agent.set_model(ModelDraft(model="fake-model", effort="medium")))
    assert host.said == []
    result_of(host.agent.set_model(ModelDraft(model="x", provider="y")))
    assert host.said[-1]["type"] == "set_model"


# Noise.


@pytest.mark.parametrize(
    "noise",
    [
        b"(node:1) Warning: something",
        b"\xff\xfe",
        b"[]",
        b'{"type":7}',
        b"",
        {"type": "response", "command": "parse", "success": False, "error": "no JSON"},
        {"id": "r99", "type": "response", "command": "prompt", "success": True},
        {"type": "agent_end", "messages": 7},
        {"type": "tool_execution_update", "toolCallId": 7},
        {"type": "extension_ui_request", "id": 7},
        {"type": "something_new", "x": 1},
    ],
)
def test_noise_harms_nothing(noise: Any) -> None:
    host = Pi()
    host.start()
    host.submit()
    host.say(noise)
    host.end()
    assert host.ended() == [("completed", "")]


def test_line_separators_are_data() -> None:
    host = Pi()
    host.start()
    host.submit()
    update = {"type": "text_delta", "contentIndex": 0, "delta": "a\u2028b\u2029c"}
    host.say({"type": "message_update", "assistantMessageEvent": update})
    assert host.reports.texts("message-delta") == ["a\u2028b\u2029c"]
