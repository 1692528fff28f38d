"""The ACP driver: transcripts of real agents, and what agents might do beside."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from sxhost.codec.json import encode
from sxhost.drivers.acp import make
from sxhost.drivers.acp.agent import EMPTY_TURN, LAST_WORDS_S, REPLAY_CHECKS, REPLAY_QUIET_S
from sxhost.drivers.acp.connection import CALL_S, STOP_S
from sxhost.errors import AgentFailed, BadField, TurnInProgress, Unsupported
from sxhost.model.approval import Answer
from sxhost.model.turn import File, Item, Launch, ModelDraft, Text, TurnDraft
from sxhost.process.contracts import ChildExit
from sxhost.testing import is_done, result_of, started
from tests.support.agents.fake_acp import HELLO, FakeAcp, rpc, update, words
from tests.support.agents.recorded_acp import CWD, Play, Record, recorded
from tests.support.fake_children import FakeReports, FakeSpawn

OPENCODE = "opencode-1.18.33"
GEMINI = "gemini-0.61.0"
PI = "pi-acp-0.0.34"
CLAUDE = "claude-agent-acp-0.100.0"
CODEX = "codex-acp-2.6.0"
AGENTS = [OPENCODE, GEMINI, PI, CLAUDE, CODEX]
ASKING = [OPENCODE, GEMINI, CLAUDE]

DONE = ("completed", "")
CUT = ("interrupted", "")


def played(agent: str, scenario: str) -> Play:
    return Play(recorded(agent, scenario)[0]).play()


def messages(play: Play) -> list[str]:
    """What was said, but for codex-acp's warning that a model is strange to it."""
    return [text for text in play.reports.texts("message") if not text.startswith("Warning:")]


# Transcripts.


@pytest.mark.parametrize("agent", AGENTS)
def test_hello(agent: str) -> None:
    play = played(agent, "hello")
    assert play.turns == [DONE, DONE]
    assert messages(play) == ["echo: hello there", "second answer"]
    assert play.reports.texts("thinking")[-1].strip("*\n") == "pondering"
    deltas = "".join(play.reports.texts("message-delta"))
    assert deltas == "".join(play.reports.texts("message"))
    assert play.begun.model


@pytest.mark.parametrize("agent", AGENTS)
def test_usage_is_that_of_the_conversation(agent: str) -> None:
    usage = played(agent, "hello").reports.events("usage")[-1][1]
    if agent != PI:
        assert usage["output_tokens"] == 37
    if agent != GEMINI:
        assert usage["total_tokens"] in {1200, 1234, 2234}
        assert usage["context_window"] > 0


@pytest.mark.parametrize("agent", ASKING)
def test_leave_given_and_refused(agent: str) -> None:
    records = recorded(agent, "permission")[0]
    if agent == CLAUDE:  # its recorder answered the third question with `cancelled`
        records = before_prompt(records, 3)
    play = Play(records).play()
    statuses = [tool["status"] for tool in play.tools()]
    assert statuses[:2] == ["completed", "declined"]
    first, second = play.reports.questions[:2]
    assert (first.kind, first.detail["tool"]) == ("command", "execute")
    assert first.title == "touch permitted-allow.txt; id -u"
    assert second.title == "touch permitted-rejec.txt; id -u"
    if agent == GEMINI:  # it tells of its commands by their titles only
        assert "command" not in first.detail
    else:
        assert (first.detail["command"], second.detail["command"]) == (
            first.title,
            second.title,
        )
    offered = ["approve", "deny", "cancel"]
    assert first.choices == (
        offered if agent == CLAUDE else ["approve", "approve_session", *offered[1:]]
    )
    assert {status for status, _ in play.turns} == {"completed"}


def before_prompt(records: list[Record], number: int) -> list[Record]:
    """Return what came before a prompt, counted from 1."""
    prompts = [i for i, r in enumerate(records) if r["msg"].get("method") == "session/prompt"]
    return records[: prompts[number - 1]]


@pytest.mark.parametrize("agent", [PI, CODEX])
def test_tools_that_need_no_leave(agent: str) -> None:
    play = played(agent, "permission")
    assert not play.reports.questions
    assert {(tool["status"], tool["exit_code"]) for tool in play.tools()} == {("completed", 0)}
    assert all(tool["output"].endswith("0\n") for tool in play.tools())
    assert "".join(play.reports.texts("tool-output")) == "".join(
        tool["output"] for tool in play.tools()
    )


