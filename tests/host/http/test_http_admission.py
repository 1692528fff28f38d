"""Who may be connected and how often they may ask: counted, refused with a reason, let go."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs

from sxhost.errors import HostError, RateLimited, TooManyConnections
from sxhost.http.admission import (
    RETRY_S,
    Admission,
    RequestRates,
    descriptors,
    peer_of,
    tune,
)
from sxhost.http.channel import MOST_SHUT_OUT
from sxhost.model.caller import Caller
from sxhost.model.limits import Limits
from sxhost.ratelimit import MAX_KEYS
from sxhost.testing import UID
from tests.host.http.test_site import GET, Connection, Wire, post
from tests.support.http_bytes import NEXT, get, replies

OTHER = UID + 1


class Link:
    """A connection as a door sees it: where it comes from, and its descriptor."""

    def __init__(self, host: str = "10.0.0.1", number: int = 5) -> None:
        self._host = host
        self._number = number

    def getPeer(self) -> Any:
        kind = IPv6Address if ":" in self._host else IPv4Address
        return kind("TCP", self._host, 50_000) if self._host else UNIXAddress(None)

    def fileno(self) -> int:
        return self._number


class Port:
    """What listens: whether it accepts now."""

    def __init__(self) -> None:
        self._accepts = True

    def accepts(self) -> bool:
        return self._accepts

    def pauseProducing(self) -> None:
        self._accepts = False

    def resumeProducing(self) -> None:
        self._accepts = True


class Hall:
    """A door with limits of its own and one port."""

    def __init__(self, most: int = 1000, **limits: Any) -> None:
        self.clock = Clock()
        self.port = Port()
        self.door = Admission(Limits(**limits), self.clock, UID, lambda: most)
        self.door.watch_ports([self.port])


# Connections.


def test_connections_are_limited_in_all() -> None:
    door = Hall(connections=2).door
    first = door.admit(Link("10.0.0.1"), None)
    door.admit(Link("10.0.0.2"), None)
    with pytest.raises(TooManyConnections) as caught:
        door.admit(Link("10.0.0.3"), None)
    assert caught.value.details == {"limit": 2, "retry_after": 5}
    door.release(first)
    door.admit(Link("10.0.0.3"), None)


def test_connections_are_limited_by_peer() -> None:
    door = Hall(peer_connections=1).door
    first = door.admit(Link("10.0.0.1"), None)
    door.admit(Link("10.0.0.2"), None)
    with pytest.raises(RateLimited) as caught:
        door.admit(Link("10.0.0.1"), None)
    assert caught.value.details == {"retry_after": RETRY_S}
    door.release(first)
    door.admit(Link("10.0.0.1"), None)


def test_local_connections_are_limited_by_user() -> None:
    door = Hall(peer_connections=1, connections=5).door
    door.admit(Link("127.0.0.1"), OTHER)
    with pytest.raises(RateLimited):
        door.admit(Link(""), OTHER)
    for _ in range(4):
        door.admit(Link("127.0.0.1"), UID)
    with pytest.raises(TooManyConnections):
        door.admit(Link("127.0.0.1"), UID)


@pytest.mark.parametrize(
    ("host", "uid", "name"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("::ffff:10.0.0.1", None, "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", None, "fe80::/64"),
        ("127.0.0.1", 7, "user 7"),
        ("", 7, "user 7"),
        ("", None, "unix"),
    ],
)
def test_peers_are_named_by_address_or_user(host: str, uid: int | None, name: str) -> None:
    assert peer_of(Link(host), uid) == name


def test_excess_connection_is_refused_before_its_request() -> None:
    wire = Wire(peer_connections=1)
    first, second = wire.connect(), wire.connect()
    (reply,) = replies(second.got)
    assert (reply.status, reply.json["error"]) == (429, "rate_limited")
    assert (reply.headers["retry-after"], reply.headers["connection"]) == ("5", "close")
    second.say(NEXT)
    wire.lab.clock.advance(wire.lab.limits.linger)
    assert (len(replies(second.got)), second.open) == (1, False)
    first.release()
    assert wire.connect(GET).status == 200


def test_excess_connection_in_all_gets_a_503() -> None:
    wire = Wire(connections=1)
    wire.connect()
    (reply,) = replies(wire.connect().got)
    assert (reply.status, reply.json["error"]) == (503, "too_many_connections")


def test_connection_flood_is_mostly_closed_at_once() -> None:
    wire = Wire(connections=1)
    wire.connect()
    flood = [wire.connect() for _ in range(2 * MOST_SHUT_OUT)]
    assert [client.open for client in flood].count(True) < MOST_SHUT_OUT
    wire.lab.clock.advance(wire.lab.limits.linger)
    wire.lab.clock.advance(0)
    assert len(wire.site.connections) == 1


def test_connection_flood_is_logged_sparsely() -> None:
    hall = Hall(connections=1)
    hall.door.admit(Link(), None)
    with capturedLogs() as events:
        for _ in range(100):
            hall.clock.advance(0.15)
            with pytest.raises(HostError):
                hall.door.admit(Link(), None)
    assert [event["count"] for event in events] == [1, 67]


# Descriptors.


def test_accepting_pauses_while_descriptors_run_out() -> None:
    hall = Hall(most=100)
    with capturedLogs() as events:
        peers = [hall.door.admit(Link(number=number), UID) for number in (5, 89, 90, 91)]
    assert not hall.port.accepts()
    assert len(events) == 1
    hall.door.release(peers[0])
    assert hall.port.accepts()
    assert hall.clock.getDelayedCalls() == []


def test_accepting_is_retried_without_a_closed_connection() -> None:
    hall = Hall(most=100)
    hall.door.admit(Link(number=90), UID)
    hall.clock.advance(1)
    assert hall.port.accepts()
    hall.door.admit(Link(number=91), UID)
    assert not hall.port.accepts()
    hall.door.close()
    assert hall.clock.getDelayedCalls() == []


class Listening:
    """A listening socket."""

    def listen(self, backlog: int) -> None:
        """Let connections wait."""


class Backlog(Port):
    """A port like Twisted's, at which connections wait: one turn takes as many as it may."""

    socket = Listening()

    def __init__(self, most: int) -> None:
        super().__init__()
        self.numberAccepts = 100
        self.used = 5
        self.clock = Clock()
        self.door = Admission(Limits(), self.clock, UID, lambda: most, lambda: self.used)
        self.door.watch_ports([self])

    def doRead(self) -> None:
        for _ in range(self.numberAccepts):
            self.door.admit(Link(number=self.used), UID)
            self.used += 1
        self.numberAccepts += 20


