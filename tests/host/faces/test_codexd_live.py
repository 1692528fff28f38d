"""Codexd's WebSocket: the hello, what can be asked, events as they happen, a slow client."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert
from twisted.internet.defer import Deferred

from sxhost.model.event_types import EVENT_TYPES, MessageEvent
from sxhost.store.memory import MemoryStore
from sxhost.testing import FakeDriver, FakeDrivers, HostInMemory, is_done, started
from tests.host.agents.test_agent_supervisor import settle
from tests.host.faces.test_codexd import ask, begin, data, turn
from tests.host.http.test_site import Wire
from tests.support.websocket_clients import MIB, TEXT, Socket, masked

EVENTS = "/v1/codexd/events"


@pytest.fixture
def wire() -> Wire:
    return made()


def made(**limits: Any) -> Wire:
    drivers = FakeDrivers(codex=FakeDriver(), pi=FakeDriver())
    return Wire(body=MIB, drivers=drivers, **limits)


def connected(wire: Wire) -> Socket:
    socket = Socket(wire, path=EVENTS)
    settle(wire.lab)
    return socket


def say(wire: Wire, name: str = "message", text: str = "x") -> None:
    """Have codex say something, and let it be delivered."""
    wire.lab.drivers.last.reports.report_event(convert({"text": text}, EVENT_TYPES[name]))
    deliver(wire)


def deliver(wire: Wire) -> None:
    settle(wire.lab)
    wire.lab.clock.advance(0.005)


def lose(socket: Socket) -> None:
    socket.transport.go(socket.protocol)


def types(socket: Socket) -> list[str]:
    return [shown["event"]["type"] for shown in socket.messages if shown["type"] == "event"]


def texts(socket: Socket) -> list[str]:
    return [shown["event"]["message"] for shown in socket.messages if shown["type"] == "event"]


# What is said first, and what can be asked.


def test_hello_is_the_first_message(wire: Wire) -> None:
    session = begin(wire.lab)
    socket = connected(wire)
    (hello,) = socket.messages
    assert list(hello) == ["recentEvents", "service", "snapshot", "type"]
    assert hello["type"] == "hello"
    assert hello["service"]["websocketClients"] == 1
    assert hello["service"]["eventStreamUrl"] == "ws://x/v1/codexd/events"
    assert hello["snapshot"]["sessionRegistry"]["sessions"] == [session]
    assert hello["recentEvents"] == hello["snapshot"]["recentEvents"]["events"]
    assert [event["type"] for event in hello["recentEvents"]] == ["session.registered"]


def test_ping_and_status_are_answered(wire: Wire) -> None:
    socket = connected(wire)
    begin(wire.lab)
    socket.send({"type": " ping "})
    socket.send({"type": "status"})
    pong, status = [shown for shown in socket.messages[1:] if shown["type"] != "event"]
    assert pong == {"type": "pong"}
    assert list(status) == ["service", "snapshot", "type"]
    assert len(status["snapshot"]["sessionRegistry"]["sessions"]) == 1


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b'{"type":"dance"}', "dance"),
        (b'{"type":" x "}', "x"),
        *((text, "unknown") for text in (b"{}", b'{"type":7}', b"[]", b"nonsense", b"")),
    ],
)
def test_unsupported_message_is_answered_with_an_error(
    wire: Wire, said: bytes, shown: str
) -> None:
    socket = connected(wire)
    socket.say(masked(TEXT, said))
    message = f"Unsupported websocket message type: {shown}."
    assert socket.messages[1:] == [{"message": message, "type": "error"}]


def test_clients_are_counted_until_they_disconnect(wire: Wire) -> None:
    def clients() -> int:
        found: int = data(ask(wire.lab, "GET", "/v1/codexd/status"))["service"][
            "websocketClients"
        ]
        return found

    first, second = connected(wire), connected(wire)
    assert clients() == 2
    lose(first)
    assert clients() == 1
    lose(second)
    assert clients() == 0
    assert wire.lab.notifier.subscribers == 0


# Events.


def test_events_and_deltas_arrive_live(wire: Wire) -> None:
    socket = connected(wire)
    session = begin(wire.lab)["sessionId"]
    turn(wire.lab, session)
    say(wire, "message-delta", "Hel")
    wire.lab.drivers.last.reports.turn_ended("completed")
    deliver(wire)
    assert types(socket) == [
        "session.registered",
        "app-server.turn.started",
        "session.user-message",
        "session.message-delta",
        "app-server.turn.completed",
    ]
    shown = socket.messages[-1]
    assert list(shown) == ["event", "type"]
    assert shown["event"]["detail"]["sessionId"] == session


def test_no_event_is_repeated_or_missed_around_the_hello(wire: Wire) -> None:
    begin(wire.lab)
    for number in range(3):
        wire.lab.drivers.last.reports.report_event(MessageEvent(text=f"{number}"))
    socket = connected(wire)
    say(wire, text="3")
    recent = [event["seq"] for event in socket.messages[0]["recentEvents"]]
    live = [shown["event"]["seq"] for shown in socket.messages[1:]]
    assert recent + live == sorted(set(recent + live))
    assert texts(socket)[-1] == "3"


def test_only_hosted_codex_sessions_are_sent(wire: Wire) -> None:
    socket = connected(wire)
    ask(wire.lab, "POST", "/sessions", {"agent": "pi", "id": "p"})
    ask(wire.lab, "POST", "/sessions/z/register", {"agent": "codex"})
    ask(wire.lab, "POST", "/sessions/z/events", {"event": "x"})
    deliver(wire)
    assert len(socket.messages) == 1
    ask(wire.lab, "POST", "/sessions", {"agent": "codex", "id": "c"})
    deliver(wire)
    assert types(socket) == ["session.registered"]


def test_heartbeats_are_no_messages(wire: Wire) -> None:
    socket = connected(wire)
    for _ in range(20):
        wire.lab.clock.advance(1)
    assert len(socket.messages) == 1
    assert socket.closed is None


# A client that is behind.


def test_slow_client_gets_everything_once_it_reads(wire: Wire) -> None:
    begin(wire.lab)
    socket = connected(wire)
    socket.protocol.pauseProducing()
    for number in range(5):
        say(wire, text=f"{number}")
    assert len(socket.messages) == 1
    socket.protocol.resumeProducing()
    assert texts(socket) == ["0", "1", "2", "3", "4"]


def test_client_passed_by_retention_is_told() -> None:
    wire = made(events=4)
    begin(wire.lab)
    socket = connected(wire)
    socket.protocol.pauseProducing()
    for number in range(5000):  # more than are kept for those who read all sessions
        wire.lab.drivers.last.reports.report_event(MessageEvent(text=f"{number}"))
    deliver(wire)
    socket.protocol.resumeProducing()
    settle(wire.lab)
    gap, *rest = [shown["event"] for shown in socket.messages[1:]]
    assert (gap["type"], gap["level"]) == ("codexd.gap", "warn")
    assert gap["detail"]["reason"] == "retention"
    assert [event["message"] for event in rest] == ["4996", "4997", "4998", "4999"]
    assert gap["seq"] == rest[0]["seq"] - 1


def test_gap_of_another_agent_is_not_sent() -> None:
    wire = made(events=4)
    begin(wire.lab)
    socket = connected(wire)
    socket.protocol.pauseProducing()
    ask(wire.lab, "POST", "/sessions/z/register", {})
    for _ in range(5):
        lines = b'{"event":"x"}\n' * 1000
        ask(wire.lab, "POST", "/sessions/z/events", lines, Content_Type="application/x-ndjson")
    say(wire, text="mine")
    socket.protocol.resumeProducing()
    settle(wire.lab)
    assert texts(socket) == ["mine"]


# Ends.


def test_stop_closes_the_websocket(wire: Wire) -> None:
    socket = connected(wire)
    wire.lab.notifier.close()
    drained = started(wire.site.drain())
    assert socket.closed == 1001
    lose(socket)
    assert is_done(drained)


def test_client_during_the_stop_is_refused(wire: Wire) -> None:
    wire.lab.notifier.close()
    assert connected(wire).closed == 1001


class SlowStore(MemoryStore):
    """Reads once it is let."""

    def __init__(self, lab: HostInMemory) -> None:
        super().__init__(lab.limits, lab.clock.seconds)
        self.let: Deferred[None] = Deferred()

    async def read_events(self, *given: Any, **more: Any) -> Any:
        await self.let
        return await super().read_events(*given, **more)


def test_client_that_leaves_before_hello_leaves_nothing(wire: Wire) -> None:
    wire.lab.store = store = SlowStore(wire.lab)
    wire.lab.restart()
    wire.site = wire.lab.site()
    begin(wire.lab)
    socket = connected(wire)
    lose(socket)
    store.let.callback(None)
    settle(wire.lab)
    assert wire.lab.notifier.subscribers == 0


def test_excess_client_is_closed() -> None:
    wire = made(subscriptions=1)
    assert connected(wire).closed is None
    assert Socket(wire, path=EVENTS).closed == 1008
