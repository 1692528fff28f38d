"""A right ends when it ends: on every route that lasts, and for every command that waits."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from twisted.internet.defer import Deferred

from sxhost.http.router import make_tree
from sxhost.http.routes import SSE, Route
from sxhost.http.websocket import POLICY_VIOLATION
from sxhost.testing import UID, FakeDriver, FakeDrivers, HostInMemory
from tests.host.http.test_http_authentication import Gate, bearer
from tests.host.http.test_http_router import path_of
from tests.host.http.test_site import Connection
from tests.support.websocket_clients import CLOSE, TEXT, frames_in, masked

UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
LAST_S = 10.0
"""Seconds that the tokens of these tests last."""


class Asks(NamedTuple):
    """How a route is asked so that its answer lasts."""

    query: str = ""
    body: Any = None
    path: str = ""


HOOK = {
    "session_id": "hooked",
    "hook_event_name": "PermissionRequest",
    "tool_name": "Bash",
    "tool_input": {"command": "make"},
}
MESSAGE = {"type": "user_message", "message": "go", "id": "other"}

LASTING: dict[tuple[str, str], Asks] = {
    ("GET", "/sessions/<session_id>/events"): Asks("?follow=1"),
    ("GET", "/events"): Asks("?follow=1"),
    ("GET", "/sessions/<session_id>/messages"): Asks("?wait=60"),
    ("POST", "/messages"): Asks(body=MESSAGE),
    ("GET", "/messages/<request_id>"): Asks(path="/messages/r"),
    ("POST", "/hooks/claude"): Asks("?wait=60", HOOK),
    ("POST", "/hooks/codex"): Asks("?wait=60", {**HOOK, "session_id": "other"}),
    ("GET", "/v1/stream"): Asks(),
    ("GET", "/sessions/<session_id>/stream"): Asks(),
    ("GET", "/v1/codexd/events"): Asks(),
    ("GET", "/ws"): Asks(),
    ("GET", "/"): Asks(),
}


def lasts(route: Route) -> bool:
    """Tell whether an answer of this route may last."""
    waits = {"follow", "wait"} & route.query_names
    return route.status == 101 or route.produces == SSE or bool(waits)


ROUTES = [route for route in HostInMemory().routes if lasts(route)]


def test_every_long_route_is_tested() -> None:
    assert {(route.method, route.path) for route in ROUTES} == set(LASTING)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    gate = Gate(tmp_path, drivers=FakeDrivers(codex=FakeDriver(), fake=FakeDriver()))
    gate.lab.request("POST", "/sessions/a/register")
    begin = {**MESSAGE, "id": "r"}
    gate.lab.begin("POST", "/messages", begin)
    settle(gate)
    return gate


def settle(gate: Gate) -> None:
    for _ in range(10):
        gate.lab.clock.advance(0.005)


def opened(gate: Gate, route: Route, token: str) -> Connection:
    """Ask so that the answer lasts."""
    asks = LASTING[route.method, route.path]
    body = b"" if asks.body is None else json.dumps(asks.body).encode()
    headers = [bearer(token), f"Accept: {route.produces}"]
    headers += [f"Content-Length: {len(body)}"] if body else []
    headers += UPGRADE if route.status == 101 else []
    path = (asks.path or path_of(route)) + asks.query
    client = gate.ask(path, *headers, method=route.method, uid=None)
    if body:
        client.say(body)
    settle(gate)
    assert is_open(client), client.got
    return client


def is_open(client: Connection) -> bool:
    """Tell whether an answer goes on."""
    if b" 101 " in client.got[:20]:
        return code_of(client) is None and client.open
    return bool(client.protocol.requests)


def code_of(client: Connection) -> tuple[int, bytes] | None:
    """Return code and reason of a WebSocket's close frame."""
    frames = frames_in(client.got.partition(b"\r\n\r\n")[2])
    payloads = [frame.payload for frame in frames if frame.opcode == CLOSE]
    return (struct.unpack("!H", payloads[0][:2])[0], payloads[0][2:]) if payloads else None


