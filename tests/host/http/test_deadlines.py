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
    return Wire(body=LIMITS.body)


def statuses(client: Connection) -> list[int]:
    return [reply.status for reply in replies(client.got)]


def pass_time(wire: Wire, seconds: float) -> None:
    """Move the clock as it moves: not in one step."""
    wire.lab.clock.pump([0.5] * int(seconds * 2))


def test_a_header_has_ten_seconds_in_all_however_it_trickles(wire: Wire) -> None:
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


def test_whoever_asks_for_nothing_is_let_go_without_a_word(wire: Wire) -> None:
    client = wire.connect()
    pass_time(wire, LIMITS.header_within)
    assert (client.got, client.open) == (b"", False)


def test_an_empty_line_gains_no_time(wire: Wire) -> None:
    client = wire.connect()
    pass_time(wire, 9)
    client.say(b"\r\n")
    pass_time(wire, 1)
    assert not client.open


def test_a_connection_is_kept_for_its_next_request_for_a_while(wire: Wire) -> None:
    client = wire.connect(GET)
    pass_time(wire, LIMITS.idle - 1)
    client.say(GET)
    assert statuses(client) == [200, 200]
    pass_time(wire, LIMITS.idle - 1)
    assert client.open
    pass_time(wire, 1)
    assert not client.open


def test_the_next_header_has_ten_seconds_from_its_first_byte(wire: Wire) -> None:
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


def test_an_answer_that_is_not_taken_yet_is_no_idleness(wire: Wire) -> None:
    client = wire.connect(GET)
    client.protocol.pauseProducing()  # the transport's buffers are full
    pass_time(wire, 3 * LIMITS.idle)
    assert client.open
    client.protocol.resumeProducing()
    pass_time(wire, LIMITS.idle)
    assert not client.open


def test_a_body_that_stops_is_refused_after_half_a_minute(wire: Wire) -> None:
    client = wire.connect(post(b"Content-Length: 1000"))
    pass_time(wire, LIMITS.body_within - 0.5)
    assert (client.got, client.open) == (b"", True)
    pass_time(wire, 0.5)
    assert statuses(client) == [408]
    pass_time(wire, LIMITS.linger)
    assert not client.open


def test_a_slow_body_may_come_as_long_as_it_comes(wire: Wire) -> None:
    size = 200_000
    client = wire.connect(post(b"Content-Length: %d" % size, body=b""))
    for _ in range(size // 1000):
        pass_time(wire, 0.5)
        client.say(b"x" * 1000)
    assert (wire.lab.clock.seconds(), statuses(client)) == (100, [400])
    assert replies(client.got)[0].json["error"] == "bad_json"


def test_a_body_that_falls_behind_is_refused_when_it_has(wire: Wire) -> None:
    client = wire.connect(chunked(b"8000\r\n" + b"x" * 0x8000 + b"\r\n"))
    pass_time(wire, 31.5)
    assert client.got == b""
    pass_time(wire, 0.5)  # 32 KiB are 32 s
    assert statuses(client) == [408]


def test_a_body_of_a_byte_a_second_is_refused(wire: Wire) -> None:
    client = wire.connect(post(b"Content-Length: 1000", body=b""))
    for _ in range(29):
        client.say(b"x")
        pass_time(wire, 1)
    assert client.got == b""
    pass_time(wire, 1)
    assert statuses(client) == [408]


def test_what_is_answered_is_waited_for_as_long_as_it_takes(wire: Wire) -> None:
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


def test_after_a_long_answer_the_next_request_is_waited_for(wire: Wire) -> None:
    wire.lab.request("POST", "/sessions/a/register")
    client = wire.connect(get(line=b"GET /sessions/a/messages?wait=200 HTTP/1.1"))
    pass_time(wire, 200 + LIMITS.idle - 1)
    client.say(GET)
    assert statuses(client) == [200, 200]


def test_the_limits_are_those_that_are_set() -> None:
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
    "said",
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
def test_whoever_leaves_leaves_nothing_to_be_done(wire: Wire, said: bytes) -> None:
    client = wire.connect(said)
    client.release()
    assert [
        call for call in wire.lab.clock.getDelayedCalls() if "deliver" not in repr(call)
    ] == []
    assert (wire.site.connections, wire.site.admission.open) == (set(), 0)


def test_the_reason_of_a_close_is_logged(wire: Wire) -> None:
    from sxhost.logs import set_level

    set_level("debug")
    try:
        with capturedLogs() as events:
            wire.connect()
            pass_time(wire, 10)
    finally:
        set_level("info")
    assert [e["why"] for e in events if "why" in e] == ["it asked for nothing"]
