"""Codexd's face over a real host and a real codex, which speaks with a fake model."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint

from tests.support.agents.real_agents import RealAgent, RealAgents
from tests.support.hosts import PATIENCE, Host, StartHost
from tests.support.websocket_clients import Client, connected

Object = dict[str, Any]


class Codexd:
    """A client of codexd; it knows nothing else of the host."""

    def __init__(self, host: Host, agent: RealAgent) -> None:
        self.host = host
        self.agent = agent

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        link = http.client.HTTPConnection("127.0.0.1", self.host.port, timeout=PATIENCE)
        try:
            sent = None if body is None else json.dumps(body)
            link.request(method, path, sent, {"content-type": "application/json"})
            answer = link.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            link.close()

    def begin(self, **fields: Any) -> Object:
        fields = {"cwd": str(self.agent.cwd), **fields}
        status, text = self.ask("POST", "/v1/codexd/sessions", fields)
        assert status == 201, text
        session: Object = text["data"]["session"]
        return session

    def turn(self, session: Object, given: Any, **fields: Any) -> Object:
        body = {"sessionId": session["sessionId"], "input": given, **fields}
        status, text = self.ask("POST", "/v1/codexd/turn", body)
        assert status == 202, text
        taken: Object = text["data"]
        assert taken["accepted"] is True
        return taken

    def read(self, session: Object) -> tuple[Object, list[Object]]:
        status, text = self.ask("GET", f"/v1/codexd/sessions/{session['sessionId']}")
        assert status == 200
        return text["data"]["session"], text["data"]["recentEvents"]

    async def listen(self) -> Client:
        place = TCP4ClientEndpoint(reactor, "127.0.0.1", self.host.port)
        url = f"ws://127.0.0.1:{self.host.port}/v1/codexd/events"
        return await connected(place, url)


async def until(client: Client, wanted: Callable[[Object], Any]) -> list[Object]:
    """Return the events up to the first that is wanted."""
    received: list[Object] = []
    while not received or not wanted(received[-1]):
        (shown,) = await client.hear(1)
        if shown["type"] == "event":
            received.append(shown["event"])
    return received


def over(turn: Object) -> Callable[[Object], Any]:
    """Return what tells that a turn is over."""

    def wanted(event: Object) -> Any:
        ends = event["type"].startswith("app-server.turn.completed")
        return ends and event["detail"]["turnId"] == turn["turnId"]

    return wanted


@pytest.fixture
def codexd(real_agents: RealAgents, agent_home: Path, start_host: StartHost) -> Codexd:
    agent = real_agents.codex(agent_home)
    host = start_host("--port", "0", environ=agent.env)
    assert host.port
    return Codexd(host, agent)


@pytest_twisted.ensureDeferred
async def test_codexd_session_from_start_to_end(codexd: Codexd) -> None:
    listener = await codexd.listen()
    (hello,) = await listener.hear(1)
    assert (hello["type"], hello["recentEvents"]) == ("hello", [])
    session = codexd.begin(purpose="smoke", metadata={"k": "v"}, sandbox="read-only")
    assert (session["purpose"], session["metadata"]) == ("smoke", {"k": "v"})
    assert (session["model"], session["modelProvider"]) == ("fake-model", "fake")

    turn = codexd.turn(session, "hello from codexd")
    received = await until(listener, over(turn))
    deltas = [e for e in received if e["type"] == "app-server.item.agentMessage.delta"]
    text = "".join(event["detail"]["delta"] for event in deltas)
    assert text == "echo: hello from codexd"
    kinds = [event["type"] for event in received]
    assert kinds.index("session.registered") < kinds.index("app-server.turn.started")
    seqs = [event["seq"] for event in received]
    assert seqs == sorted(set(seqs))
    known = received[kinds.index("session.registered") :]  # before, it has no thread
    assert {event["detail"]["threadId"] for event in known} == {session["threadId"]}

    read, recent = codexd.read(session)
    assert (read["lastTurnId"], read["lastTurnStatus"]) == (turn["turnId"], "completed")
    assert read["currentTurnId"] is None
    assert recent[-1] == received[-1]
    listener.close()
    await listener.left


@pytest_twisted.ensureDeferred
async def test_codexd_turn_has_items_and_is_steered(codexd: Codexd) -> None:
    listener = await codexd.listen()
    session = codexd.begin()
    words = [{"type": "text", "text": "SLOW 1000 20"}]
    turn = codexd.turn(session, words, effort="low", summary="auto")
    await until(listener, lambda e: e["type"] == "app-server.item.agentMessage.delta")
    status, text = codexd.ask(
        "POST", "/v1/codexd/turn", {"sessionId": session["sessionId"], "input": "x"}
    )
    assert (status, text["error"]) == (409, "bad_request")
    steered = codexd.turn(session, "SAY: steered", expectedTurnId=turn["turnId"])
    assert steered["turnId"] == turn["turnId"]
    received = await until(listener, over(turn))
    assert "steered" in json.dumps(received)
    assert codexd.read(session)[0]["lastTurnStatus"] == "completed"
    listener.close()
    await listener.left


@pytest_twisted.ensureDeferred
async def test_codexd_turn_of_a_killed_codex_fails(codexd: Codexd) -> None:
    listener = await codexd.listen()
    session = codexd.begin()
    first = codexd.turn(session, "first")
    await until(listener, over(first))

    turn = codexd.turn(session, "SLOW 10000 20")
    await until(listener, lambda e: e["type"] == "app-server.item.agentMessage.delta")
    os.kill(codexd.read(session)[0]["childPid"], signal.SIGKILL)
    received = await until(listener, over(turn))
    assert received[-1]["type"] == "app-server.turn.completed.missing"
    failure = "transport_closed_before_turn_completed"
    assert received[-1]["detail"]["failureClass"] == failure
    await until(listener, lambda e: e["type"] == "app-server.transport.closed")
    read, _ = codexd.read(session)
    assert (read["lastTurnId"], read["lastTurnStatus"]) == (turn["turnId"], "failed")
    assert (read["currentTurnId"], read["lastTurnError"]) == (None, failure)
    assert read["status"] == "active"

    again = codexd.turn(session, "again")
    received = await until(listener, over(again))
    assert "echo: again" in json.dumps(received)
    read, _ = codexd.read(session)
    assert (read["lastTurnStatus"], read["threadId"]) == ("completed", session["threadId"])
    listener.close()
    await listener.left


def test_codexd_resumes_a_thread_of_a_deleted_session(codexd: Codexd) -> None:
    session = codexd.begin()
    codexd.turn(session, "SAY: remember")
    while codexd.read(session)[0]["currentTurnId"]:
        pass  # each look is a request
    assert codexd.begin(threadId=session["threadId"])["sessionId"] == session["sessionId"]
    assert codexd.ask("DELETE", f"/sessions/{session['sessionId']}")[0] == 200
    resumed = codexd.begin(threadId=session["threadId"])
    assert resumed["threadId"] == session["threadId"]
    assert resumed["sessionId"] != session["sessionId"]
    assert codexd.turn(resumed, "go on")["threadId"] == session["threadId"]