def test_output_is_told_as_it_comes_and_once() -> None:
    play = played(OPENCODE, "permission")
    assert play.reports.texts("tool-output") == ["0\n"] * 3
    assert [tool["exit_code"] for tool in play.tools()] == [0, None, 0, 0]


def test_the_outdated_adapter_of_claude() -> None:
    play = played("claude-code-acp-0.16.2", "permission")
    statuses = [status for status, _ in play.turns]
    assert statuses == ["completed", "failed", "completed", "completed"]
    assert [tool["status"] for tool in play.tools()] == [
        "completed", "declined", "completed", "completed",
    ]  # fmt: skip


@pytest.mark.parametrize("agent", ASKING)
def test_an_interrupt_withdraws_a_question(agent: str) -> None:
    play = played(agent, "permission_cancel")
    key = play.reports.questions[0].key
    assert ("settled", key, "the turn was interrupted") in play.reports.told
    assert play.turns == [CUT, DONE]
    assert [tool["status"] for tool in play.tools()] == ["cut"]
    assert messages(play) == ["echo: still there?"]


@pytest.mark.parametrize("agent", AGENTS)
def test_an_interrupt_cuts_words_and_commands(agent: str) -> None:
    play = played(agent, "cancel")
    assert play.turns == [CUT, CUT, DONE]
    assert [tool["status"] for tool in play.tools()] == ["cut"]
    assert messages(play)[0].startswith("chunk-1 ")
    assert messages(play)[-1] == "echo: still there?"


@pytest.mark.parametrize("agent", [OPENCODE, GEMINI])
def test_a_failure_of_the_model(agent: str) -> None:
    play = played(agent, "fail")
    assert [status for status, _ in play.turns] == [
        "failed",
        "failed",
        "completed",
        "completed",
    ]
    assert play.turns[0][1].endswith("told to fail")


@pytest.mark.parametrize("agent", [OPENCODE, PI, CLAUDE, CODEX])
def test_a_killed_agent_and_its_conversation_in_a_new_process(agent: str) -> None:
    first, second = recorded(agent, "load")
    killed = Play(first).play()
    killed.child.die(ChildExit(signal="SIGKILL"))
    assert "failed" not in [status for status, _ in killed.turns], "the host tells of it"
    assert killed.reports.told[-1] == ("gone", ChildExit(signal="SIGKILL"))
    again = Play(second, resume=killed.begun.native_id).play()
    assert again.begun.native_id == killed.begun.native_id
    assert messages(again) == ["echo: and now?"]
    assert again.turns == [DONE]


def test_a_replay_that_goes_on_after_the_answer() -> None:
    first, second = recorded(GEMINI, "load_after_close")
    begun = Play(first).play().begun
    prompt = next(r for r in second if r["msg"].get("method") == "session/prompt")
    second.remove(prompt)
    kinds = [r["msg"].get("params", {}).get("update", {}).get("sessionUpdate") for r in second]
    second.insert(kinds.index("available_commands_update") + 1, prompt)
    play = Play(second, resume=begun.native_id).play()
    assert messages(play)[0] == "echo: and now?"
    assert not play.tools()
    assert play.turns[0] == DONE


# An agent that is made up.


@pytest.fixture
def fake() -> FakeAcp:
    """An agent that is ready."""
    fake = FakeAcp()
    fake.start()
    return fake


# Beginning.


def test_a_command_is_needed() -> None:
    with pytest.raises(BadField, match="needs its command") as refused:
        make(FakeSpawn(), Clock()).agent(Launch(agent="acp", cwd=CWD), FakeReports())
    assert refused.value.details == {"field": "command"}


def test_a_sandbox_cannot_be_promised() -> None:
    with pytest.raises(BadField, match="no sandbox"):
        FakeAcp(sandbox="read-only")


def test_what_an_agent_is_started_with() -> None:
    servers = [{"name": "docs", "command": "docs"}]
    native = {"mcpServers": servers, "cwd": "/elsewhere", "authenticate": "key"}
    fake = FakeAcp({"authenticate": {}}, native=native, env={"A": "b"})
    begun = fake.start()
    assert (begun.native_id, begun.model) == ("s1", "small")
    assert (fake.child.command.argv, fake.child.command.env) == (["fake", "--acp"], {"A": "b"})
    assert fake.child.said[0]["params"]["clientCapabilities"]["fs"]["readTextFile"] is False
    assert fake.said("authenticate") == [{"methodId": "key"}]
    assert fake.said("session/new") == [{"mcpServers": servers, "cwd": CWD}]
    assert fake.reports.told == [("spawned", fake.child.process)]
    assert all(message["jsonrpc"] == "2.0" for message in fake.child.said)


