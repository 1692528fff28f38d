"""How long a connection is waited for: for its header, its body, its next request, its end."""

from __future__ import annotations

import pytest
from twisted.logger import capturedLogs

from sxhost.model.limits import Limits
from tests.host.http.test_site import GET, Connection, Wire
from tests.support.http_bytes import BODY, chunked, get, post, replies
from tests.support.websocket_clients import Socket

LIMITS = Limits()


@pytest.fixture
def wire() -> Wire:
    return Wire(body=LIMITS.body, large_body=LIMITS.large_body)


def statuses(client: Connection) -> list[int]:
    return [reply.status for reply in replies(client.got)]


def pass_time(wire: Wire, seconds: float) -> None:
    """Move the clock as it moves: not in one step."""
    wire.lab.clock.pump([0.5] * int(seconds * 2))


def test_trickling_header_times_out_after_ten_seconds(wire: Wire) -> None:
    client = wire.connect()
    for byte in b"GET /health HTTP/1.1\r\nX: aaaa"[:19]:
        client.say(bytes([byte]))
        pass_time(wire, 0.5)
    assert (client.got, client.open) == (b"", True)
    pass_time(wire, 0.5)
    (reply,) = replies(client.got)
    assert (reply.status, reply.json["error"]) == (408, "request_timeout")
    assert reply.headers["connection"] == "close"
    pass_time(wire, LIMITS.linger)
    assert not client.open


def test_silent_connection_is_closed_without_an_answer(wire: Wire) -> None:
    client = wire.connect()
    pass_time(wire, LIMITS.header_within)
    assert (client.got, client.open) == (b"", False)


def test_empty_line_does_not_extend_the_header_deadline(wire: Wire) -> None:
    client = wire.connect()
    pass_time(wire, 9)
    client.say(b"\r\n")
    pass_time(wire, 1)
    assert not client.open


def test_idle_connection_is_kept_for_a_while(wire: Wire) -> None:
    client = wire.connect(GET)
    pass_time(wire, LIMITS.idle - 1)
    client.say(GET)
    assert statuses(client) == [200, 200]
    pass_time(wire, LIMITS.idle - 1)
    assert client.open
    pass_time(wire, 1)
    assert not client.open


def test_next_header_times_out_ten_seconds_after_its_first_byte(wire: Wire) -> None:
    client = wire.connect(GET)
    pass_time(wire, 70)
    client.say(GET[:5])
    pass_time(wire, 9.5)
    assert statuses(client) == [200]
    client.say(GET[5:] + GET[:5])
    assert statuses(client) == [200, 200]
    pass_time(wire, 9.5)
    assert client.open
    client.say(GET[5:9])
    pass_time(wire, 0.5)
    assert statuses(client) == [200, 200, 408]


def test_unread_answer_is_no_idleness(wire: Wire) -> None:
    client = wire.connect(GET)
    client.protocol.pauseProducing()  # the transport's buffers are full
    pass_time(wire, 3 * LIMITS.idle)
    assert client.open
    client.protocol.resumeProducing()
    pass_time(wire, LIMITS.idle)
    assert not client.open


def test_stalled_body_is_refused_after_half_a_minute(wire: Wire) -> None:
    client = wire.connect(post(b"Content-Length: 1000"))
    pass_time(wire, LIMITS.body_within - 0.5)
    assert (client.got, client.open) == (b"", True)
    pass_time(wire, 0.5)
    assert statuses(client) == [408]
    pass_time(wire, LIMITS.linger)
    assert not client.open


def test_slow_steady_body_is_accepted(wire: Wire) -> None:
    size = 200_000
    client = wire.connect(post(b"Content-Length: %d" % size, body=b""))
    for _ in range(size // 1000):
        pass_time(wire, 0.5)
        client.say(b"x" * 1000)
    assert (wire.lab.clock.seconds(), statuses(client)) == (100, [400])
    assert replies(client.got)[0].json["error"] == "bad_json"


def test_body_below_the_minimum_rate_is_refused(wire: Wire) -> None:
    client = wire.connect(chunked(b"8000\r\n" + b"x" * 0x8000 + b"\r\n"))
    pass_time(wire, 31.5)
    assert client.got == b""
    pass_time(wire, 0.5)  # 32 KiB are 32 s
    assert statuses(client) == [408]


def test_body_of_a_byte_a_second_is_refused(wire: Wire) -> None:
    client = wire.connect(post(b"Content-Length: 1000", body=b""))
    for _ in range(29):
        client.say(b"x")
        pass_time(wire, 1)
    assert client.got == b""
    pass_time(wire, 1)
    assert statuses(client) == [408]


def test_long_answer_has_no_deadline(wire: Wire) -> None:
    wire.lab.request("POST", "/sessions/a/register")
    pull = wire.connect(get(line=b"GET /sessions/a/messages?wait=300 HTTP/1.1"))
    stream = wire.connect(get(line=b"GET /sessions/a/events?follow=1 HTTP/1.1"))
    live = Socket(wire)
    pass_time(wire, 20)
    live.say(b"\x8a\x80\0\0\0\0")
    pass_time(wire, 279)
    assert pull.got == b""
    assert (pull.open, stream.open) == (True, True)
    pass_time(wire, 1)
    assert statuses(pull) == [200]


def test_idle_deadline_begins_after_a_long_answer(wire: Wire) -> None:
    wire.lab.request("POST", "/sessions/a/register")
    client = wire.connect(get(line=b"GET /sessions/a/messages?wait=200 HTTP/1.1"))
    pass_time(wire, 200 + LIMITS.idle - 1)
    client.say(GET)
    assert statuses(client) == [200, 200]


def test_deadlines_are_those_of_the_limits() -> None:
    wire = Wire(header_within=1.0, body_within=2.0, idle=3.0)
    head, body, idle = wire.connect(b"G"), wire.connect(post(body=b"")), wire.connect(GET)
    body = wire.connect(post(b"Content-Length: 9", body=b""))
    pass_time(wire, 1)
    assert statuses(head) == [408]
    pass_time(wire, 1)
    assert statuses(body) == [408]
    pass_time(wire, 1)
    assert not idle.open


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"GET",
        GET,
        post(b"Content-Length: 99"),
        get(b"Host: x"),
        GET + b"G",
        post(body=BODY),
    ],
)
def test_closed_connection_leaves_no_timer(wire: Wire, message: bytes) -> None:
    client = wire.connect(message)
    client.release()
    assert [
        call for call in wire.lab.clock.getDelayedCalls() if "deliver" not in repr(call)
    ] == []
    assert (wire.site.connections, wire.site.admission.open) == (set(), 0)


def test_reason_of_a_deadline_close_is_logged(wire: Wire) -> None:
    from sxhost.logs import set_level

    set_level("debug")
    try:
        with capturedLogs() as events:
            wire.connect()
            pass_time(wire, 10)
    finally:
        set_level("info")
    assert [e["why"] for e in events if "why" in e] == ["it asked for nothing"]