def revoke(gate: Gate, token: str) -> str:
    gate.ask(f"/tokens/{token.split('_')[1]}", method="DELETE")
    return "token_revoked"


def rotate(gate: Gate, _token: str) -> str:
    gate.ask("/tokens/admin/rotate", method="POST")
    return "token_rotated"


def expire(gate: Gate, _token: str) -> str:
    gate.lab.clock.advance(LAST_S)
    return "token_expired"


ENDINGS: list[Callable[[Gate, str], str]] = [revoke, rotate, expire]


def token_for(gate: Gate, end: Callable[[Gate, str], str]) -> str:
    """Return a token that may do everything, until it is ended so."""
    if end is rotate:
        return gate.own
    return gate.token("admin", expires_s=LAST_S if end is expire else None)


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path} {r.produces}")
def test_long_request_ends_with_its_token(
    gate: Gate, route: Route, end: Callable[[Gate, str], str]
) -> None:
    token, notifier = token_for(gate, end), gate.lab.notifier
    before = notifier.subscribers, notifier.topics.waiting
    client = opened(gate, route, token)
    why = end(gate, token)
    assert not is_open(client)
    if route.status == 101:
        assert code_of(client) == (POLICY_VIOLATION, why.encode())
    elif client.status == 200:
        assert why.encode() in client.got
        assert client.got.endswith(b"0\r\n\r\n")
    else:
        assert (client.status, client.body["error"]) == (401, "unauthorized")
    shown = client.got
    gate.lab.request("POST", "/sessions/a/events", {"event": "secret"})
    settle(gate)
    assert client.got == shown
    gate.lab.clock.advance(3)  # a closing handshake that is not answered
    assert (notifier.subscribers, notifier.topics.waiting) == before


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path} {r.produces}")
def test_long_request_of_another_token_continues(gate: Gate, route: Route) -> None:
    gone, stays = gate.token("admin"), gate.token("admin", expires_s=1000.0)
    client = opened(gate, route, stays)
    revoke(gate, gone)
    rotate(gate, gone)
    assert is_open(client)
    gate.ask("/tokens", bearer(stays))
    revoke(gate, stays)
    assert not is_open(client)


def test_any_read_ends_with_its_token(gate: Gate) -> None:
    async def forever() -> str:
        await Deferred()
        return ""

    routes = [Route("GET", "/forever", forever, "Wait.", scope="read")]
    site = gate.lab.site()
    site.resource = make_tree(routes, gate.lab.limits)
    gate.site, site.authenticator = site, gate.site.authenticator
    token = gate.token("read")
    client = gate.ask("/forever", bearer(token), uid=None)
    assert is_open(client)
    gate.lab.keyring.revoke(token.split("_")[1])
    assert (client.status, client.body["message"][:22]) == (401, "The token was revoked.")


def test_rotating_ones_own_token_is_answered(gate: Gate) -> None:
    token = gate.token("admin")
    gone = gate.ask(f"/tokens/{token.split('_')[1]}", bearer(token), method="DELETE", uid=None)
    assert (gone.status, gone.body) == (200, {"ok": True})
    rotated = gate.ask("/tokens/admin/rotate", bearer(gate.own), method="POST", uid=None)
    assert (rotated.status, rotated.body) == (200, {"ok": True})


def test_waiting_pull_takes_nothing_after_its_tokens_end(gate: Gate) -> None:
    token = gate.token("send")
    client = gate.ask("/sessions/a/messages?wait=60", bearer(token), uid=None)
    revoke(gate, token)
    gate.lab.request("POST", "/sessions/a/messages", {"content": "hi"})
    assert client.status == 401
    assert [m["state"] for m in gate.ask("/sessions/a/messages?peek=1").body] == ["queued"]