def test_settings_of_a_launch() -> None:
    done: dict[str, Any] = {"session/set_model": {}, "session/set_mode": None}
    fake = FakeAcp(done, model="big", approval_policy="yolo")
    fake.start()
    assert fake.said("session/set_model") == [{"sessionId": "s1", "modelId": "big"}]
    assert fake.said("session/set_mode") == [{"sessionId": "s1", "modeId": "yolo"}]


@pytest.mark.parametrize(
    ("answers", "launch", "why"),
    [
        ({"initialize": {"protocolVersion": 2}}, {}, "speaks ACP 2"),
        ({"initialize": [1]}, {}, "answer to initialize is wrong"),
        ({"initialize": {"code": -1, "message": "no."}}, {}, "refused initialize: no."),
        ({}, {"approval_policy": "strict"}, "no mode 'strict'; it has: ask, yolo"),
        ({}, {"effort": "high"}, "no setting for the effort"),
        ({"initialize": {}}, {"resume": "s0"}, "cannot resume"),
        (
            {"session/load": {"code": -32602, "message": "Bad", "data": "Unknown: s0"}},
            {"resume": "s0"},
            "Fake refused session/load: Bad: Unknown: s0.",
        ),
    ],
)
def test_a_start_that_fails(answers: Any, launch: Any, why: str) -> None:
    fake = FakeAcp(answers, **launch)
    with pytest.raises(AgentFailed, match=why):
        fake.start()
    assert fake.child.ended
    assert fake.reports.told[-1] == ("gone", ChildExit(code=0, asked=True))


def test_a_login_that_is_wanted() -> None:
    hello = {**HELLO, "authMethods": [{"id": "x", "description": "Run `fake login`"}]}
    refusal = {"code": -32000, "message": "Authentication required"}
    with pytest.raises(AgentFailed, match=r"wants a login first .* Run `fake login`"):
        FakeAcp({"initialize": hello, "session/new": refusal}).start()


def test_an_agent_that_says_nothing() -> None:
    fake = FakeAcp()
    del fake.answers["session/new"]
    start = started(fake.agent.start())
    fake.clock.advance(CALL_S)
    with pytest.raises(AgentFailed, match="has not answered session/new within 60 s"):
        result_of(start)
    assert fake.child.ended


def test_a_start_that_nobody_waits_for_any_more() -> None:
    fake = FakeAcp()
    del fake.answers["session/new"]
    start = started(fake.agent.start())
    start.cancel()
    with pytest.raises(CancelledError):
        result_of(start)
    assert fake.child.ended


def test_an_agent_that_goes_at_once() -> None:
    fake = FakeAcp({"initialize": None})
    del fake.answers["initialize"]
    start = started(fake.agent.start())
    fake.child.die(ChildExit(code=127, stderr="fake: not logged in"))
    with pytest.raises(AgentFailed, match="ended with code 127: fake: not logged in"):
        result_of(start)


def test_resuming_without_a_replay() -> None:
    can = {"sessionCapabilities": {"resume": {}}, "loadSession": True}
    fake = FakeAcp(
        {"initialize": {"agentCapabilities": can}, "session/resume": {}}, resume="s1"
    )
    assert fake.start().native_id == "s1"
    assert fake.said("session/resume") == [{"mcpServers": [], "cwd": CWD, "sessionId": "s1"}]


def test_the_past_is_passed_over_until_it_is_quiet() -> None:
    fake = FakeAcp({"session/load": None}, resume="s1")
    start = started(fake.agent.start())
    for _ in range(3):
        fake.update("agent_message_chunk", content=words("past"))
        fake.clock.advance(REPLAY_QUIET_S)
        assert not is_done(start)
    fake.update("usage_update", used=5, size=10)
    fake.clock.advance(REPLAY_QUIET_S)
    assert result_of(start).native_id == "s1"
    fake.update("tool_call", toolCallId="late")
    fake.submit()
    fake.update("agent_message_chunk", content=words("present"))
    fake.end()
    assert fake.reports.texts("message") == ["present"]
    assert [name for name, _ in fake.reports.events("tool-start", "usage")] == ["usage"]


