"""Calls that open, set up and close a conversation over ACP."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from sxhost.drivers.acp.connection import CALL_S, STOP_S, AcpConnection
from sxhost.drivers.acp.settings import SessionSettings
from sxhost.drivers.kit.jsonrpc_peer import Peer
from sxhost.errors import AgentFailed
from sxhost.model.turn import Launch
from sxhost.process.contracts import Command
from sxhost.testing import result_of, started
from tests.support.fake_children import FakeChild, FakeSpawn
from tests.unit.drivers.test_acp_pending_requests import Nobody


class Wire:
    """A link to an agent that answers what it is told to, or with `code`s refuses."""

    def __init__(self, *answers: Any, **launch: Any) -> None:
        self.clock = Clock()
        self.answers = list(answers)
        peer = Peer(Nobody(), self.clock, {"jsonrpc": "2.0"})
        spawn = FakeSpawn(self._answer)
        peer.run(spawn, Command(argv=["x"], cwd="/"))
        self.child = spawn.child
        self.link = AcpConnection(peer, Launch(agent="acp", cwd="/w", **launch))

    def _answer(self, child: FakeChild, message: Any) -> None:
        if self.answers:
            answer = self.answers.pop(0)
            failed = isinstance(answer, dict) and "code" in answer
            child.say({"id": message["id"], "error" if failed else "result": answer})


def test_what_was_said_is_kept() -> None:
    wire = Wire({"protocolVersion": 1, "extra": [1]}, {"sessionId": "s1"})
    result_of(wire.link.initialize())
    result_of(wire.link.open_session())
    kept = {name: bytes(answer) for name, answer in wire.link.native.items()}
    assert kept == {
        "initialize": b'{"protocolVersion": 1, "extra": [1]}',
        "session": b'{"sessionId": "s1"}',
    }
    assert wire.link.session == "s1"


@pytest.mark.parametrize(
    ("hello", "method"),
    [
        ({"agentCapabilities": {"sessionCapabilities": {"resume": {}}}}, "session/resume"),
        ({"agentCapabilities": {"loadSession": True}}, "session/load"),
        (
            {
                "agentCapabilities": {
                    "loadSession": True,
                    "sessionCapabilities": {"resume": None},
                }
            },
            "session/load",
        ),
    ],
)
def test_ways_to_go_on(hello: Any, method: str) -> None:
    wire = Wire(hello, None, resume="s1")
    result_of(wire.link.initialize())
    assert wire.link.replays == (method == "session/load")
    result_of(wire.link.open_session())
    assert wire.child.said[-1]["method"] == method
    assert wire.child.said[-1]["params"]["sessionId"] == "s1"


def test_patience_has_an_end() -> None:
    wire = Wire()
    asked = started(wire.link.call("a", {}))
    wire.clock.advance(CALL_S)
    with pytest.raises(AgentFailed, match="has not answered a within 60 s"):
        result_of(asked)
    wire.child.say({"id": 1, "result": {}})  # too late
    asked = started(wire.link.call("b", {}, STOP_S))
    wire.clock.advance(STOP_S)
    with pytest.raises(AgentFailed, match="within 3 s"):
        result_of(asked)
    assert not wire.clock.getDelayedCalls()


def test_an_answer_in_time_leaves_no_timer() -> None:
    wire = Wire({})
    result_of(wire.link.call("a", {}))
    assert not wire.clock.getDelayedCalls()


@pytest.mark.parametrize("answer", [{}, None, {"configOptions": []}])
def test_setting_tells_what_changes(answer: Any) -> None:
    changes: list[None] = []
    settings = SessionSettings(lambda: changes.append(None))
    wire = Wire(answer)
    result_of(wire.link.apply_setting(("session/set_model", {"modelId": "m"}), settings))
    assert len(changes) == (1 if answer else 0)


def test_who_does_not_close_is_not_asked_to() -> None:
    wire = Wire()
    result_of(wire.link.close_session())
    assert not wire.child.said


def test_a_login_of_which_nothing_is_known() -> None:
    wire = Wire({"code": -32000, "message": "Log in"})
    with pytest.raises(AgentFailed, match="with the same HOME: by its own command"):
        result_of(wire.link.open_session())
