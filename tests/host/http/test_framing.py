"""Where a request begins and ends: what is in doubt is refused, with all behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs

from sxhost.http.authentication import FORWARDED
from sxhost.http.framing import END_TO_END, read_head
from sxhost.model.limits import Limits
from tests.host.http.test_site import Connection, Wire
from tests.support.http_bytes import (  # fmt: skip
    ACCEPTED,
    CL,
    CLOSING,
    NEXT,
    REFUSED,
    SEEDS,
    SPICE,
    Reply,
    check,
    chunked,
    get,
    post,
    replies,
)
from tests.support.websocket_clients import request


@pytest.fixture(scope="module")
def wire() -> Wire:
    """One host for all: whatever was said to it, the next one finds it as it was."""
    return Wire(body=100_000, large_body=100_000)


@pytest.fixture
def fresh() -> Wire:
    return Wire()


def spoken(client: Connection) -> list[Reply]:
    return replies(client.got)


# The table.


def is_in_our_shape(reply: Reply, status: int, code: str) -> bool:
    assert reply.json.keys() >= {"ok", "error", "message"}
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["connection"] == "close"
    return (reply.status, reply.json["error"]) == (status, code)


@pytest.mark.parametrize(("message", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_ambiguous_framing_is_refused_and_closes_the_connection(
    wire: Wire, message: bytes, status: int, code: str
) -> None:
    client = wire.connect(message + NEXT)
    client.say(NEXT)
    (reply,) = spoken(client)
    assert is_in_our_shape(reply, status, code)
    wire.lab.clock.advance(wire.lab.limits.linger)
    assert not client.open
    wire.lab.clock.advance(0)
    assert list(left_over(wire)) == []


@pytest.mark.parametrize(("message", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_ambiguous_framing_is_refused_byte_by_byte(
    wire: Wire, message: bytes, status: int, code: str
) -> None:
    client = wire.connect()
    step = max(len(message) // 300, 1)
    for at in range(0, len(message), step):
        client.say(message[at : at + step])
    client.say(NEXT)
    (reply,) = spoken(client)
    assert is_in_our_shape(reply, status, code)
    client.release()


@pytest.mark.parametrize("message", ACCEPTED.values(), ids=ACCEPTED)
def test_clear_framing_is_answered_and_so_is_the_next_request(
    wire: Wire, message: bytes
) -> None:
    client = wire.connect(message + NEXT)
    assert [reply.status for reply in spoken(client)] == [200, 200]
    assert spoken(client)[0].json["ok"]
    assert client.open
    client.release()


@pytest.mark.parametrize("message", ACCEPTED.values(), ids=ACCEPTED)
def test_clear_framing_is_answered_byte_by_byte(wire: Wire, message: bytes) -> None:
    client = wire.connect()
    for byte in message + NEXT:
        client.say(bytes([byte]))
    assert [reply.status for reply in spoken(client)] == [200, 200]
    client.release()


@pytest.mark.parametrize("message", CLOSING.values(), ids=CLOSING)
@pytest.mark.parametrize("whole", [True, False])
def test_connection_close_is_answered_and_nothing_behind_it(
    wire: Wire, message: bytes, whole: bool
) -> None:
    behind = get(line=b"DELETE /sessions/a HTTP/1.1")
    wire.lab.request("POST", "/sessions/a/events", {"event": "x"})
    client = wire.connect(message + behind if whole else b"")
    for byte in b"" if whole else message + behind:
        client.say(bytes([byte]))
    (reply,) = spoken(client)
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert not client.open
    assert wire.lab.request("GET", "/sessions/a").status == 200


@pytest.mark.parametrize("method", ["DELETE", "HEAD", "GET", "POST"])
@pytest.mark.parametrize("change", [str.lower, str.title, str.swapcase])
def test_method_names_are_case_sensitive(
    wire: Wire, method: str, change: Callable[[str], str]
) -> None:
    """A proxy's rule against DELETE does not meet ``delete``; nor may a route of ours."""
    for route in wire.lab.routes:
        path = route.path.replace("<", "").replace(">", "").encode()
        client = wire.connect(get(line=b"%s %s HTTP/1.1" % (change(method).encode(), path)))
        assert (client.status, client.body["error"]) == (501, "not_implemented")
        client.release()


