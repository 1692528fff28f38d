"""The log over a WebSocket: subscriptions, and a client that is behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.internet.task import deferLater

from sxhost.config import Settings
from sxhost.daemon.service import HostService
from sxhost.faces.native.websocket import MOST_SUBSCRIPTIONS
from sxhost.model.event import EventDraft
from sxhost.model.subscription import Subscription
from sxhost.streams.overview import LOOK_EVERY
from sxhost.tap import assemble
from sxhost.testing import is_done
from tests.conftest import FailureLog
from tests.host.http.test_site import Wire
from tests.process.test_telemetry_command import certificate
from tests.support.websocket_clients import (  # fmt: skip
    MIB,
    PING,
    TEXT,
    Socket,
    connected,
    fire,
    masked,
)


@pytest.fixture
def wire() -> Wire:
    wire = Wire(body=MIB)
    for session_id in "aab":
        fire(wire, session_id, "thinking")
    return wire


@pytest.fixture
def socket(wire: Wire) -> Socket:
    return Socket(wire)


# Subscriptions.


def test_websocket_streams_past_and_live_events(wire: Wire, socket: Socket) -> None:
    socket.subscribe(sessions=["a"])
    assert socket.kinds == ["hello", 1, 2]
    hello, first, _ = socket.messages
    assert hello["session"]["id"] == "a"
    assert (first["event"], first["session"]) == ("thinking", "a")
    fire(wire, "b")
    fire(wire, "a")
    assert socket.kinds == ["hello", 1, 2, 5]


@pytest.mark.parametrize(
    ("fields", "query", "expected"),
    [
        ({"after": "0"}, "after=0", [1, 2, 3, 4]),
        ({"after": 2}, "after=2", [3, 4]),
        ({"after": "now"}, "after=now", []),
        ({"sessions": ["a", "b"]}, "session=a,b", [1, 2, 3]),
        ({"labels": {"team": "x"}}, "label=team:x", [4]),
        ({"types": ["complete", "error"]}, "types=complete,error", [4]),
    ],
    ids=str,
)
def test_subscription_by_message_or_by_url(
    wire: Wire, fields: dict[str, Any], query: str, expected: list[int]
) -> None:
    wire.lab.request("POST", "/sessions/c/register", {"labels": {"team": "x"}})
    fire(wire, "c", "complete")
    text, asked = Socket(wire), Socket(wire, f"?{query}")
    text.subscribe(**fields)
    assert text.kinds == asked.kinds == ["hello", *expected]


@pytest.mark.parametrize(("wanted", "first"), [(True, ["a", "b"]), ("changes", [])])
def test_summaries_are_sent_all_or_as_they_change(
    wire: Wire, socket: Socket, wanted: object, first: list[str]
) -> None:
    socket.subscribe(after="now", summary=wanted)
    told = [m["session"] for m in socket.messages if m.get("frame") == "summary"]
    assert told == first
    assert socket.kinds[-1] == "listed"
    fire(wire, "b", "tool-start")
    wire.lab.clock.advance(LOOK_EVERY)
    assert socket.kinds[-2:] == [4, "summary"]
    assert socket.messages[-1]["session"] == "b"


def test_states_are_included_on_request(wire: Wire) -> None:
    for client in (Socket(wire, "?after=now&state=1"), Socket(wire)):
        client.subscribe(after="now", state=True, id="x")
        shown = {m["session"]: m["state"] for m in client.messages if m["frame"] == "state"}
        assert shown == {"a": "active", "b": "active"}


def test_gap_is_sent(wire: Wire, socket: Socket) -> None:
    socket.subscribe(after="another:7", id="x")
    hello, gap, *_ = socket.messages
    assert (gap["frame"], gap["from"], gap["reason"]) == ("gap", "another:7", "another epoch")
    assert hello["id"] == gap["id"] == "x"


def test_heartbeats_are_sent(wire: Wire, socket: Socket) -> None:
    socket.subscribe(after="now")
    for _ in range(15):
        wire.lab.clock.advance(1)
    assert socket.kinds == ["hello", "heartbeat"]


def test_unsubscribe_ends_the_events(wire: Wire, socket: Socket) -> None:
    socket.subscribe(after="now")
    socket.send({"unsubscribe": True})
    fire(wire, "a")
    assert socket.messages[1:] == [
        {"frame": "end", "reason": "unsubscribed", "reconnect": False}
    ]
    assert wire.lab.notifier.subscribers == 0
    socket.subscribe(after="now")
    assert socket.kinds == ["hello", "end", "hello"]


def test_subscriptions_are_told_apart_by_id(wire: Wire, socket: Socket) -> None:
    for session_id in "ab":
        socket.subscribe(id=f"<{session_id}>", sessions=[session_id], after="now")
    socket.send({"unsubscribe": "<a>"})
    fire(wire, "a")
    fire(wire, "b")
    assert [(m.get("frame"), m["id"]) for m in socket.messages] == [
        ("hello", "<a>"), ("hello", "<b>"), ("end", "<a>"), (None, 5),
    ]  # fmt: skip


def test_subscription_of_the_same_id_is_replaced(wire: Wire, socket: Socket) -> None:
    socket.subscribe(after="now")
    socket.send({"unsubscribe": True, "subscribe": {"sessions": ["b"]}})
    assert socket.kinds == ["hello", "end", "hello", 3]


def test_forgotten_session_ends_only_its_subscription(wire: Wire, socket: Socket) -> None:
    socket.subscribe(sessions=["a"], id="x")
    wire.lab.request("DELETE", "/sessions/a")
    socket.protocol.resumeProducing()
    assert socket.messages[-1] == {
        "frame": "end", "reason": "the session is forgotten", "reconnect": False, "id": "x",
    }  # fmt: skip
    assert socket.closed is None
    socket.subscribe(sessions=["b"], id="x")
    assert socket.kinds[-2:] == ["hello", 3]


# Errors.


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        (b"nonsense", "bad_json", None),
        (b"[" * 70 + b"]" * 70, "bad_json", None),
        (b"[]", "bad_request", None),
        (b"{}", "bad_request", None),
        (b'{"unsubscribe":false}', "bad_request", None),
        (b'{"subscribe":7}', "bad_field", "subscribe"),
        (b'{"subscribe":{"after":"x y"}}', "bad_field", "subscribe.after"),
        (b'{"subscribe":{"after":-1}}', "bad_field", "subscribe.after"),
        (b'{"subscribe":{"sessions":["-"]}}', "bad_field", "subscribe.sessions[0]"),
        (b'{"subscribe":{"types":["X"]}}', "bad_field", "subscribe.types[0]"),
        (b'{"subscribe":{"id":""}}', "bad_field", "subscribe.id"),
        (b'{"subscribe":{"sessions":["nobody"]}}', "unknown_session", None),
        (b'{"unsubscribe":true}', "bad_field", "unsubscribe"),
        (b'{"unsubscribe":"x"}', "bad_field", "unsubscribe"),
    ],
)
def test_error_keeps_the_connection_open(
    socket: Socket, text: bytes, code: str, field: str | None
) -> None:
    socket.say(masked(TEXT, text))
    (error,) = socket.messages
    assert (error["frame"], error["error"], error.get("field")) == ("error", code, field)
    assert error["message"].endswith(".")
    assert "ok" not in error
    socket.subscribe(after="now")
    assert socket.kinds == ["error", "hello"]


def test_error_names_its_subscription(socket: Socket) -> None:
    socket.subscribe(id="x", after="now")
    socket.subscribe(id="x", after="now")
    socket.subscribe(id="y", sessions=["nobody"])
    assert [(m["frame"], m["id"]) for m in socket.messages] == [
        ("hello", "x"), ("error", "x"), ("error", "y"),
    ]  # fmt: skip


def test_subscriptions_of_a_connection_are_limited(wire: Wire, socket: Socket) -> None:
    for number in range(MOST_SUBSCRIPTIONS + 1):
        socket.subscribe(id=str(number), after="now")
    assert socket.kinds == ["hello"] * MOST_SUBSCRIPTIONS + ["error"]
    assert wire.lab.notifier.subscribers == MOST_SUBSCRIPTIONS


def test_internal_error_closes_the_connection(
    wire: Wire, socket: Socket, failure_log: FailureLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire.lab.service, "subscribe", None)
    socket.subscribe()
    assert socket.closed == 1011
    assert len(failure_log.flush()) == 1


# A reader that is behind.


def test_slow_client_pauses_its_subscriptions(wire: Wire, socket: Socket) -> None:
    socket.subscribe(id="a", sessions=["a"], after="now")
    socket.subscribe(id="b", sessions=["b"], after="now")
    assert socket.transport.streaming
    producer: Any = socket.transport.producer
    producer.pauseProducing()
    socket.forget()
    fire(wire, "a")
    fire(wire, "b")
    assert socket.kinds == []
    producer.resumeProducing()
    assert socket.kinds == [4, 5]


def test_subscriptions_are_served_in_rotation(wire: Wire, socket: Socket) -> None:
    for session_id in "ab":
        socket.subscribe(id=session_id, sessions=[session_id], after="now")
    producer: Any = socket.transport.producer
    full(socket, 1)
    producer.pauseProducing()
    socket.forget()
    fire(wire, "a")
    fire(wire, "b")
    fire(wire, "a")
    producer.resumeProducing()
    assert socket.kinds == [4, 6]
    fire(wire, "a")
    producer.resumeProducing()
    assert socket.kinds == [4, 6, 5]
    producer.resumeProducing()
    assert socket.kinds == [4, 6, 5, 7]


def full(socket: Socket, room: int) -> None:
    """Let the transport's buffer be full after each write of so many bytes."""
    write = socket.transport.write

    def written(data: bytes) -> None:
        write(data)
        if len(data) >= room and socket.transport.producer is not None:
            producer: Any = socket.transport.producer
            producer.pauseProducing()

    setattr(socket.transport, "write", written)  # noqa: B010


