"""The multiplexer over two pipes: the frames are those of a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.testing import StringTransport

from sxhost.faces.pi.stdio import CommandLines, pipe_to
from sxhost.model.event_types import MessageDeltaEvent
from sxhost.testing import HostInMemory, is_done
from tests.host.http.test_site import Wire
from tests.support.websocket_clients import MIB, TEXT, Socket, masked

Object = dict[str, Any]

SCRIPT: list[bytes] = [
    b'{"type":"create_session","sessionId":"s","agent":"fake","id":"1"}',
    b'{"type":"switch_session","sessionId":"s"}',
    b'{"type":"prompt","sessionId":"s","message":"hello","idempotencyKey":"k"}',
    b'{"type":"get_state","sessionId":"s"}',
    b'{"type":"prompt","sessionId":"s","message":"more","streamingBehavior":"steer"}',
    b'{"type":"abort","sessionId":"s"}',
    b"nonsense",
    b"[]",
    b'{"type":"nope","id":"x"}',
    b'{"type":"prompt","sessionId":"s"}',
    b'{"type":"get_state","sessionId":"nobody","id":"y"}',
    b'{"type":"get_state","sessionId":"nobody","id":"y"}',
    b'{"type":"health_check","id":"' + b"x" * 300 + b'"}',
    b'{"type":"prompt","sessionId":"s","message":"' + b"x" * 2 * MIB + b'"}',
    b'{"type":"get_tools","sessionId":"s"}',
    b'{"type":"delete_session","sessionId":"s"}',
]


class Pipes:
    """A client at the other ends of two pipes."""

    def __init__(self, lab: HostInMemory) -> None:
        self.pipe = pipe_to(lab.mux)
        self.transport = StringTransport()
        self.pipe.makeConnection(self.transport)

    def say(self, text: bytes) -> None:
        self.pipe.dataReceived(text + b"\n")

    def is_open(self) -> bool:
        return not self.transport.disconnecting

    @property
    def frames(self) -> list[Object]:
        return [json.loads(line) for line in self.transport.value().splitlines()]


def play(lab: HostInMemory, say: Callable[[bytes], object]) -> None:
    for text in SCRIPT:
        say(text)
        settle(lab)
        if b"abort" in text:
            reports = lab.drivers.last.reports
            reports.report_event(MessageDeltaEvent(item="1", text="hi"))
            reports.turn_ended("interrupted")


def settle(lab: HostInMemory) -> None:
    for _ in range(6):
        lab.clock.advance(0.005)


def shown(frames: list[Object], lab: HostInMemory) -> list[Object]:
    """Return frames as they would be on any host."""
    text = json.dumps(frames).replace(lab.store.epoch, "EPOCH")
    return list(json.loads(text))


def test_stdio_frames_equal_websocket_frames() -> None:
    wire = Wire(body=MIB, mux_message=MIB)
    socket = Socket(wire, path="/")
    play(wire.lab, lambda said: socket.say(masked(TEXT, said)))
    lab = HostInMemory(mux_message=MIB)
    pipes = Pipes(lab)
    play(lab, pipes.say)
    expected = shown(socket.messages, wire.lab)
    assert shown(pipes.frames, lab) == expected
    answers = [one for one in expected if one["type"] == "response"]
    assert len(answers) == len(SCRIPT)


def test_client_that_does_not_read_is_not_read_from() -> None:
    lab = HostInMemory()
    pipes = Pipes(lab)
    pipes.say(SCRIPT[0])
    settle(lab)
    pipes.say(SCRIPT[1])
    settle(lab)
    pipes.transport.producer.pauseProducing()  # type: ignore[union-attr]
    assert pipes.transport.producerState == "paused"
    before = len(pipes.frames)
    lab.mux.clients.broadcast(b'{"type":"news"}')
    lab.drivers.last.reports.report_event(MessageDeltaEvent(item="1", text="hi"))
    settle(lab)
    assert len(pipes.frames) == before
    pipes.transport.producer.resumeProducing()  # type: ignore[union-attr]
    gap, *_, event = pipes.frames[before:]
    assert gap == {"type": "gap", "reason": "slow", "missed": 1}
    assert event["event"]["assistantMessageEvent"]["delta"] == "hi"


def test_end_of_input_waits_for_answers() -> None:
    lab = HostInMemory()
    pipes = Pipes(lab)
    for text in SCRIPT[:3]:
        pipes.say(text)
        settle(lab)
    pipes.pipe.readConnectionLost()
    assert pipes.is_open()
    lab.drivers.last.reports.turn_ended("completed")
    settle(lab)
    assert not pipes.is_open()
    assert pipes.frames[-1]["command"] == "prompt"
    pipes.pipe.connectionLost()
    assert is_done(pipes.pipe.closed)
    assert lab.mux.clients.connected == {}


def test_excess_stdio_client_is_refused() -> None:
    lab = HostInMemory(mux_connections=1)
    Pipes(lab)
    assert Pipes(lab).transport.disconnecting


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_lines_are_read_however_they_arrive(size: int) -> None:
    lines: list[bytes] = []
    sizes: list[int] = []
    commands = CommandLines(10, lines.append, sizes.append)
    data = b"one\n\n" + b"x" * 25 + b"\n  \ntwo\n" + b"y" * 10 + b"\ntail"
    for at in range(0, len(data), size):
        commands.receive(data[at : at + size])
    commands.flush()
    assert lines == [b"one", b"two", b"y" * 10, b"tail"]
    assert sizes == [25]
