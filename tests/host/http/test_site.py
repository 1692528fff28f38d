"""The listening side, byte by byte: limits, the log, and a stop with requests running."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from sxhost.http.site import HostSite
from sxhost.model.limits import Limits
from sxhost.testing import HostInMemory, is_done, started

SMALL = {"body": 100, "large_body": 100, "batch_body": 200, "linger": 2.0, "stop_within": 4.0}


class Wire:
    """A site on a clock, and connections to it."""

    def __init__(self, **limits: Any) -> None:
        self.lab = HostInMemory(**{**SMALL, **limits})
        self.site = self.lab.site()

    def connect(self, data: bytes = b"") -> Connection:
        return Connection(self.site, data)


class Transport(StringTransport):
    """Closes as a socket does: in the reactor's next turn."""

    def __init__(self, site: HostSite) -> None:
        super().__init__()
        self.site = site
        self.aborted = False
        self._gone = False
        self.protocol: Any = site.buildProtocol(None)
        self.protocol.makeConnection(self)

    def loseConnection(self) -> None:
        if not self.disconnecting:
            self.site.clock.callLater(0, self.go, self.protocol)
        super().loseConnection()

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()

    def go(self, protocol: Any) -> None:
        """Be lost, once."""
        if not self._gone:
            self._gone = True
            protocol.connectionLost(Failure(ConnectionDone()))


