"""A request becomes a WebSocket: the opening handshake."""

from __future__ import annotations

import pytest

from tests.host.http.test_site import Wire, logged
from tests.support.websocket_clients import Socket, request


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_handshake_is_that_of_the_rfc(wire: Wire) -> None:
    client = Socket(wire, Sec_WebSocket_Extensions="permessage-deflate")
    head = client.http.got.decode().lower()
    assert client.http.status == 101
    assert "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head
    assert "extensions" not in head
    assert "server:" not in head
    assert client.messages == []


@pytest.mark.parametrize(
    "named",
    [
        {"Upgrade": "", "Connection": ""},
        {"Upgrade": "h2c"},
        {"Sec_WebSocket_Version": ""},
        {"Sec_WebSocket_Version": "8"},
        {"method": "HEAD"},
        {"version": "1.0"},
    ],
    ids=str,
)
def test_plain_get_is_426(wire: Wire, named: dict[str, str]) -> None:
    client = wire.connect(request(**named))
    assert client.got[8:].startswith(b" 426 Upgrade Required\r\n")
    assert b"\r\nUpgrade: websocket\r\n" in client.got
    assert b"\r\nSec-Websocket-Version: 13\r\n" in client.got
    if "method" not in named:
        assert client.body["error"] == "upgrade_required"


@pytest.mark.parametrize(
    ("named", "status", "code"),
    [
        ({"Connection": "keep-alive"}, 400, "bad_request"),
        ({"Sec_WebSocket_Key": ""}, 400, "bad_request"),
        ({"Sec_WebSocket_Key": "short=="}, 400, "bad_request"),
        ({"query": "?after=nonsense"}, 400, "bad_field"),
        ({"query": "?session=nobody"}, 404, "unknown_session"),
    ],
    ids=str,
)
def test_impossible_handshake_is_refused(
    wire: Wire, named: dict[str, str], status: int, code: str
) -> None:
    client = wire.connect(request(**named))
    assert (client.status, client.body["error"], client.open) == (status, code, True)
    client.say(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.got.endswith(b'{"status":"ok"}'), "the connection can be used on"


def test_same_origin_page_may_connect(wire: Wire) -> None:
    assert Socket(wire, Host="x:7432", Origin="http://x:7432").http.status == 101


def test_upgrade_is_logged_and_counted(wire: Wire) -> None:
    (line,) = logged(wire, request())
    assert '"GET /v1/stream" 101' in line
    text = wire.lab.request("GET", "/metrics").body.decode()
    assert 'sxhost_requests_total{method="GET",route="/v1/stream",status="101"} 1.0' in text


@pytest.mark.parametrize("offered", ["a b", "a,,/", '"a"'])
def test_subprotocols_that_are_no_tokens_are_refused(wire: Wire, offered: str) -> None:
    client = wire.connect(request(Sec_WebSocket_Protocol=offered))
    assert (client.status, client.body["error"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("pi-app-server", "pi-app-server"),
        ("a, b", "a"),
        ("other, sxhost", "sxhost"),
        ("sxhost-page.secret, other", "other"),
        ("sxhost-page.secret", None),
        ("", None),
    ],
)
def test_offered_subprotocol_is_chosen(wire: Wire, offered: str, chosen: str | None) -> None:
    socket = Socket(wire, path="/ws", Sec_WebSocket_Protocol=offered)
    head = socket.http.got.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
    assert head[0].startswith("http/1.1 101")
    named = [
        line.partition(": ")[2] for line in head if line.startswith("sec-websocket-protocol")
    ]
    assert named == ([] if chosen is None else [chosen])
