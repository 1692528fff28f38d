"""The multiplexer over a WebSocket, byte by byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sxhost.http.websocket import CLOSE_WITHIN_S
from tests.host.http.test_site import Wire
from tests.support.websocket_clients import BINARY, MIB, TEXT, Socket, closing, masked


@pytest.fixture
def wire() -> Wire:
    return Wire(body=MIB)


@pytest.fixture(params=["/", "/ws"])
def socket(wire: Wire, request: Any) -> Socket:
    return Socket(wire, path=request.param)


def test_websocket_sends_server_ready_first(socket: Socket) -> None:
    assert socket.messages[0]["type"] == "server_ready"


def test_index_route_is_served_beside_the_websocket(wire: Wire) -> None:
    client = wire.connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.body["name"] == "sxhost"


def test_a_command_is_answered(socket: Socket) -> None:
    socket.forget()
    socket.send({"type": "health_check", "id": "1"})
    kinds = [message["type"] for message in socket.messages]
    assert kinds == ["command_accepted", "command_started", "command_finished", "response"]
    assert socket.messages[-1]["data"]["healthy"]


def test_malformed_json_is_answered_with_an_error(socket: Socket) -> None:
    socket.forget()
    socket.say(masked(TEXT, b"{"))
    assert socket.messages == [
        {"type": "response", "command": "unknown", "success": False, "error": "Invalid JSON"}
    ]


def test_binary_message_closes_the_connection(socket: Socket) -> None:
    socket.say(masked(BINARY, b"{}"))
    assert socket.closed == 1003


def test_too_large_command_is_answered_with_an_error() -> None:
    wire = Wire(mux_message=1000)
    socket = Socket(wire, path="/ws")
    socket.forget()
    long = {"type": "prompt", "sessionId": "s", "message": "x" * 1000}
    text = json.dumps(long).encode()
    socket.say(masked(TEXT, text[:700], fin=False) + masked(0, text[700:]))
    (answer,) = socket.messages
    assert answer["error"] == f"Message size {len(text)} exceeds limit 1000"
    assert answer["command"] == "unknown"
    socket.forget()
    socket.send({"type": "health_check"})
    assert socket.messages[-1]["success"], "the connection goes on"


@pytest.mark.parametrize("step", [1, 100, 5000])
def test_too_large_command_is_not_kept(step: int) -> None:
    socket = Socket(Wire(mux_message=1000), path="/ws")
    socket.forget()
    frame = masked(TEXT, b" " * 4000)
    for at in range(0, len(frame), step):
        socket.say(frame[at : at + step])
        assert len(socket.protocol._text or b"") <= 1000
    (answer,) = socket.messages
    assert answer["error"] == "Message size 4000 exceeds limit 1000"


def test_excess_websocket_is_refused() -> None:
    wire = Wire(mux_connections=1)
    first, second = Socket(wire, path="/ws"), Socket(wire, path="/ws")
    assert (first.closed, second.closed) == (None, 1013)
    first.say(closing(1000))
    wire.lab.clock.advance(0)
    assert Socket(wire, path="/ws").closed is None


def test_commands_after_a_close_are_not_done(wire: Wire, socket: Socket) -> None:
    socket.say(closing(1000))
    socket.forget()
    socket.send({"type": "health_check"})
    assert socket.frames == []
    wire.lab.clock.advance(0)
    assert wire.lab.mux.clients.connected == {}


def test_handshake_names_where_agents_work(wire: Wire) -> None:
    socket = Socket(wire, "?cwd=%2Fusr", path="/ws")
    for number, fields in enumerate(({}, {"cwd": "/etc"})):
        name = f"s{number}"
        command = {"type": "create_session", "sessionId": name, "agent": "fake", **fields}
        socket.send(command)
        wire.lab.clock.advance(0)
    agents = wire.lab.drivers.by_agent["fake"].agents
    assert [agent.launch.cwd for agent in agents] == ["/usr", "/etc"]


def test_commands_before_one_too_many_are_answered() -> None:
    wire = Wire(commands=3)
    socket = Socket(wire, path="/ws")
    slow: Deferred[None] = Deferred()
    wire.lab.drivers.by_agent["fake"].slow = slow
    create = {"type": "create_session", "sessionId": "s", "agent": "fake"}
    health = {"type": "health_check"}
    frames = [masked(TEXT, json.dumps(each).encode()) for each in (create, *[health] * 4)]
    socket.say(b"".join(frames))
    assert [socket.closed] == [None]
    slow.callback(None)
    wire.lab.clock.advance(0)
    answered = [each["command"] for each in socket.messages if each["type"] == "response"]
    assert answered == ["health_check"] * 2 + ["create_session"]
    assert socket.closed == 1008


def _answers(socket: Socket) -> int:
    return sum(each["type"] == "response" for each in socket.messages)


def test_slow_client_of_too_many_messages_gets_its_answers_first() -> None:
    wire = Wire(commands=3)
    socket = Socket(wire, path="/ws")
    socket.protocol.pauseProducing()
    socket.say(masked(TEXT, json.dumps({"type": "health_check"}).encode()) * 5)
    assert (socket.closed, _answers(socket)) == (None, 0)
    socket.protocol.resumeProducing()
    wire.lab.clock.advance(0)
    assert _answers(socket) == 3
    assert socket.closed == 1008


def test_connection_of_too_many_messages_is_closed_in_the_end() -> None:
    wire = Wire(commands=1)
    socket = Socket(wire, path="/ws")
    slow = wire.lab.drivers.by_agent["fake"].slow = Deferred[None]()
    create = {"type": "create_session", "sessionId": "s", "agent": "fake"}
    socket.say(masked(TEXT, json.dumps(create).encode()) * 2)
    assert [socket.closed] == [None]
    wire.lab.clock.advance(CLOSE_WITHIN_S)
    assert socket.closed == 1008
    slow.callback(None)
    wire.lab.clock.advance(0)


def test_server_ready_tells_where_the_host_listens(wire: Wire) -> None:
    assert "port" not in Socket(wire, path="/ws").messages[0]["data"]
    wire.lab.mux.port = 3141
    assert Socket(wire, path="/ws").messages[0]["data"]["port"] == 3141
