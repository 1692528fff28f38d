"""The commands of pi, over an agent that answers as pi does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from msgspec import Raw, json
from twisted.internet.defer import Deferred

from sxhost.drivers.contracts import NativeAnswer
from sxhost.errors import CommandRefused
from sxhost.faces.pi.commands import COMMANDS, SessionCommand
from sxhost.faces.pi.pi_commands import PI_COMMANDS, UNSUPPORTED
from sxhost.faces.pi.session_commands import HOSTED_COMMANDS
from sxhost.faces.pi.session_info import AGENT_TIMEOUT_S
from sxhost.testing import FakeAgent, FakeDriver, FakeDrivers, HostInMemory
from tests.support.multiplexer_in_memory import Peer

STATE = {"model": {"id": "m", "provider": "p"}, "thinkingLevel": "low", "sessionId": "u",
         "isStreaming": False, "messageCount": 2, "sessionFile": "/x/a.jsonl"}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "get_state": STATE,
    "get_commands": {"commands": [{"name": "skill:x", "source": "skill", "description": "d"},
                                  {"name": "y", "source": "prompt"}]},
    "get_session_stats": {"contextUsage": {"tokens": 1, "contextWindow": 10, "percent": 10}},
    "cycle_model": {"model": {"id": "n", "provider": "p"}, "thinkingLevel": "low"},
    "cycle_thinking_level": {"level": "high"},
    "bash": {"output": "hi", "exitCode": 0, "cancelled": False, "truncated": False},
    "fork": {"text": "x", "cancelled": False},
    "new_session": {"cancelled": False},
    "get_available_thinking_levels": {"levels": []},
    "get_tree": {"tree": [], "leafId": "l"},
}  # fmt: skip
RAN = {"exitCode": 0, "output": "hi", "cancelled": False}
CHANGES: dict[str, Callable[[Any], Any]] = {
    "cycle_model": lambda _: {"native_id": "u", "model": "n", "provider": "p"},
    "set_thinking_level": lambda params: {"effort": params["level"]},
}
"""What the driver of pi tells of commands that change something."""
OLD = {"get_available_thinking_levels", "get_tree"}
"""What old pi does not know."""


class FakePi(FakeAgent):
    native_id = "u"
    hangs = False

    async def native_command(self, name: str, params: Mapping[str, Any]) -> NativeAnswer:
        self.did.append((name, dict(params)))
        if self.hangs:
            await Deferred[None]()
        if name in OLD and not self.launch.native:
            raise CommandRefused(f"pi refused {name}.", f"Unknown command: {name}")
        changed = CHANGES[name](params) if name in CHANGES else {}
        return NativeAnswer(result=Raw(json.encode(ANSWERS.get(name))), **changed)


class PiDriver(FakeDriver):
    def agent(self, launch: Any, reports: Any) -> FakePi:
        return FakePi(launch, reports, self)


@pytest.fixture
def lab() -> HostInMemory:
    lab = HostInMemory(mux_rate=1000)
    lab.agents = lab.agents._replace(drivers=FakeDrivers(pi=PiDriver(set_model=True)))
    lab.drivers = lab.agents.drivers  # type: ignore[assignment]
    lab.restart()
    return lab


@pytest.fixture
def peer(lab: HostInMemory) -> Peer:
    peer = Peer(lab)
    for name, native in (("old", {}), ("new", {"is": "new"})):
        made = peer.ask("create_session", name, launch={"native": native})
        assert made["success"], made
    return peer


def did(lab: HostInMemory, which: int = 0) -> Any:
    return next(iter(lab.drivers.by_agent.values())).agents[which].did[-1]


def test_every_pi_command_is_done_or_refused_with_a_reason() -> None:
    names = {n for n, kind in COMMANDS.items() if issubclass(kind, SessionCommand)}
    assert len(names) == 34
    assert names == PI_COMMANDS.keys() | HOSTED_COMMANDS.keys() | UNSUPPORTED.keys()
    assert not UNSUPPORTED.keys() & (PI_COMMANDS.keys() | HOSTED_COMMANDS.keys())


def test_get_state_shows_pis_state(peer: Peer) -> None:
    info = peer.ask("get_state", "old")["data"]
    assert (info["model"], info["sessionFile"]) == (STATE["model"], "/x/a.jsonl")
    assert info["messageCount"] == 2


@pytest.mark.parametrize(
    ("kind", "fields", "sent", "data"),
    [
        ("get_commands", {}, {}, ANSWERS["get_commands"]),
        ("set_auto_retry", {"enabled": True}, {"enabled": True}, None),
        ("abort_retry", {}, {}, None),
        ("steer", {"message": "x"}, {"message": "x"}, None),
        ("follow_up", {"message": "x"}, {"message": "x"}, None),
        ("set_thinking_level", {"level": "none"}, {"level": "off"}, None),
        ("cycle_thinking_level", {}, {}, {"level": "high"}),
        ("export_html", {"outputPath": "/o"}, {"outputPath": "/o"}, None),
        ("new_session", {}, {}, {"cancelled": False}),
        ("bash", {"command": "ls"}, {"command": "ls"}, RAN),
        ("compact", {"customInstructions": "x"}, {"customInstructions": "x"}, None),
    ],
    ids=str,
)
def test_native_commands_are_passed_on(
    peer: Peer, kind: str, fields: Any, sent: Any, data: Any
) -> None:
    answer = peer.ask(kind, "old", **fields)
    assert answer["success"], answer
    assert did(peer.lab) == (kind, sent)
    assert answer.get("data") == data


def test_emulated_commands_answer(peer: Peer) -> None:
    (skill,) = peer.ask("get_skills", "old")["data"]["skills"]
    assert (skill["name"], skill["description"]) == ("x", "d")
    assert peer.ask("get_context_usage", "old")["data"]["tokens"] == 1
    assert peer.ask("get_tree", "new")["data"] == {"currentLeafId": "l", "nodes": []}
    assert peer.ask("get_tree", "old")["data"] == {"currentLeafId": None, "nodes": []}
    assert peer.ask("list_session_files", "old")["data"] == {"files": []}
    assert peer.ask("fork", "old", entryId="e")["data"]["sessionId"] == "u"


def test_commands_of_newer_pi_are_refused(peer: Peer) -> None:
    for kind, fields in (
        ("abort_compaction", {}),
        ("bash", {"command": "ls", "excludeFromContext": True}),
    ):
        why = peer.ask(kind, "old", **fields)["error"]
        assert why == "this pi cannot do that over its pipe; a newer one can"
        assert peer.ask(kind, "new", **fields)["success"]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("get_tools", {}),
        ("navigate_tree", {"targetId": "t"}),
        ("cycle_model", {"direction": "backward"}),
    ],
)
def test_unsupported_commands_are_refused(peer: Peer, kind: str, fields: Any) -> None:
    assert "over its pipe" in peer.ask(kind, "new", **fields)["error"]


def test_restart_continues_the_conversation(lab: HostInMemory, peer: Peer) -> None:
    peer.ask("cycle_model", "old")
    peer.ask("set_thinking_level", "old", level="high")
    session = lab.store.known.get("old")
    assert session is not None
    assert session.launch is not None
    assert (session.model, session.launch.model, session.launch.effort) == ("n", "n", "high")
    assert session.launch.resume == "u"


def test_hanging_agent_does_not_delay_the_list(lab: HostInMemory, peer: Peer) -> None:
    agent = next(iter(lab.drivers.by_agent.values())).agents[0]
    agent.hangs = True  # type: ignore[attr-defined]
    peer.say("list_sessions")
    assert peer.answers[-1]["command"] == "create_session"
    lab.clock.advance(AGENT_TIMEOUT_S)
    shown = {one["sessionId"]: one for one in peer.answers[-1]["data"]["sessions"]}
    assert shown.keys() == {"old", "new"}
    assert "sessionFile" not in shown["old"]


def test_failed_model_call_is_reported_in_events(lab: HostInMemory, peer: Peer) -> None:
    peer.say("prompt", "old", message="x", id="p")
    agents = next(iter(lab.drivers.by_agent.values())).agents
    agents[0].reports.turn_ended("failed", "400")
    peer.settle()
    assert peer.answers[-1]["success"]


@pytest.mark.parametrize("answer", [None, {}, {"text": None}], ids=str)
def test_no_last_answer_is_null(peer: Peer, answer: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(ANSWERS, "get_last_assistant_text", answer)
    assert peer.ask("get_last_assistant_text", "old")["data"] == {"text": None}