def test_an_agent_that_never_becomes_quiet() -> None:
    fake = FakeAcp({"session/load": None}, resume="s1")
    start = started(fake.agent.start())
    for _ in range(REPLAY_CHECKS):
        assert not is_done(start)
        fake.update("agent_message_chunk", content=words("past"))
        fake.clock.advance(REPLAY_QUIET_S)
    assert result_of(start).native_id == "s1"


def test_an_agent_that_goes_while_it_replays() -> None:
    fake = FakeAcp({"session/load": None}, resume="s1")
    start = started(fake.agent.start())
    fake.child.die()
    fake.clock.advance(REPLAY_QUIET_S)
    with pytest.raises(AgentFailed, match="SIGKILL"):
        result_of(start)


# Turns.


def test_a_turn(fake: FakeAcp) -> None:
    items: list[Item] = [Text(text="look"), File(path="/a b.txt")]
    result_of(fake.agent.submit(TurnDraft(input=items, native={"_meta": {"x": 1}})))
    assert fake.said("session/prompt") == [
        {
            "sessionId": "s1",
            "_meta": {"x": 1},
            "prompt": [
                words("look"),
                {
                    "type": "resource_link",
                    "uri": "file:///a%20b.txt",
                    "name": "a b.txt",
                    "mimeType": "text/plain",
                },
            ],
        }
    ]
    assert fake.reports.told[-1] == ("turn_began", None)


@pytest.mark.parametrize(
    ("reason", "ended"),
    [
        ("end_turn", DONE),
        ("max_tokens", ("completed", "max_tokens")),
        ("refusal", ("completed", "refusal")),
        ("cancelled", CUT),
        ("_own", ("completed", "_own")),
    ],
)
def test_the_end_of_a_turn(fake: FakeAcp, reason: str, ended: tuple[str, str]) -> None:
    fake.submit()
    fake.update("agent_message_chunk", content=words("so"))
    fake.end(reason)
    assert fake.turns == [ended]


def test_a_turn_in_which_nothing_happens(fake: FakeAcp) -> None:
    fake.submit()
    fake.update("usage_update", used=1, size=2)
    fake.end()
    assert fake.reports.texts("warning") == [EMPTY_TURN]


def test_an_error_after_an_interrupt_is_an_interrupt(fake: FakeAcp) -> None:
    fake.submit()
    result_of(fake.agent.interrupt())
    fake.child.say(rpc(3, error={"code": -32603, "message": "aborted"}))
    fake.clock.advance(LAST_WORDS_S)
    assert fake.turns == [("interrupted", "aborted")]


def test_only_one_turn_at_a_time(fake: FakeAcp) -> None:
    fake.submit()
    for verb in (fake.agent.submit(TurnDraft(input="more")), fake.agent.compact()):
        with pytest.raises(TurnInProgress):
            result_of(verb)
    with pytest.raises(Unsupported):
        result_of(fake.agent.steer([Text(text="left")]))
    assert len(fake.said("session/prompt")) == 1


def test_a_draft_that_cannot_be(fake: FakeAcp) -> None:
    with pytest.raises(BadField, match="stays in the directory"):
        fake.submit(cwd="/elsewhere")
    with pytest.raises(BadField, match="no sandbox"):
        fake.submit(sandbox="none")
    with pytest.raises(Unsupported, match="no mode"):
        fake.submit(approval_policy="strict")
    fake.submit(cwd=CWD)
    assert len(fake.said("session/prompt")) == 1


def test_settings_of_a_turn_come_before_it(fake: FakeAcp) -> None:
    fake.answers["session/set_model"] = {}
    fake.submit(model="big")
    assert [m["method"] for m in fake.child.said[-2:]] == [
        "session/set_model",
        "session/prompt",
    ]


def test_another_model(fake: FakeAcp) -> None:
    fake.answers["session/set_model"] = {}
    assert fake.agent.can.set_model
    result_of(fake.agent.set_model(ModelDraft(model="big", provider="corp")))
    assert fake.said("session/set_model") == [{"sessionId": "s1", "modelId": "big"}]
    fake.answers["session/set_model"] = {"code": -32602, "message": "Unknown model."}
    with pytest.raises(AgentFailed, match=r"refused session/set_model: Unknown model."):
        result_of(fake.agent.set_model(ModelDraft(model="none")))


