"""Frames have the types that pi-app-server's clients were written for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.drivers.contracts import NativeAnswer
from sxhost.errors import CommandRefused
from sxhost.faces.pi.commands import COMMANDS, SessionCommand
from sxhost.model.event_types import (
    MessageDeltaEvent,
    MessageEvent,
    ToolDoneEvent,
    ToolStartEvent,
)
from sxhost.testing import FakeAgent, FakeDriver, FakeDrivers, HostInMemory
from tests.host.faces.test_mux_translate_pi import SCENARIOS, played
from tests.support.agents.recorded_pi import LINES, tapes
from tests.support.multiplexer_in_memory import Peer
from tests.support.pi_app_server_types import is_known, problems

Object = dict[str, Any]

OURS = {"gap", "sxhost"}
"""The frames and events of the host's own."""
NEWER = {
    "agent_settled", "queue_update", "compaction_start", "compaction_end", "entry_appended",
    "thinking_level_changed", "session_info_changed", "bash_execution_update",
    "extension_ui_request",
}  # fmt: skip
"""Events of newer pi, and one that pi-app-server sends without declaring it."""
FIELDS: Mapping[str, Object] = {
    "prompt": {"message": "hello"},
    "steer": {"message": "hello"},
    "follow_up": {"message": "hello"},
    "set_model": {"provider": "p", "modelId": "m"},
    "set_thinking_level": {"level": "high"},
    "set_auto_compaction": {"enabled": True},
    "set_auto_retry": {"enabled": True},
    "bash": {"command": "ls"},
    "set_session_name": {"name": "a title"},
    "fork": {"entryId": "e"},
    "switch_session_file": {"sessionPath": "/x.jsonl"},
    "navigate_tree": {"targetId": "t"},
    "extension_ui_response": {"requestId": "r", "response": {"method": "cancelled"}},
}
UNRECORDED: Mapping[str, Any] = {
    "cycle_thinking_level": {"level": "high"},
    "export_html": {"path": "/x.html"},
    "get_available_thinking_levels": {"levels": ["off"]},
    "set_auto_compaction": None,
    "abort_retry": None,
    "abort_bash": None,
    "steer": None,
    "follow_up": None,
}
"""What pi answers to commands that nobody has recorded."""


def check(frames: list[Object]) -> None:
    """Check that frames fit, and that only what is newer has no type."""
    for frame in frames:
        assert not list(problems(frame)), frame
        event = frame.get("event", frame)
        assert is_known(frame) or event["type"] in OURS | NEWER, frame


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_events_of_pi_fit(line: str, scenario: str) -> None:
    for _, shown in played(line, scenario):
        text = json.dumps(shown)
        # Newer pi says it of a message that is being written; there, it is not said.
        events = json.loads(text.replace('"stopReason": "pending"', '"stopReason": "stop"'))
        check([{"type": "event", "sessionId": "s", "event": each} for each in events])


def recorded_answers(line: str) -> Object:
    """Return what a pi has answered to each command, in its recordings."""
    answers: Object = dict(UNRECORDED)
    for scenario in SCENARIOS:
        for tape in tapes(line, scenario):
            for entry in tape:
                message = entry["msg"] if entry["dir"] == "in" else {}
                if message.get("type") == "response" and message["success"]:
                    answers[message["command"]] = message.get("data")
    return answers


class RecordedPi(FakeDriver):
    """Makes agents that answer commands as a pi has done."""

    def __init__(self, line: str) -> None:
        super().__init__(set_model=True, compact=True)
        self.answers = recorded_answers(line)

    def agent(self, launch: Any, reports: Any) -> FakeAgent:
        agent = AnsweringAgent(launch, reports, self)
        agent.answers = self.answers
        return agent


class AnsweringAgent(FakeAgent):
    answers: Mapping[str, Any]

    async def native_command(self, name: str, params: Mapping[str, Any]) -> NativeAnswer:
        if name not in self.answers:
            raise CommandRefused(f"pi refused {name}.", f"Unknown command: {name}")
        return NativeAnswer(result=Raw(encode(self.answers[name])))


@pytest.fixture
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Peer]:
    """A client of a session whose agent is a pi of some version, or is another."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "PI_CODING_AGENT_DIR", "CODEX_HOME"):
            patch.setenv(name, str(tmp_path))
        line = request.param
        drivers = FakeDrivers(pi=RecordedPi(line)) if line != "fake" else FakeDrivers()
        peer = Peer(HostInMemory(drivers=drivers, mux_rate=1000))
        launch = {"model": "m", "provider": "p"}
        agent = "fake" if line == "fake" else "pi"
        assert peer.ask("create_session", "s", agent=agent, launch=launch)["success"]
        peer.say("switch_session", "s")
        yield peer


@pytest.mark.parametrize("peer", [*LINES, "fake"], indirect=True)
def test_frames_of_every_command_fit(peer: Peer) -> None:
    reports = peer.lab.drivers.last.reports
    for name, kind in COMMANDS.items():
        if name in ("create_session", "load_session", "delete_session", "unsubscribe"):
            continue
        peer.say(
            name, "s" if issubclass(kind, SessionCommand) else None, **FIELDS.get(name, {})
        )
        if name == "prompt":
            reports.report_event(MessageDeltaEvent(item="1", text="hi"))
            reports.report_event(MessageEvent(item="1", text="hi there"))
            call = ToolStartEvent(item="2", tool="bash", title="ls", input=Raw(b"{}"))
            reports.report_event(call)
            reports.report_event(ToolDoneEvent(item="2", tool="bash", status="completed"))
        if name == "compact":
            reports.turn_started(None)
        if name in ("prompt", "steer", "follow_up", "compact"):
            reports.turn_ended("completed")
            peer.settle()
    peer.say("prompt", "s", message="stopped before there is a word")
    reports.turn_ended("interrupted")
    peer.settle()
    peer.say("delete_session", "s")
    peer.lab.mux.stop()
    peer.settle()
    check(peer.frames)
    answered = {each["command"] for each in peer.answers if each["success"]}
    assert len(answered) >= 14
    assert {"server_shutdown", "session_deleted"} <= {each["type"] for each in peer.frames}


class CodexWithModels(FakeDriver):
    """Makes agents that list models as codex does."""

    def agent(self, launch: Any, reports: Any) -> FakeAgent:
        agent = AnsweringAgent(launch, reports, self)
        agent.answers = {"model/list": {"data": [{"id": "m", "displayName": "M"}, {"id": "n"}]}}
        return agent


def test_models_of_codex_fit() -> None:
    peer = Peer(HostInMemory(drivers=FakeDrivers(codex=CodexWithModels())))
    peer.say("create_session", "s", agent="codex")
    listed = peer.ask("get_available_models", "s")["data"]["models"]
    assert [(each["id"], each["name"]) for each in listed] == [("m", "M"), ("n", "n")]
    check(peer.frames)