def test_messages_of_a_slow_client_wait_unread(wire: Wire, socket: Socket) -> None:
    producer: Any = socket.transport.producer
    producer.pauseProducing()
    assert socket.transport.producerState == "producing"
    socket.subscribe(after="now")
    socket.send({"unsubscribe": True})
    assert socket.messages == []
    assert socket.transport.producerState == "paused"
    producer.resumeProducing()
    assert socket.kinds == ["hello", "end"]
    assert socket.transport.producerState == "producing"


def test_subscription_begun_while_paused_stays_paused(wire: Wire, socket: Socket) -> None:
    full(socket, 1)
    socket.subscribe(after="now")
    socket.forget()
    fire(wire, "a")
    assert socket.messages == []
    producer: Any = socket.transport.producer
    producer.resumeProducing()
    assert socket.kinds == [4]


def test_only_the_newest_ping_of_a_slow_client_is_answered(socket: Socket) -> None:
    producer: Any = socket.transport.producer
    producer.pauseProducing()
    socket.say(masked(PING, b"1") + masked(PING, b"2"))
    assert socket.pongs == []
    producer.resumeProducing()
    producer.resumeProducing()
    assert socket.pongs == [b"2"]


# A real host, and our own client.


@pytest.fixture(params=["tcp", "unix", "ssl"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Endpoint]:
    """What a host listens on, and how to get there."""
    kind = request.param
    if kind == "ssl":
        pem = tmp_path / "both.pem"
        pem.write_bytes(pem_of(*certificate("localhost")))
        listen = f"ssl:0:privateKey={pem}:certKey={pem}:interface=127.0.0.1"
        options = optionsForClientTLS("localhost", Certificate.loadPEM(pem.read_bytes()))
        return listen, lambda port: wrapClientTLS(options, tcp(port))
    if kind == "unix":
        place = str(tmp_path / "socket")
        return f"unix:{place}", lambda _: UNIXClientEndpoint(reactor, place)
    return "tcp:0:interface=127.0.0.1", tcp


Endpoint = Callable[[int], IStreamClientEndpoint]


def tcp(port: int) -> IStreamClientEndpoint:
    return TCP4ClientEndpoint(reactor, "127.0.0.1", port)


def pem_of(shown: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return private + shown.public_bytes(pem)


@asynccontextmanager
async def host_on(listen: str, tmp_path: Path, store: str) -> AsyncIterator[HostService]:
    """Run a host in this process, on the reactor."""
    settings = Settings(listen=(listen,), state_dir=tmp_path, store=store)
    host = assemble(settings, reactor)
    host.privilegedStartService()
    host.startService()
    try:
        yield host
    finally:
        await host.stopService()


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL")  # Twisted does so for ``ssl:``
@pytest.mark.parametrize("store", ["memory:", "sqlite"])
@pytest_twisted.ensureDeferred
async def test_websocket_over_a_real_connection(
    served: tuple[str, Endpoint], store: str, tmp_path: Path
) -> None:
    listen, endpoint = served
    async with host_on(listen, tmp_path, store) as host:
        await host.sessions.fire("a", EventDraft.of("thinking", "x" * 70_000))
        port = host.sessions.port
        url = f"ws://localhost:{port or 80}/v1/stream?session=a"
        client = await connected(endpoint(port), url)
        client.say({"subscribe": {"id": "b", "types": ["late"]}})
        hello, past, other = await client.hear(3)
        assert (hello["session"]["id"], len(past["data"]), other["id"]) == ("a", 70_000, "b")
        await host.sessions.fire("a", EventDraft(event="complete"))
        client.say({"unsubscribe": True})
        live, end = await client.hear(2)
        assert (live["event"], end["reason"]) == ("complete", "unsubscribed")
        await host.sessions.fire("a", EventDraft(event="late"))
        assert [message["seq"] for message in await client.hear(1)] == [3]
    (end,) = await client.hear(1)
    assert (end["frame"], end["reconnect"], end["id"]) == ("end", True, "b")
    assert await client.left == 1001
    assert (await host.sessions.counts()).subscribers == 0


@pytest_twisted.ensureDeferred
async def test_client_that_stops_reading_gets_everything_later(tmp_path: Path) -> None:
    async with host_on("tcp:0:interface=127.0.0.1", tmp_path, "memory:") as host:
        port = host.sessions.port
        url = f"ws://localhost:{port}/v1/stream?after=0"
        client = await connected(tcp(port), url)
        await client.hear(1)
        client.transport.pauseProducing()
        (reader,) = host.sessions._core.notifier.readers()
        behind = told_when_paused(reader)
        fired = 0
        while not is_done(behind):
            await host.sessions.fire("a", EventDraft.of("x", "x" * 200_000))
            fired += 1
            await deferLater(reactor, 0)
        client.transport.resumeProducing()
        assert [event["seq"] for event in await client.hear(fired)] == [*range(1, fired + 1)]
        client.transport.abortConnection()
        await client.left


def told_when_paused(reader: Subscription) -> Deferred[None]:
    shown: Deferred[None] = Deferred()
    pause = reader.pauseProducing

    def paused() -> None:
        pause()
        if not shown.called:
            shown.callback(None)

    setattr(reader, "pauseProducing", paused)  # noqa: B010
    return shown


def test_excess_subscription_is_refused_and_the_connection_stays() -> None:
    wire = Wire(body=MIB, subscriptions=1)
    socket = Socket(wire)
    socket.subscribe(id="one")
    socket.subscribe(id="two")
    *_, refusal = socket.messages
    assert (refusal["error"], refusal["limit"], refusal["id"]) == (
        "subscription_limit",
        1,
        "two",
    )
    assert socket.closed is None


# One session.


def test_stream_of_a_session_tells_of_that_one_alone(wire: Wire) -> None:
    socket = Socket(wire, path="/sessions/a/stream")
    socket.subscribe(after="now", summary="changes", id="board")
    fire(wire, "b")
    fire(wire, "a", "mine")
    for session_id in "ab":
        wire.lab.request("POST", f"/sessions/{session_id}/register", {"title": "New"})
    wire.lab.clock.advance(LOOK_EVERY)
    events = [each["session"] for each in socket.messages if "event" in each]
    summaries = [
        each["summary"]["id"] for each in socket.messages if each.get("frame") == "summary"
    ]
    assert (events, summaries) == (["a"], ["a"])
    assert "listed" in socket.kinds
    socket.forget()
    socket.subscribe(sessions=["b"], id="other")
    socket.subscribe(sessions=["a", "b"], id="both")
    assert [(each["error"], each["session"], each["id"]) for each in socket.messages] == [
        ("forbidden_scope", "a", "other"),
        ("forbidden_scope", "a", "both"),
    ]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [("/sessions/nobody/stream", "", 404), ("/sessions/a/stream", "?session=b", 403)],
)
def test_stream_of_a_session_is_refused_before_it_begins(
    wire: Wire, path: str, query: str, status: int
) -> None:
    assert Socket(wire, query, path=path).http.status == status