def test_a_compaction_is_a_turn(fake: FakeAcp) -> None:
    with pytest.raises(Unsupported):
        result_of(fake.agent.compact())
    before = fake.agent.can
    fake.update("available_commands_update", availableCommands=[{"name": "compact"}])
    assert (before.compact, fake.agent.can.compact) == (False, True)
    result_of(fake.agent.compact())
    assert fake.said("session/prompt")[0]["prompt"] == [words("/compact")]
    fake.end()
    assert fake.reports.events("compact") == [("compact", {})]
    assert fake.turns == [DONE]


def test_a_compaction_that_the_agent_tells_of_is_told_once(fake: FakeAcp) -> None:
    fake.update("available_commands_update", availableCommands=[{"name": "compress"}])
    result_of(fake.agent.compact())
    for status in ("in_progress", "completed", "completed"):
        fake.update("compaction_update", compactionId="k", status=status)
    fake.end()
    assert len(fake.reports.events("compact")) == 1


# Questions.

ALL = ("reject_always", "allow_always", "reject_once", "allow_once")


@pytest.mark.parametrize(
    ("decision", "kind"),
    [
        ("approve", "allow_once"),
        ("approve_session", "allow_always"),
        ("deny", "reject_once"),
        ("deny_always", "reject_always"),
    ],
)
def test_a_decision_picks_the_option_of_its_kind(
    fake: FakeAcp, decision: str, kind: str
) -> None:
    fake.submit()
    question = fake.ask(0, *ALL)
    assert question.choices == ["approve", "approve_session", "deny", "deny_always", "cancel"]
    result_of(fake.agent.answer(question, Answer(decision=decision)))
    outcome = {"outcome": "selected", "optionId": kind[::-1]}
    assert fake.child.said[-1] == rpc(0, result={"outcome": outcome})
    assert fake.child.said[-2]["method"] == "session/prompt"
    declined = [d["status"] for _, d in fake.reports.events("tool-done")]
    assert declined == (["declined"] if decision.startswith("deny") else [])


def test_cancel_stops_the_turn(fake: FakeAcp) -> None:
    fake.submit()
    other = fake.ask(1, *ALL, call="c2")
    question = fake.ask(2, *ALL)
    result_of(fake.agent.answer(question, Answer(decision="cancel")))
    cancelled = {"outcome": {"outcome": "cancelled"}}
    assert fake.child.said[-3:] == [
        rpc(method="session/cancel", params={"sessionId": "s1"}),
        rpc(1, result=cancelled),
        rpc(2, result=cancelled),
    ]
    assert fake.reports.told[-1] == ("settled", other.key, "the turn was interrupted")


def test_a_question_that_crosses_an_interrupt(fake: FakeAcp) -> None:
    fake.submit()
    result_of(fake.agent.interrupt())
    question = fake.ask(4, *ALL)
    assert fake.child.said[-1] == rpc(4, result={"outcome": {"outcome": "cancelled"}})
    assert fake.reports.told[-1] == ("settled", question.key, "the turn was interrupted")


def test_nobody_consents_to_more_than_was_said(fake: FakeAcp) -> None:
    fake.submit()
    question = fake.ask(0, "allow_always", "reject_once")
    with pytest.raises(BadField, match="approve_session, deny, cancel"):
        result_of(fake.agent.answer(question, Answer(decision="approve")))
    result_of(fake.agent.answer(question, Answer(decision="deny")))
    assert fake.child.said[-1]["id"] == 0


def test_a_question_outside_of_a_turn(fake: FakeAcp) -> None:
    question = fake.ask(0, *ALL)
    result_of(fake.agent.answer(question, Answer(decision="cancel")))
    assert fake.child.said[-1] == rpc(0, result={"outcome": {"outcome": "cancelled"}})
    assert not fake.said("session/cancel")


# Rubbish.


def test_an_agent_that_prints_whatever_it_likes(fake: FakeAcp) -> None:
    fake.submit()
    fake.child.say(b"Welcome to fake!", b"", b'{"jsonrpc":', b"[]", b"\xff\xfe", b"null")
    fake.child.say(rpc(77, result={}), rpc("", error={}), rpc(None, result=1))
    fake.child.say(rpc(method="session/update", params={"update": 7}))
    fake.child.say(rpc(method="session/update", params=None))
    fake.child.say(rpc(method="session/update"))
    fake.child.say(rpc(method="$/cancel_request", params={"requestId": [1]}))
    fake.child.say(rpc(method="_auth/status_update", params={"a": 1}))
    fake.child.say(rpc(5, method="session/request_permission", params={"toolCall": 1}))
    fake.update("hologram", content=[])
    fake.update("agent_message_chunk", content=words("still here"))
    fake.end()
    assert fake.turns == [DONE]
    assert fake.reports.texts("message") == ["still here"]
    refusals = [m for m in fake.child.said if "error" in m]
    assert [(m["id"], m["error"]["code"]) for m in refusals] == [(5, -32602)]


