"""The multiplexer: sessions, turns, subscriptions, over agents that do what a test says."""

from __future__ import annotations

import json

import pytest

from sxhost.model.event_types import MessageDeltaEvent, MessageEvent
from sxhost.testing import HostInMemory
from tests.support.multiplexer_in_memory import Peer


@pytest.fixture
def lab() -> HostInMemory:
    return HostInMemory()


@pytest.fixture
def peer(lab: HostInMemory) -> Peer:
    return Peer(lab)


def made(peer: Peer, name: str = "s") -> None:
    answer = peer.ask("create_session", name, agent="fake")
    assert answer["success"], answer
    assert peer.ask("switch_session", name)["success"]
    peer.forget()


def test_server_ready_is_the_first_frame(peer: Peer) -> None:
    ready, summary = peer.frames
    assert ready["type"] == "server_ready"
    assert ready["data"]["protocolVersion"] == "1.0.0"
    assert ready["data"]["transports"] == ["websocket", "stdio"]
    assert summary["type"] == "startup_recovery_summary"
    assert summary["data"]["journalPath"] == "[redacted]"
    assert peer.ask("get_startup_recovery")["data"]["journalPath"] == ""


def test_create_session_makes_a_session(peer: Peer) -> None:
    peer.forget()
    peer.say("create_session", "s", agent="fake", id="c1")
    assert peer.kinds == [
        "command_accepted", "command_started", "command_finished",
        "=create_session", "session_created",
    ]  # fmt: skip
    assert peer.frames[3]["sessionVersion"] == 0


def test_prompt_runs_a_turn(peer: Peer, lab: HostInMemory) -> None:
    made(peer)
    peer.say("prompt", "s", message="hello")
    assert peer.answers == []
    reports = lab.drivers.last.reports
    reports.report_event(MessageDeltaEvent(item="1", text="hi"))
    reports.report_event(MessageEvent(item="1", text="hi there"))
    reports.turn_ended("completed")
    peer.settle()
    assert peer.kinds == [
        "command_accepted", "command_started", "agent_start", "turn_start",
        "message_start", "message_end", "message_start", *["message_update"] * 3,
        "message_end", "turn_end", "agent_end", "command_finished", "=prompt",
    ]  # fmt: skip


def test_commands_may_be_sent_in_one_go(lab: HostInMemory, peer: Peer) -> None:
    for command in (
        {"type": "create_session", "agent": "fake"},
        {"type": "switch_session"},
        {"type": "prompt", "message": "hello"},
        {"type": "steer", "message": "left"},
        {"type": "get_state"},
        {"type": "abort"},
    ):
        peer.client.receive(json.dumps({**command, "sessionId": "s"}).encode())
    peer.settle()
    answered = {a["command"] for a in peer.answers if a["success"]}
    assert answered == {"create_session", "switch_session", "steer", "get_state", "abort"}
    assert [one[0] for one in lab.drivers.last.did] == ["start", "submit", "steer", "interrupt"]
    lab.drivers.last.reports.turn_ended("interrupted")
    peer.settle()
    assert peer.answers[-1]["command"] == "prompt"


def test_get_metrics_counts(lab: HostInMemory, peer: Peer) -> None:
    made(peer)
    made(peer, "t")
    Peer(lab)
    shown = peer.ask("get_metrics")["data"]
    assert (shown["sessionCount"], shown["connectionCount"]) == (2, 2)
    assert shown["totalCommandsExecuted"] == 5
    assert shown["rateLimitUsage"] == {"globalCount": 5, "globalLimit": 1000}
    assert shown["stores"]["execution"] == {"laneCount": 1}


def test_get_metrics_has_the_fields_of_pi_app_server(lab: HostInMemory, peer: Peer) -> None:
    peer = Peer(HostInMemory(mux_rate=3, mux_message=200))
    for _ in range(4):
        peer.say("list_sessions")
    peer.raw(b"x" * 201)
    metrics = Peer(peer.lab)
    peer.lab.clock.advance(60)
    shown = metrics.ask("get_metrics")["data"]
    assert shown.keys() == {
        "sessionCount", "connectionCount", "pendingConnectionCount", "totalCommandsExecuted",
        "commandsRejected", "zombieSessionsDetected", "zombieSessionsCleaned",
        "doubleUnregisterErrors", "rateLimitUsage", "stores", "circuitBreakers",
        "bashCircuitBreaker",
    }  # fmt: skip
    assert shown["stores"].keys() == {
        "replay", "version", "execution", "lock", "extensionUI", "sessionStore", "journal"
    }  # fmt: skip
    refused = {name: count for name, count in shown["commandsRejected"].items() if count}
    assert refused == {"rateLimit": 1, "messageSize": 1}
    assert shown["bashCircuitBreaker"]["globalState"] == "closed"