def test_backlog_is_accepted_as_far_as_there_are_descriptors() -> None:
    port = Backlog(most=100)
    counts = []
    for _ in range(12):
        counts.append(port.used)
        if port.accepts():
            port.doRead()
        else:
            port.clock.advance(1)
    assert counts == [5, 90, 91, 91, 92, 92, 93, 93, 94, 94, 95, 95]


def test_descriptors_that_were_closed_between_others_are_not_counted_twice() -> None:
    port = Backlog(most=100)
    port.doRead()
    port.used = 10  # one with a low number was closed: the next number is that, but 84 are open
    port.clock.advance(1)
    port.doRead()
    assert (port.used, port.accepts()) == (11, True)


def test_last_descriptors_are_for_no_connection() -> None:
    port = Backlog(most=100)
    port.used = 99
    port.doRead()
    assert (port.used, port.accepts()) == (99, False)
    port.used = 30
    port.clock.advance(1)
    port.doRead()
    assert port.used == 90


def test_descriptor_limit_of_the_process() -> None:
    assert descriptors() > 0


# Requests.


ASKING = Caller(frozenset(), peer="10.0.0.1")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> RequestRates:
    return RequestRates(Limits(requests=2, burst=3), clock, UID)


def allowed(rates: RequestRates, caller: Caller = ASKING, *, forwarded: bool = False) -> int:
    """Return how many requests are let through at once, up to 10."""
    for count in range(10):
        try:
            rates.take(caller, forwarded=forwarded)
        except RateLimited:
            return count
    return 10


def test_request_rate_allows_bursts(rates: RequestRates, clock: Clock) -> None:
    assert [allowed(rates), allowed(rates)] == [3, 0]
    clock.advance(1)
    assert allowed(rates) == 2
    clock.advance(60)
    assert allowed(rates) == 3


def test_refused_requests_do_not_extend_the_wait(rates: RequestRates, clock: Clock) -> None:
    for _ in range(100):
        allowed(rates)
    clock.advance(0.5)
    assert allowed(rates) == 1


def test_rate_limit_answers_retry_after(clock: Clock) -> None:
    rates = RequestRates(Limits(requests=1, burst=1), clock, UID)
    rates.take(ASKING, forwarded=False)
    with pytest.raises(RateLimited) as caught:
        rates.take(ASKING, forwarded=False)
    assert caught.value.details == {"retry_after": 1}