@pytest.mark.parametrize(
    "message",
    [
        get(),
        get(line=b"GET /nowhere HTTP/1.1"),
        get(line=b"OPTIONS /health HTTP/1.1"),
        get(line=b"TRACE / HTTP/1.1"),
        get(line=b"GET / HTTP/0.9"),
        get(b"Host: x"),
        get(b"Origin: http://evil.test"),
        post(b"Content-Length: 1", body=b"{"),
        post(b"Content-Length: 99999999"),
        request(),
    ],
)
def test_answers_have_no_server_header(fresh: Wire, message: bytes) -> None:
    client = fresh.connect(message)
    assert client.got.startswith(b"HTTP/1.")
    assert b"server" not in client.got.lower().partition(b"\r\n\r\n")[0]
    assert b"twisted" not in client.got.lower()


def test_proxy_headers_are_joined() -> None:
    assert END_TO_END.issuperset(name.decode() for name in FORWARDED)


def test_http_1_0_needs_no_host_header_and_has_one_request(wire: Wire) -> None:
    client = wire.connect(get(line=b"GET /health HTTP/1.0", host=b"") + NEXT)
    assert [reply.status for reply in spoken(client)] == [200]
    assert not client.open


def test_refused_head_has_no_body(wire: Wire) -> None:
    client = wire.connect(get(b"Host: x", line=b"HEAD /health HTTP/1.1"))
    assert client.status == 400
    assert client.got.endswith(b"\r\n\r\n")
    client.release()


def test_refused_upload_with_malformed_chunks_is_refused_once(wire: Wire) -> None:
    client = wire.connect(chunked(b"20000\r\n" + b"x" * 0x20000 + b"\r\n"))
    client.say(b"nonsense\r\n" + NEXT)
    assert [reply.status for reply in spoken(client)] == [413]
    assert not client.open


def test_endless_header_line_is_refused_at_once(wire: Wire) -> None:
    bare = wire.connect(b"GET /health HTTP/1.1\n")
    begun = wire.connect(b"GET /health HTTP/1.1\r\nHost: x\r")
    assert (bare.status, begun.got) == (400, b"")
    for client in (bare, begun):
        client.release()


def test_framing_refusals_are_logged_and_counted(fresh: Wire) -> None:
    with capturedLogs() as events:
        fresh.connect(get(b"Host: x"))
    assert [(e["uri"], e["status"]) for e in events if "status" in e] == [("/health", 400)]
    figures = fresh.lab.request("GET", "/metrics").body
    assert b'{method="GET",route="",status="400"} 1.0' in figures


def test_unknown_methods_are_counted_as_one(fresh: Wire) -> None:
    for name in (b"BREW", b"WHEN"):
        fresh.connect(get(line=name + b" /health HTTP/1.1"))
    assert b'{method="other",route="",status="501"} 2.0' in (
        fresh.lab.request("GET", "/metrics").body
    )


def test_request_target_is_normalized() -> None:
    for target, usual in ((b"http://x", b"/"), (b"http://x?y=z", b"/?y=z"), (b"/a", b"/a")):
        head = read_head(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target, Limits())
        assert head.target == usual


# Mutations.


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a request with bytes flipped, inserted and cut."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["flip", "insert", "cut"]))
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "insert":
            data[at:at] = draw(st.one_of(st.sampled_from(SPICE), st.binary(max_size=4)))
        else:
            del data[at : at + draw(st.integers(1, 8))]
    return bytes(data)


@settings(max_examples=500)
@given(message=mutated(), cut=st.integers(0, 200))
@example(message=post(CL), cut=30)
def test_mutated_request_is_never_answered_twice_or_with_a_500(
    wire: Wire, message: bytes, cut: int
) -> None:
    client = wire.connect(message[:cut])
    client.say(message[cut:] + NEXT)
    check(message + NEXT, spoken(client))
    client.release()
    wire.lab.clock.advance(3)
    assert list(left_over(wire)) == []


def left_over(wire: Wire) -> Iterator[object]:
    """Return what is still to happen, but for deliveries."""
    for call in wire.lab.clock.getDelayedCalls():
        if "deliver" not in repr(call):
            yield call
