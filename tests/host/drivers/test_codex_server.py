"""The process that agents share: its start, its end, and whom its words are for."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.drivers.codex.server import CALL_S, HANDSHAKE_S, PAUSES_S
from sxhost.drivers.kit.jsonrpc_peer import CallRefused
from sxhost.errors import AgentFailed
from sxhost.model.approval import Answer
from sxhost.model.turn import TurnDraft
from sxhost.process.contracts import ChildExit
from sxhost.testing import is_done, result_of, started
from tests.support.agents.fake_app_server import AppServer
from tests.support.fake_children import FakeReports

KILLED = ChildExit(signal="SIGKILL")
HELLO = TurnDraft(input="hello")


def test_agents_share_a_process() -> None:
    server, reports = AppServer(), [FakeReports(), FakeReports()]
    one, two = (server.agent(told) for told in reports)
    assert result_of(one.start()).native_id == "t1"
    assert result_of(two.start()).native_id == "t2"
    assert len(server.spawn.children) == 1
    assert len(server.said("initialize")) == len(server.said("initialized")) == 1
    for told in reports:
        assert told.told == [("spawned", server.child.process)]


@pytest.mark.parametrize(
    "other", [{"env": {"CODEX_HOME": "/x"}}, {"command": ["other", "app-server"]}]
)
def test_another_command_or_environment_is_another_process(other: dict[str, Any]) -> None:
    server = AppServer()
    result_of(server.agent().start())
    result_of(server.agent(cwd="/elsewhere").start())
    assert len(server.spawn.children) == 1
    result_of(server.agent(**other).start())
    assert len(server.spawn.children) == 2


def test_who_starts_meanwhile_waits_for_the_same_handshake() -> None:
    server = AppServer()
    server.answers["initialize"] = None
    starts = [started(server.agent().start()) for _ in range(3)]
    assert not any(map(is_done, starts))
    server.child.say({"id": 1, "result": {}})
    assert [result_of(start).native_id for start in starts] == ["t1", "t2", "t3"]
    assert len(server.said("initialize")) == 1


def test_a_child_that_never_answers_is_ended() -> None:
    server, reports = AppServer(), FakeReports()
    server.answers["initialize"] = None
    starts = [started(server.agent(reports).start()) for _ in range(2)]
    server.clock.advance(HANDSHAKE_S - 1)
    assert not any(map(is_done, starts))
    server.clock.advance(1)
    assert server.child.ended
    for start in starts:
        with pytest.raises(AgentFailed, match="initialize within 30 s"):
            result_of(start)
    assert not reports.told
    server.answers["initialize"] = {}
    assert result_of(server.agent().start()).native_id == "t1"


def test_a_child_that_dies_at_once_fails_every_start() -> None:
    server, reports = AppServer(), FakeReports()
    server.answers["initialize"] = None
    starts = [started(server.agent(reports).start()) for _ in range(2)]
    server.child.die(ChildExit(code=2, stderr="no such option\n"))
    for start in starts:
        with pytest.raises(AgentFailed, match="ended with code 2: no such option"):
            result_of(start)
    assert not reports.told


def test_a_start_that_is_given_up_leaves_nothing() -> None:
    server = AppServer()
    server.answers["initialize"] = None
    start = started(server.agent().start())
    start.addErrback(lambda _: None)
    start.cancel()
    assert server.child.ended


def test_a_refused_start_ends_what_was_started_for_it() -> None:
    server, reports = AppServer(), FakeReports()
    server.answers["thread/resume"] = {"code": -32600, "message": "no rollout found"}
    with pytest.raises(CallRefused, match="no rollout found"):
        result_of(server.agent(reports, resume="t9").start())
    assert server.child.ended
    assert [told[0] for told in reports.told] == ["spawned"]


def test_a_refused_start_leaves_the_others_alone() -> None:
    server, reports = AppServer(), FakeReports()
    one = server.agent(reports)
    result_of(one.start())
    server.answers["thread/start"] = {"code": -32600, "message": "no such provider"}
    with pytest.raises(CallRefused, match="no such provider"):
        result_of(server.agent().start())
    assert not server.child.ended
    assert result_of(one.submit(HELLO)) == "u1"


def test_a_conversation_has_one_agent() -> None:
    server = AppServer()
    result_of(server.agent(resume="t7").start())
    with pytest.raises(AgentFailed, match="open already"):
        result_of(server.agent(resume="t7").start())
    assert not server.child.ended


def test_the_process_ends_with_its_last_agent() -> None:
    server, reports = AppServer(), [FakeReports(), FakeReports()]
    one, two = (server.agent(told) for told in reports)
    result_of(one.start())
    result_of(two.start())
    result_of(one.stop())
    assert reports[0].told[-1] == ("gone", ChildExit(code=0, asked=True))
    assert [child.ended for child in server.spawn.children] == [False]
    assert len(reports[1].told) == 1
    result_of(two.stop())
    assert [child.ended for child in server.spawn.children] == [True]
    assert reports[1].told[-1] == ("gone", ChildExit(code=0, asked=True))
    assert server.said("thread/unsubscribe") == [{"threadId": "t1"}, {"threadId": "t2"}]
    result_of(server.agent().start())
    assert len(server.spawn.children) == 2


def test_a_death_is_told_to_everyone_and_all_may_start_again() -> None:
    server, reports = AppServer(), [FakeReports(), FakeReports()]
    agents = [server.agent(told) for told in reports]
    for agent in agents:
        result_of(agent.start())
    server.child.die(KILLED)
    for told in reports:
        assert told.told[-1] == ("gone", KILLED)
    for agent in agents:
        result_of(agent.start())
    assert len(server.spawn.children) == 2


def test_a_call_fails_with_the_process() -> None:
    server, reports = AppServer(), FakeReports()
    agent = server.agent(reports)
    result_of(agent.start())
    server.answers["turn/start"] = None
    turn = started(agent.submit(HELLO))
    server.child.die(KILLED)
    with pytest.raises(AgentFailed, match="killed by SIGKILL"):
        result_of(turn)
    assert [told[0] for told in reports.told] == ["spawned", "gone"]


def test_a_call_without_an_answer_is_given_up() -> None:
    server = AppServer()
    agent = server.agent()
    result_of(agent.start())
    server.answers["turn/start"] = None
    turn = started(agent.submit(HELLO))
    server.clock.advance(CALL_S)
    with pytest.raises(AgentFailed, match="turn/start within 120 s"):
        result_of(turn)
    server.child.say({"id": 3, "result": {"turn": {"id": "late"}}})


def test_who_has_no_time_is_asked_again() -> None:
    server = AppServer()
    busy = {"code": -32001, "message": "Server overloaded; retry later."}
    server.answers["thread/start"] = [busy, busy, {"thread": {"id": "t5"}}]
    start = started(server.agent().start())
    server.clock.advance(PAUSES_S[0])
    assert not is_done(start)
    server.clock.advance(PAUSES_S[1])
    assert result_of(start).native_id == "t5"


def test_who_never_has_time_refuses() -> None:
    server = AppServer()
    server.answers["thread/start"] = {"code": -32001, "message": "Server overloaded"}
    start = started(server.agent().start())
    server.clock.pump(PAUSES_S)
    with pytest.raises(CallRefused, match="overloaded"):
        result_of(start)
    assert len(server.said("thread/start")) == len(PAUSES_S) + 1


def test_rubbish_is_survived() -> None:
    server, reports = AppServer(), FakeReports()
    agent = server.agent(reports)
    result_of(agent.start())
    server.child.say(b"", b"\xff", b"{}", b"[1]", b"not json", {"id": 99, "result": 1})
    server.child.say(
        {"method": "item/started", "params": {"threadId": "t1", "item": 7}},
        {"method": "item/completed", "params": {"threadId": "t1"}},
        {"method": "item/agentMessage/delta", "params": {"threadId": "t1", "delta": 5}},
        {"method": "turn/completed", "params": {"threadId": "t1", "turn": []}},
        {"method": "thread/started", "params": []},
        {"method": "serverRequest/resolved", "params": {"threadId": "t1"}},
        {"method": "thread/started", "params": None},
        {"method": "unheard/of", "params": None},
    )
    server.tell("item/agentMessage/delta", threadId="nobody's", itemId="i", delta="x")
    assert {name for name, _ in reports.events()} == {"native", "message-delta"}
    assert result_of(agent.submit(HELLO)) == "u1"


def test_news_of_the_process_is_for_everyone_once() -> None:
    server, reports = AppServer(), [FakeReports(), FakeReports()]
    for told in reports:
        result_of(server.agent(told).start())
    for _ in range(2):
        server.tell("account/rateLimits/updated", rateLimits={"primary": None})
    server.tell("account/rateLimits/updated", rateLimits={"primary": {"usedPercent": 1}})
    assert [len(told.events("native")) for told in reports] == [2, 2]


def test_what_a_thread_starts_asks_its_agent() -> None:
    server, reports = AppServer(), FakeReports()
    agent = server.agent(reports)
    result_of(agent.start())
    server.tell("thread/started", thread={"id": "child", "parentThreadId": "t1"})
    server.tell("turn/started", threadId="child", turn={"id": "v"})
    server.tell("turn/completed", threadId="child", turn={"id": "v", "status": "completed"})
    assert [name for name, _ in reports.events()] == ["native"] * 3
    assert [told[0] for told in reports.told] == ["spawned", *["event"] * 3]
    method = "item/commandExecution/requestApproval"
    server.ask(0, method, threadId="child", itemId="i", command="ls")
    result_of(agent.answer(reports.questions[0], Answer(decision="approve")))
    assert server.child.said[-1] == {"id": 0, "result": {"decision": "accept"}}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("attestation/generate", {}),
        ("account/chatgptAuthTokens/refresh", {"reason": "unauthorized"}),
        ("item/commandExecution/requestApproval", {"threadId": "nobody's", "itemId": "i"}),
        ("item/commandExecution/requestApproval", {"threadId": 5}),
        ("item/commandExecution/requestApproval", {"threadId": "t1", "itemId": 5}),
        ("item/unheard/of", {"threadId": "t1"}),
    ],
)
def test_what_nobody_can_answer_is_refused(method: str, params: dict[str, object]) -> None:
    server, reports = AppServer(), FakeReports()
    result_of(server.agent(reports).start())
    server.ask(5, method, **params)
    assert server.child.said[-1]["id"] == 5
    assert server.child.said[-1]["error"]["code"] == -32601
    assert not reports.questions


def test_a_tool_that_nobody_has_fails_politely() -> None:
    server = AppServer()
    result_of(server.agent().start())
    server.ask(5, "item/tool/call", threadId="t1", callId="c", tool="paint", arguments={})
    said = server.child.said[-1]["result"]
    assert said["success"] is False
    assert "'paint'" in said["contentItems"][0]["text"]


def test_what_is_left_ends_with_the_driver() -> None:
    server = AppServer()
    result_of(server.agent().start())
    result_of(server.driver.close())
    assert server.child.ended


def test_a_program_that_cannot_be_run_is_forgotten() -> None:
    server = AppServer()

    def fail(*_: object) -> None:
        raise AgentFailed("There is no codex in PATH.")

    server.driver._servers._spawn = fail  # type: ignore[attr-defined]
    agent = server.agent()
    with pytest.raises(AgentFailed, match="no codex"):
        result_of(agent.start())
    server.driver._servers._spawn = server.spawn  # type: ignore[attr-defined]
    assert result_of(agent.start()).native_id == "t1"