def test_body_that_arrives_after_the_tokens_end_does_nothing(gate: Gate) -> None:
    token, body = gate.token("send"), b'{"content":"hi"}'
    length = f"Content-Length: {len(body)}"
    client = gate.ask("/sessions/a/messages", bearer(token), length, method="POST", uid=None)
    revoke(gate, token)
    client.say(body)
    assert (client.status, client.body["error"]) == (401, "unauthorized")
    assert gate.ask("/sessions/a/messages?peek=1").body == []


def test_wall_clock_jump_expires_a_token(gate: Gate) -> None:
    """The timer waits for the monotonic clock, and looks at the wall clock each minute."""
    token = gate.token("read", expires_s=86_400.0)
    client = gate.ask("/events?follow=1", bearer(token), uid=None)
    gate.lab.ahead_ms = 86_400_000
    gate.lab.clock.advance(60)
    assert not is_open(client)


# Commands.


class Commands:
    """A client of the multiplexer behind the gate."""

    def __init__(self, gate: Gate, token: str, *headers: str) -> None:
        self.gate = gate
        given = (bearer(token), *UPGRADE, *headers)
        self.http = gate.ask("/ws", *given, uid=None)

    def say(self, kind: str, **fields: Any) -> None:
        text = masked(TEXT, json.dumps({"type": kind, **fields}).encode())
        protocol: Any = self.http.transport.protocol
        protocol.dataReceived(text)
        settle(self.gate)

    @property
    def answers(self) -> list[Any]:
        frames = frames_in(self.http.got.partition(b"\r\n\r\n")[2])
        reported = [json.loads(frame.payload) for frame in frames if frame.opcode == TEXT]
        return [one for one in reported if one["type"] == "response"]


def test_mux_command_after_the_tokens_end_is_not_done(gate: Gate) -> None:
    token = gate.token("admin")
    client = Commands(gate, token)
    client.say("create_session", sessionId="s", agent="fake")
    assert client.answers[-1]["success"]
    revoke(gate, token)
    client.say("create_session", sessionId="t", agent="fake")
    assert not gate.lab.service.knows("t")


def test_queued_mux_command_at_the_tokens_end_is_not_done(gate: Gate) -> None:
    driver, token = gate.lab.drivers.by_agent["fake"], gate.token("admin")
    driver.slow = Deferred()
    client = Commands(gate, token)
    client.say("create_session", sessionId="s", agent="fake")  # this holds the lane
    client.say("prompt", sessionId="s", message="x")
    revoke(gate, token)
    driver.slow.callback(None)
    settle(gate)
    assert [did[0] for did in driver.agents[-1].did] == ["start"]


def test_paused_mux_command_at_the_tokens_end_is_not_done(gate: Gate) -> None:
    token = gate.token("admin")
    client = Commands(gate, token)
    producer = client.http.transport.producer
    assert producer is not None
    producer.pauseProducing()
    client.say("create_session", sessionId="s", agent="fake")
    revoke(gate, token)
    producer.resumeProducing()
    settle(gate)
    assert not gate.lab.service.knows("s")


def test_mux_command_after_a_clock_jump_is_not_done(gate: Gate) -> None:
    client = Commands(gate, gate.token("admin", expires_s=1000.0))
    gate.lab.ahead_ms = 1_000_000
    client.say("create_session", sessionId="s", agent="fake")
    assert not gate.lab.service.knows("s")
    assert code_of(client.http) == (POLICY_VIOLATION, b"token_expired")


def test_hosts_user_has_no_token_to_end(gate: Gate) -> None:
    client = gate.ask("/events?follow=1", uid=UID)
    rotate(gate, "")
    assert is_open(client)


def test_begun_stream_keeps_of_its_head_only_what_the_log_says(gate: Gate) -> None:
    client = gate.ask("/events?follow=1", "User-Agent: curl/8", "X-Long: 1")
    settle(gate)
    (request,) = client.protocol.requests
    kept = request.requestHeaders.getAllRawHeaders()
    assert list(kept) == [(b"User-Agent", [b"curl/8"])]
    assert is_open(client)