class Connection:
    """One client: what it says, what it got, and whether the door is closed."""

    def __init__(self, site: HostSite, data: bytes) -> None:
        self.transport = Transport(site)
        self.protocol = self.transport.protocol
        self.say(data)

    def say(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    @property
    def got(self) -> bytes:
        return bytes(self.transport.value())

    @property
    def status(self) -> int:
        return int(self.got.split()[1])

    @property
    def body(self) -> Any:
        return json.loads(self.got.partition(b"\r\n\r\n")[2])

    @property
    def open(self) -> bool:
        return not self.transport.disconnecting

    def release(self) -> None:
        self.transport.go(self.protocol)


@pytest.fixture
def wire() -> Wire:
    return Wire()


def post(length: int, *more: bytes) -> bytes:
    head = b"POST /sessions/a/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % length
    return head + b"".join(line + b"\r\n" for line in more) + b"\r\n"


GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_connection_is_kept_after_an_answer(wire: Wire) -> None:
    client = wire.connect(GET)
    assert (client.status, client.open) == (200, True)
    assert len(wire.site.connections) == 1


def test_declared_body_over_the_limit_is_refused_before_it_comes(wire: Wire) -> None:
    client = wire.connect(post(101))
    assert (client.status, client.body["error"], client.body["limit"]) == (
        413, "body_too_large", 100,
    )  # fmt: skip
    assert b"Connection: close" in client.got


def test_body_of_a_refused_request_is_drained_for_a_while(wire: Wire) -> None:
    client = wire.connect(post(10**9))
    client.say(b"x" * 1000)
    assert client.open
    wire.lab.clock.advance(wire.lab.limits.linger)
    assert not client.open


def test_connection_closes_once_a_refused_body_is_drained(wire: Wire) -> None:
    client = wire.connect(post(101))
    client.say(b"x" * 101)
    assert not client.open
    assert client.got.count(b"HTTP/1.1") == 1


def test_refused_client_that_disconnects_is_forgotten(wire: Wire) -> None:
    client = wire.connect(post(10**9))
    client.release()
    assert wire.lab.clock.getDelayedCalls() == []


def test_chunked_body_is_limited_as_it_comes(wire: Wire) -> None:
    client = wire.connect(
        b"POST /sessions/a/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    client.say(b"50\r\n" + b"x" * 0x50 + b"\r\n")
    assert client.got == b""
    client.say(b"50\r\n" + b"x" * 0x50 + b"\r\n")
    assert client.status == 413
    client.say(b"0\r\n\r\n")
    assert not client.open


def test_batch_body_may_be_larger(wire: Wire) -> None:
    line = b'{"event":"thinking","data":"' + b"x" * 100 + b'"}\n'
    ndjson = b"Content-Type: application/x-ndjson"
    assert wire.connect(post(len(line), ndjson) + line).status == 200
    assert wire.connect(post(201, ndjson)).status == 413


def test_refused_body_gets_no_100_continue(wire: Wire) -> None:
    expect = b"Expect: 100-continue"
    assert wire.connect(post(101, expect)).got.startswith(b"HTTP/1.1 413 ")
    assert wire.connect(post(99, expect)).got == b"HTTP/1.1 100 Continue\r\n\r\n"


PULL = b"GET /sessions/a/messages?wait=30 HTTP/1.1\r\nHost: x\r\n\r\n"


def test_stop_waits_for_running_requests(wire: Wire) -> None:
    wire.lab.request("POST", "/sessions/a/register")
    client = wire.connect(PULL)
    drained = started(wire.site.drain())
    assert client.open
    wire.lab.notifier.close()
    assert (client.status, client.body, client.open) == (200, [], False)
    assert not is_done(drained)
    wire.lab.clock.advance(0)
    assert is_done(drained)


def test_stop_has_a_deadline(wire: Wire) -> None:
    wire.lab.request("POST", "/sessions/a/register")
    wire.connect(PULL)
    drained = started(wire.site.drain())
    wire.lab.clock.advance(wire.lab.limits.stop_within - 0.1)
    assert not is_done(drained)
    wire.lab.clock.advance(0.1)
    assert is_done(drained)


def test_stop_closes_idle_connections(wire: Wire) -> None:
    client = wire.connect(GET)
    drained = started(wire.site.drain())
    assert not client.open
    wire.lab.clock.advance(0)
    assert is_done(drained)


def test_stop_without_connections_is_done_at_once(wire: Wire) -> None:
    assert is_done(started(wire.site.drain()))


def test_request_during_a_stop_is_refused(wire: Wire) -> None:
    client = wire.connect(GET[:24])
    started(wire.site.drain())
    client.say(GET[24:])
    assert (client.status, client.body["error"]) == (503, "stopping")
    assert b"Retry-After: 5" in client.got
    assert not client.open


def test_disconnect_ends_a_waiting_pull(wire: Wire) -> None:
    wire.lab.request("POST", "/sessions/a/register")
    client = wire.connect(b"GET /sessions/a/messages?wait=30 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert wire.lab.notifier.topics.watched("inbox:a")
    client.release()
    assert not wire.lab.notifier.topics.watched("inbox:a")
    assert wire.site.connections == set()


def logged(wire: Wire, request: bytes) -> list[str]:
    from twisted.logger import formatEvent

    with capturedLogs() as events:
        wire.connect(request)
    return [formatEvent(e) for e in events if e["log_namespace"] == "sxhost.http.site"]


def test_requests_are_in_the_access_log(wire: Wire) -> None:
    (line,) = logged(wire, b"GET /sessions?limit=1&x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert '"GET /sessions?limit=1&..." 200' in line


def test_request_cannot_forge_a_log_line(wire: Wire) -> None:
    (line,) = logged(wire, b'GET /"\\n HTTP/1.1\r\nHost: x\r\n\r\n')
    assert '"GET /%22\\\\n" 404' in line


@pytest.mark.parametrize("path", [b"/\x1b[2J", b"/\xe2\x80\xa8", b"/a\x00"])
def test_control_characters_never_reach_the_access_log(wire: Wire, path: bytes) -> None:
    (line,) = logged(wire, b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    assert '"- -" 400' in line


def test_head_is_get_without_the_body(wire: Wire) -> None:
    client = wire.connect(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"Content-Length: 15\r\n" in client.got
    assert client.got.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", [b"/sessions//a", b"/./health", b"/x/../health"])
def test_path_is_not_normalized(wire: Wire, path: bytes) -> None:
    client = wire.connect(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    assert (client.status, client.body["error"]) == (404, "unknown_route")


def test_malformed_host_header_is_refused(wire: Wire) -> None:
    client = wire.connect(b"GET /health HTTP/1.1\r\nHost: a..b\r\n\r\n")
    assert (client.status, client.body["error"]) == (403, "forbidden_host")


def test_health_probes_are_not_logged(wire: Wire) -> None:
    assert logged(wire, GET) == []


def test_requests_are_counted(wire: Wire) -> None:
    wire.connect(GET)
    wire.connect(b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
    text = wire.lab.request("GET", "/metrics").body.decode()
    assert 'sxhost_requests_total{method="GET",route="/health",status="200"} 1.0' in text
    assert 'sxhost_requests_total{method="GET",route="",status="404"} 1.0' in text


def test_default_limits_are_the_documented_ones() -> None:
    limits = Limits()
    assert (limits.body, limits.batch_body) == (1 << 20, 10 << 20)
    assert limits.stop_within < 5