def test_updates_of_another_conversation_are_not_ours(fake: FakeAcp) -> None:
    chunk = update("agent_message_chunk", content=words("elsewhere"))
    chunk["params"]["sessionId"] = "s2"
    fake.child.say(chunk)
    assert [name for name, _ in fake.reports.events()] == ["native"]


def test_words_after_the_end_are_not_the_next_turn_s(fake: FakeAcp) -> None:
    fake.submit()
    fake.end("max_tokens")
    fake.update("agent_message_chunk", content=words("[late]"))
    fake.submit()
    fake.update("agent_message_chunk", content=words("new"))
    fake.end()
    assert fake.reports.texts("message") == ["[late]", "new"]


# Ends.


def test_a_stop_in_a_turn(fake: FakeAcp) -> None:
    fake.submit()
    stop = started(fake.agent.stop())
    assert fake.said("session/cancel") == [{"sessionId": "s1"}]
    fake.end("cancelled")
    result_of(stop)
    assert fake.turns == [CUT]
    assert fake.reports.told[-1] == ("gone", ChildExit(code=0, asked=True))


def test_a_stop_of_an_agent_that_does_not_listen(fake: FakeAcp) -> None:
    fake.submit()
    fake.update("tool_call", toolCallId="c1", title="sleep")
    stop = started(fake.agent.stop())
    fake.clock.advance(STOP_S)
    result_of(stop)
    assert [d["status"] for _, d in fake.reports.events("tool-done")] == ["cut"]
    assert fake.turns == [], "the host tells of it"
    assert fake.reports.told[-1][0] == "gone"


@pytest.mark.parametrize("answer", [{}, {"code": 1, "message": "no"}, None])
def test_a_stop_closes_the_conversation_where_that_is_possible(answer: Any) -> None:
    can: Any = {"sessionCapabilities": {"close": {}}}
    fake = FakeAcp({"initialize": {"agentCapabilities": can}, "session/close": answer})
    fake.start()
    result_of(fake.agent.stop())
    assert fake.said("session/close") == [{"sessionId": "s1"}]
    assert fake.child.ended
    result_of(fake.agent.stop())


def test_an_agent_that_does_not_close() -> None:
    can: Any = {"sessionCapabilities": {"close": {}}}
    fake = FakeAcp({"initialize": {"agentCapabilities": can}})
    fake.start()
    stop = started(fake.agent.stop())
    assert not is_done(stop)
    fake.clock.advance(STOP_S)
    result_of(stop)


def test_the_driver_closes() -> None:
    result_of(make(FakeSpawn(), Clock()).close())


def test_a_stop_before_a_start() -> None:
    result_of(FakeAcp().agent.stop())


def test_native_is_json(fake: FakeAcp) -> None:
    fake.submit()
    question = fake.ask(0, *ALL)
    assert json.loads(encode(question.native))["sessionId"] == "s1"
    assert isinstance(started(fake.agent.interrupt()), Deferred)


def test_words_after_the_answer_belong_to_its_turn() -> None:
    fake = FakeAcp()
    fake.start()
    fake.submit()
    fake.child.say(rpc(fake._prompt, result={"stopReason": "end_turn"}))
    for word in ("late ", "words"):
        fake.clock.advance(0.06)
        fake.update("agent_message_chunk", content=words(word))
    assert fake.turns == []
    fake.clock.advance(LAST_WORDS_S)
    fake.clock.advance(LAST_WORDS_S)
    assert fake.turns == [("completed", "")]
    told = [each[0] for each in fake.reports.told]
    assert [data["text"] for _, data in fake.reports.events("message")] == ["late words"]
    assert told[-1] == "turn_ended"


def test_an_agent_that_leaves_after_its_answer_has_ended_the_turn() -> None:
    fake = FakeAcp()
    fake.start()
    fake.submit()
    fake.child.say(rpc(fake._prompt, result={"stopReason": "end_turn"}))
    fake.child.die()
    assert fake.turns == [("completed", "")]
    fake.clock.advance(LAST_WORDS_S)
    assert fake.turns == [("completed", "")]
