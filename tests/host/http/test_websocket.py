"""A WebSocket: its pings, its deadlines and its end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sxhost.http.websocket import CLOSE_WITHIN_S, PING_EVERY_S, PONG_WITHIN_S
from sxhost.testing import is_done, started
from tests.host.http.test_site import Wire
from tests.support.websocket_clients import (  # fmt: skip
    CLOSE,
    MIB,
    PONG,
    TEXT,
    Socket,
    closing,
    fire,
    masked,
    ours,
)

KIB = 1024


@pytest.fixture
def wire() -> Wire:
    wire = Wire(body=MIB)
    for session_id in "aab":
        fire(wire, session_id, "thinking")
    return wire


@pytest.fixture
def socket(wire: Wire) -> Socket:
    return Socket(wire)


# The end.


def test_disconnected_websocket_is_forgotten(wire: Wire, socket: Socket) -> None:
    socket.subscribe(after="now")
    socket.subscribe(after="now", id="x")
    assert wire.lab.notifier.subscribers == 2
    socket.http.transport.loseConnection()
    wire.lab.clock.advance(0)
    assert wire.lab.notifier.subscribers == 0
    assert wire.site.connections == set()
    assert ours(wire) == []


def test_close_frame_is_answered(wire: Wire, socket: Socket) -> None:
    socket.subscribe(after="now")
    socket.say(closing(1000, b"bye"))
    assert socket.closed == 1000
    assert not socket.http.open
    wire.lab.clock.advance(0)
    assert wire.lab.notifier.subscribers == 0
    assert wire.site.connections == set()


def test_unanswered_ping_closes_the_connection(wire: Wire, socket: Socket) -> None:
    socket.subscribe(after="now")
    wire.lab.clock.advance(PING_EVERY_S)
    (ping,) = socket.pings
    socket.say(masked(PONG, ping))
    wire.lab.clock.advance(PING_EVERY_S)
    assert len(socket.pings) == 2
    wire.lab.clock.advance(PONG_WITHIN_S)
    assert not socket.http.open
    wire.lab.clock.advance(0)
    assert wire.lab.notifier.subscribers == 0


def trickle(wire: Wire, socket: Socket, data: bytes, *, size: int, every: float) -> None:
    """Say something slowly."""
    for at in range(0, len(data), size):
        if socket.http.open:
            socket.say(data[at : at + size])
            wire.lab.clock.pump([0.5] * int(every * 2))


HELLO = json.dumps({"subscribe": {"after": "now"}}).encode()


@pytest.mark.parametrize(("size", "every"), [(2 * KIB, 1), (20 * KIB, 9)])
def test_slow_message_is_waited_for_while_it_comes(
    wire: Wire, socket: Socket, size: int, every: float
) -> None:
    """A slow link may need minutes for a message, and cannot answer pings within it."""
    text = masked(TEXT, HELLO.ljust(500 * KIB))
    trickle(wire, socket, text, size=size, every=every)
    assert (socket.kinds[0], socket.closed, socket.http.open) == ("hello", None, True)


def test_trickling_message_is_refused(wire: Wire, socket: Socket) -> None:
    trickle(wire, socket, masked(TEXT, HELLO.ljust(500 * KIB)), size=500, every=1)
    assert (socket.closed, socket.messages) == (1008, [])
    wire.lab.clock.advance(CLOSE_WITHIN_S)
    wire.lab.clock.advance(0)
    assert wire.site.connections == set()
    assert ours(wire) == []


def test_silence_within_a_message_closes_the_connection(wire: Wire, socket: Socket) -> None:
    socket.say(masked(TEXT, HELLO.ljust(500 * KIB))[: 400 * KIB])
    silent_for = 0.0
    while socket.http.open:
        wire.lab.clock.advance(0.5)
        silent_for += 0.5
    assert PING_EVERY_S < silent_for <= PING_EVERY_S + PONG_WITHIN_S


def test_each_message_has_its_own_deadline(wire: Wire, socket: Socket) -> None:
    text = masked(TEXT, b"{}") * 40
    socket.say(text[:3])
    trickle(wire, socket, text[3:], size=len(text) // 40, every=5)
    assert (socket.http.open, len(socket.messages)) == (True, 40)


def test_messages_count_as_pongs(wire: Wire, socket: Socket) -> None:
    trickle(wire, socket, masked(TEXT, b"{}") * 40, size=len(masked(TEXT, b"{}")), every=5)
    assert (socket.http.open, len(socket.messages)) == (True, 40)
    assert len(socket.pings) == 40 * 5 // PING_EVERY_S
    wire.lab.clock.pump([0.5] * 2 * (PING_EVERY_S + PONG_WITHIN_S))
    assert not socket.http.open


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (masked(CLOSE, b"\x03"), 1002),
        *((closing(n), 1002) for n in (0, 999, 1004, 1005, 1006, 1016, 2999, 5000)),
        (closing(1000, b"\xce"), 1007),
        (closing(1000, b"\xce") + closing(1000), 1007),
        (masked(TEXT, b"\xff") + closing(1007), 1007),
    ],
)
def test_malformed_close_frame_is_answered(
    wire: Wire, socket: Socket, message: bytes, code: int
) -> None:
    socket.say(message)
    assert (socket.closed, socket.http.open, socket.transport.aborted) == (code, False, False)
    wire.lab.clock.advance(0)
    assert ours(wire) == []


def test_long_reason_of_a_close_is_cut(wire: Wire, socket: Socket) -> None:
    socket.protocol.close(4000, "é" * 100)
    assert socket.closed == 4000
    assert socket.frames[-1].payload[2:].decode() == "é" * 61


def test_stop_ends_subscriptions_and_then_the_connection(wire: Wire, socket: Socket) -> None:
    idle = Socket(wire)
    socket.subscribe(after="now")
    drained = stop(wire)
    assert socket.messages[-1] == {
        "frame": "end", "reason": "the host is stopping", "reconnect": True,
    }  # fmt: skip
    for client in (socket, idle):
        assert client.closed == 1001
        client.say(closing(1001))
    assert not is_done(drained)
    wire.lab.clock.advance(0)
    assert is_done(drained)


def stop(wire: Wire) -> Any:
    wire.lab.notifier.close()
    return started(wire.site.drain())


def test_stop_does_not_wait_for_a_silent_client(wire: Wire, socket: Socket) -> None:
    drained = stop(wire)
    wire.lab.clock.advance(CLOSE_WITHIN_S)
    wire.lab.clock.advance(0)
    assert is_done(drained)
    assert wire.lab.limits.stop_within > CLOSE_WITHIN_S


def test_nothing_begins_during_the_stop(wire: Wire, socket: Socket) -> None:
    stop(wire)
    socket.forget()
    socket.subscribe(after="now")
    fire(wire, "a")
    assert socket.frames == []
    assert wire.lab.notifier.subscribers == 0