@pytest.mark.parametrize(
    "caller",
    [
        Caller(frozenset(), peer="10.0.0.2"),
        Caller(frozenset(), token="t", peer="10.0.0.1"),
        Caller(frozenset(), uid=OTHER, peer="10.0.0.1"),
    ],
)
def test_rate_limit_is_per_peer_user_and_token(rates: RequestRates, caller: Caller) -> None:
    allowed(rates)
    assert allowed(rates, caller) == 3


def test_rate_limit_of_a_token_spans_peers(rates: RequestRates) -> None:
    allowed(rates, Caller(frozenset(), token="t", peer="10.0.0.1"))
    assert allowed(rates, Caller(frozenset(), token="t", peer="10.0.0.2")) == 0


def test_hosts_user_is_not_rate_limited_but_its_proxy_is(rates: RequestRates) -> None:
    own = Caller(frozenset(), uid=UID, peer="127.0.0.1")
    assert allowed(rates, own) == 10
    assert allowed(rates, own, forwarded=True) == 3


def test_rate_limited_peers_are_bounded(rates: RequestRates) -> None:
    allowed(rates)
    for number in range(MAX_KEYS):
        allowed(rates, Caller(frozenset(), peer=str(number)))
    assert allowed(rates) == 3


def test_rate_limit_applies_after_authentication() -> None:
    wire = Wire(requests=1, burst=2)
    client = wire.connect(GET * 3)
    assert [reply.status for reply in replies(client.got)] == [200, 200, 429]
    last = replies(client.got)[-1]
    assert (last.json["error"], last.headers["retry-after"]) == ("rate_limited", "1")


def test_unread_answers_are_bounded_in_all() -> None:
    wire = Wire(unsent=10)
    status = get(line=b"GET /status HTTP/1.1")
    stuck = wire.connect()
    stuck.protocol.pauseProducing()
    stuck.say(status)
    other = wire.connect(GET + status)
    assert [reply.status for reply in replies(other.got)] == [200, 503]
    assert replies(other.got)[1].json["error"] == "overloaded"
    stuck.protocol.resumeProducing()
    assert wire.connect(status).status == 200
    assert wire.site.admission.unsent == 0


def test_unread_answer_is_released_with_its_connection() -> None:
    wire = Wire()
    stuck = wire.connect()
    stuck.protocol.pauseProducing()
    stuck.say(get(line=b"GET /status HTTP/1.1"))
    assert wire.site.admission.unsent > 100
    stuck.release()
    assert wire.site.admission.unsent == 0


# The kernel.


@pytest.fixture
def pair() -> Any:
    """A TCP connection over loopback: our end of it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as ours,
    ):
        yield ours, client


def with_socket(link: socket.socket | None) -> Any:
    transport = StringTransport()
    transport.socket = link  # type: ignore[attr-defined]
    return transport


def test_socket_options_bound_buffers_and_detect_dead_peers(pair: Any) -> None:
    link, _ = pair
    tune(with_socket(link), Limits(send_buffer=1 << 17, silent=10.0))
    assert link.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 1 << 17
    assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    option: Callable[[int], int] = lambda name: link.getsockopt(socket.IPPROTO_TCP, name)  # noqa: E731
    assert option(socket.TCP_USER_TIMEOUT) == 10_000
    assert (option(socket.TCP_KEEPIDLE), option(socket.TCP_KEEPINTVL)) == (5, 2)


def test_unix_socket_gets_the_options_it_knows() -> None:
    one, other = socket.socketpair()
    with one, other:
        tune(with_socket(one), Limits())
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == Limits().send_buffer


def test_transport_without_a_socket_is_left_alone() -> None:
    tune(StringTransport(), Limits())
    client: Connection = Wire().connect(GET)
    assert client.status == 200


def test_unanswered_bodies_are_bounded_in_all() -> None:
    wire = Wire(unanswered=60)
    first, second = wire.connect(post(50) + b" " * 40), wire.connect(post(50) + b" " * 40)
    assert first.got == b""
    assert (second.status, second.body["error"]) == (503, "overloaded")
    first.say(b" " * 10)
    assert first.status == 400
    assert wire.site.admission.unanswered == 0


@pytest.mark.parametrize("size", [40, 101])
def test_unfinished_body_is_released_with_its_connection(size: int) -> None:
    wire = Wire()
    client = wire.connect(
        b"POST /stop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    client.say(b"%x\r\n%s\r\n" % (size, b" " * size))
    client.release()
    assert wire.site.admission.unanswered == 0
