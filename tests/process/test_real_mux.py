"""The multiplexer over real agents, offline, over a WebSocket and over stdio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.agents.real_agents import (
    RealAgent,
    RealAgents,
    agent_home,
    fake_model,
    real_agents,
)
from tests.support.hosts import StartHost
from tests.support.leftovers import end_leftovers, no_leftovers
from tests.support.multiplexer_clients import Object, Talk, over_stdio, over_websocket

__all__ = ["agent_home", "fake_model", "real_agents"]

AGENTS = ("pi", "pi-earendil", "codex")
PATIENT = ("--limit", "mux_rate=1000")
HASTY = ("--limit", "dialog_within=0.3")

Open = Callable[[], AbstractContextManager[Talk]]


class Stage:
    """One agent, and how to talk to a host that runs it; each time it is a new host."""

    def __init__(self, agent: RealAgent, opens: Open) -> None:
        self.agent = agent
        self.open = opens

    @property
    def launch(self) -> Object:
        how = {"command": list(self.agent.command), "env": dict(self.agent.env)}
        free = {"sandbox": "danger-full-access", "approval_policy": "never"}
        return {**how, **free} if self.agent.driver == "codex" else how

    @contextmanager
    def talk(self) -> Iterator[Talk]:
        """Talk to a host until it has stopped; nothing of the agent is left then."""
        with self.open() as talk:
            talk.until(lambda one: one["type"] == "startup_recovery_summary")
            yield talk
        no_leftovers(self.agent.home)


def opener(
    transport: str, agent: RealAgent, start: StartHost, place: Path, *limits: str
) -> Open:
    """Return what starts a host and talks to it."""
    names = ("PI_CODING_AGENT_DIR", "CODEX_HOME")
    environ = {name: agent.env[name] for name in names if name in agent.env}

    @contextmanager
    def websocket() -> Iterator[Talk]:
        host = start("--port", "0", *PATIENT, *limits, environ=environ)
        with over_websocket(host) as talk:
            yield talk
        host.stop()
        assert "Traceback" not in host.output()

    @contextmanager
    def stdio() -> Iterator[Talk]:
        state = ("--state-dir", str(place / "state"))
        with over_stdio(place, environ, *state, *PATIENT, *limits) as talk:
            yield talk
        assert "Traceback" not in (place / "stdio.log").read_text()

    return websocket if transport == "websocket" else stdio


@pytest.fixture
def stage(
    request: Any,
    real_agents: RealAgents,
    agent_home: Path,
    start_host: StartHost,
    tmp_path: Path,
) -> Iterator[Stage]:
    name, transport, *asks = request.param
    make = getattr(real_agents, name.replace("-", "_"))
    agent = make(agent_home, asks=True) if asks else make(agent_home)
    try:
        hasty = HASTY if "hasty" in asks else ()
        yield Stage(agent, opener(transport, agent, start_host, tmp_path, *hasty))
    finally:
        end_leftovers(agent_home)


EVERYWHERE = [(name, "websocket") for name in AGENTS] + [(name, "stdio") for name in AGENTS]


@pytest.mark.parametrize("stage", EVERYWHERE, indirect=True, ids="-".join)
def test_mux_session_from_start_to_deletion(stage: Stage) -> None:
    with stage.talk() as talk:
        create(stage, talk)
        stream(talk)
        use_a_tool(stage, talk)
        steer(talk)
        abort(talk)
        compact(talk)
        path = stored(stage, talk)
        delete(talk)
        assert talk.refused("get_state", "s") == "Session s not found"
    with stage.talk() as talk:
        load(stage, talk, path)
        send_in_one_go(stage, talk)


def create(stage: Stage, talk: Talk) -> None:
    driver = stage.agent.driver
    where = {"agent": driver, "cwd": str(stage.agent.cwd), "launch": stage.launch}
    made = talk.ask("create_session", "s", **where)
    assert made["sessionInfo"]["model"]["id"] == "fake-model"
    again = talk.refused("create_session", "s", **where)
    assert again == "Session s already exists"
    talk.ask("switch_session", "s")


def stream(talk: Talk) -> None:
    frames = talk.until_answer(talk.say("prompt", "s", message="hello there"))
    events = [one["event"] for one in frames if one["type"] == "event"]
    steps = [one.get("assistantMessageEvent", {}) for one in events]
    deltas = [step["delta"] for step in steps if step.get("type") == "text_delta"]
    assert "".join(deltas) == "echo: hello there"
    assert len(deltas) > 1
    grown = [one for one in events if one["type"] == "message_update"]
    assert all(one["message"] == one["assistantMessageEvent"]["partial"] for one in grown)
    (last,) = grown[-1]["message"]["content"][-1:]
    assert last == {"type": "text", "text": "echo: hello there"}
    sent = [one["messages"] for one in events if one["type"] == "agent_end"][-1]
    assert [one["role"] for one in sent if one["role"] != "system"] == ["user", "assistant"]
    kinds = [one["type"] for one in events if one["type"] != "sxhost"]
    assert kinds[0] == "agent_start"
    assert "agent_end" in kinds[-2:]  # new pi says afterwards that it is settled
    assert talk.ask("get_last_assistant_text", "s") == {"text": "echo: hello there"}


def use_a_tool(stage: Stage, talk: Talk) -> None:
    words = "RUN: touch made.txt && echo made it"
    frames = talk.until_answer(talk.say("prompt", "s", message=words))
    events = [one["event"] for one in frames if one["type"] == "event"]
    (done,) = [one for one in events if one["type"] == "tool_execution_end"]
    assert "made it" in done["result"]["content"][0]["text"]
    assert done["isError"] is False
    assert (stage.agent.cwd / "made.txt").exists()


def steer(talk: Talk) -> None:
    running = talk.say("prompt", "s", message="SLOW 30 20")
    talk.event("message_update", "text_delta")
    assert talk.ask("get_state", "s")["isStreaming"] is True
    talk.ask("steer", "s", message="SAY: turned left")
    assert talk.answer(running)["success"]
    assert "turned left" in talk.ask("get_last_assistant_text", "s")["text"]


def abort(talk: Talk) -> None:
    running = talk.say("prompt", "s", message="SLOW 1000 50")
    talk.event("message_update", "text_delta")
    talk.ask("abort", "s")
    assert talk.answer(running)["success"]
    assert talk.ask("get_state", "s")["isStreaming"] is False


def compact(talk: Talk) -> None:
    for number in range(3):
        talk.ask("prompt", "s", message=f"SAY: noted {number}\n" + "word " * 12_000)
    talk.ask("compact", "s")
    text = talk.ask("get_messages", "s")["messages"]
    assert len(text) >= 2


def stored(stage: Stage, talk: Talk) -> str:
    talk.ask("set_session_name", "s", name="the plan")
    (found,) = talk.ask("list_stored_sessions")["sessions"]
    assert found["agent"] == stage.agent.driver
    assert (found["sessionId"], found["sessionName"]) == ("s", "the plan")
    return str(found["sessionPath"])


def delete(talk: Talk) -> None:
    running = talk.say("prompt", "s", message="SLOW 1000 50")
    talk.event("message_update", "text_delta")
    assert talk.ask("delete_session", "s") == {"deleted": True}
    received = [
        one for one in talk.frames if one.get("id") == running or "deleted" in one["type"]
    ]
    assert [one["type"] for one in received] == ["response"], "it is answered before"
    assert received[0]["error"] == "the agent was ended"
    talk.until(lambda one: one["type"] == "session_deleted")


def load(stage: Stage, talk: Talk, path: str) -> None:
    loaded = talk.ask("load_session", "again", sessionPath=path, launch=stage.launch)
    assert loaded["sessionId"] == "again"
    talk.ask("switch_session", "again")
    talk.ask("prompt", "again", message="SAY: back again")
    assert talk.ask("get_last_assistant_text", "again") == {"text": "back again"}


def send_in_one_go(stage: Stage, talk: Talk) -> None:
    """What is sent together takes effect in order: no abort comes before its prompt."""
    driver = stage.agent.driver
    where = {"agent": driver, "cwd": str(stage.agent.cwd), "launch": stage.launch}
    begin = [talk.say("create_session", "go", **where), talk.say("switch_session", "go")]
    for before in (begin, [], [talk.say("get_state", "go")]):
        running = talk.say("prompt", "go", message=f"SLOW 1000 50 {before}")
        after = [talk.say("get_state", "go"), talk.say("abort", "go")]
        for each in (*before, *after, running):
            answer = talk.answer(each)
            assert answer["success"], str(answer)
        assert talk.answer(after[0])["data"]["isStreaming"] is True
        text = talk.ask("get_last_assistant_text", "go").get("text") or ""
        assert "w999" not in text, "the abort has come after the prompt"
    if driver == "pi":
        number = talk.say("bash", "go", command="sleep 100")
        talk.ask("abort_bash", "go")
        assert talk.answer(number)["data"]["cancelled"] is True
        one = talk.say("prompt", "go", message="SLOW 20 20")
        talk.ask("prompt", "go", message="SAY: the second", streamingBehavior="followUp")
        assert talk.answer(one)["success"]
        assert talk.ask("get_last_assistant_text", "go") == {"text": "the second"}


ASKING = [("pi", "websocket", "asks"), ("pi-earendil", "stdio", "asks")]


@pytest.mark.parametrize("stage", ASKING, indirect=True, ids="-".join)
def test_question_of_a_pi_extension_is_answered(stage: Stage) -> None:
    with stage.talk() as talk:
        create(stage, talk)
        for confirmed in (False, True):
            running = talk.say("prompt", "s", message="RUN: touch made.txt && echo made it")
            asked = talk.event("extension_ui_request")
            assert asked["method"] == "confirm"
            response = {"method": "confirm", "confirmed": confirmed}
            number = asked["requestId"]
            talk.ask("extension_ui_response", "s", requestId=number, response=response)
            assert talk.answer(running)["success"]
            assert (stage.agent.cwd / "made.txt").exists() is confirmed
        gone = talk.refused("extension_ui_response", "s", requestId=number, response=response)
        assert gone == f"No pending UI request with id {number}"


@pytest.mark.parametrize(
    "stage", [("pi", "websocket", "asks", "hasty")], indirect=True, ids="-".join
)
def test_unanswered_question_of_a_pi_extension_times_out(stage: Stage) -> None:
    with stage.talk() as talk:
        create(stage, talk)
        running = talk.say("prompt", "s", message="RUN: touch made.txt && echo made it")
        asked = talk.event("extension_ui_request")
        assert asked["timeout"] == 300
        end = talk.event("tool_execution_end")
        assert end["isError"] is True
        assert talk.answer(running)["success"], "the turn goes on"
        assert not (stage.agent.cwd / "made.txt").exists()


OTHERS = [("claude", "websocket"), ("pi-acp", "stdio")]


@pytest.mark.parametrize("stage", OTHERS, indirect=True, ids="-".join)
def test_mux_drives_agents_of_other_drivers(stage: Stage) -> None:
    with stage.talk() as talk:
        where = {"agent": stage.agent.driver, "cwd": str(stage.agent.cwd)}
        talk.ask("create_session", "s", **where, launch=stage.launch)
        talk.ask("switch_session", "s")
        stream(talk)
        use_a_tool_that_is_asked_for(stage, talk)
        abort(talk)
        assert talk.refused("fork", "s", entryId="x").startswith("fork is not supported by")
        assert talk.ask("get_session_stats", "s")["assistantMessages"] >= 2
        delete(talk)


def use_a_tool_that_is_asked_for(stage: Stage, talk: Talk) -> None:
    running = talk.say("prompt", "s", message="RUN: touch made.txt && echo made it")
    if stage.agent.driver == "claude":
        asked = talk.event("extension_ui_request")
        assert asked["method"] == "select"
        response = {"method": "select", "value": "approve"}
        talk.ask("extension_ui_response", "s", requestId=asked["requestId"], response=response)
    done = talk.event("tool_execution_end")
    assert "made it" in done["result"]["content"][0]["text"]
    ends = talk.event("agent_end")["messages"]
    assert [one["role"] for one in ends] == ["user", "assistant", "toolResult", "assistant"]
    assert talk.answer(running)["success"]
    assert (stage.agent.cwd / "made.txt").exists()
