"""The host's line to systemd, heard on a real datagram socket."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from sxhost.daemon.systemd import Notifier, heartbeat, report_start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twisted.logger import ILogObserver, LogEvent

READY = "READY=1\nSTATUS=Running"
BEAT = "WATCHDOG=1"
STOPPING = "STOPPING=1"


class Ear:
    """A datagram socket in systemd's place; ``name`` is what goes into NOTIFY_SOCKET."""

    def __init__(self, address: str | bytes) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(address)
        self.name = os.fsdecode(self.socket.getsockname()).replace("\0", "@", 1)

    def heard(self) -> list[str]:
        """All messages that have arrived since the last call."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def environ(self, seconds: float = 0, **more: str) -> dict[str, str]:
        """An environment that names this socket and a watchdog of that many seconds."""
        watchdog = {"WATCHDOG_USEC": str(int(seconds * 1_000_000))} if seconds else {}
        return {"NOTIFY_SOCKET": self.name, **watchdog, **more}


@pytest.fixture
def ear() -> Iterator[Ear]:
    # An empty address asks Linux for a free name in the abstract namespace.
    ear = Ear("")
    with ear.socket:
        yield ear


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    events: list[LogEvent] = []
    observer = cast("ILogObserver", events.append)
    globalLogPublisher.addObserver(observer)
    yield events
    globalLogPublisher.removeObserver(observer)


def test_start_says_ready_with_a_status(ear: Ear, clock: Clock) -> None:
    Notifier(clock, ear.environ()).startService()
    assert ear.heard() == [READY]


def test_status_is_asked_at_the_start_and_stays_one_line(ear: Ear, clock: Clock) -> None:
    ports: list[int] = []
    notifier = Notifier(clock, ear.environ(), status=lambda: f"Ports:\n{ports}")
    ports.append(7432)
    notifier.startService()
    assert ear.heard() == ["READY=1\nSTATUS=Ports: [7432]"]


def test_a_socket_in_the_file_system(
    tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> None:
    ear = Ear(str(tmp_path_factory.mktemp("n") / "s"))
    with ear.socket:
        assert ear.name.startswith("/")
        Notifier(clock, ear.environ()).startService()
        assert ear.heard() == [READY]


def test_beats_at_half_the_watchdogs_time(ear: Ear, clock: Clock) -> None:
    Notifier(clock, ear.environ(30)).startService()
    assert ear.heard() == [READY, BEAT]
    clock.advance(14.9)
    assert ear.heard() == []
    clock.advance(0.1)
    assert ear.heard() == [BEAT]
    clock.pump([15, 15])
    assert ear.heard() == [BEAT, BEAT]


def test_does_not_beat_unasked(ear: Ear, clock: Clock) -> None:
    Notifier(clock, ear.environ()).startService()
    assert ear.heard() == [READY]
    assert clock.getDelayedCalls() == []


def test_a_beat_waits_for_the_probe(ear: Ear, clock: Clock) -> None:
    answers: list[Deferred[object]] = []

    def probe() -> Deferred[object]:
        answers.append(Deferred())
        return answers[-1]

    Notifier(clock, ear.environ(30), probe=probe).startService()
    clock.advance(60)
    assert ear.heard() == [READY], "a hung journal must not look alive"
    answers[0].callback("whatever")
    assert ear.heard() == [BEAT]
    clock.advance(15)
    assert len(answers) == 2


def test_a_failing_probe_has_answered_and_is_logged(
    ear: Ear, clock: Clock, logged: list[LogEvent]
) -> None:
    full: Deferred[object] = fail(OSError("disk full"))
    Notifier(clock, ear.environ(30), probe=lambda: full).startService()
    assert ear.heard() == [READY, BEAT]
    assert [formatEvent(event) for event in logged] == [
        "The watchdog's probe failed: disk full"
    ]
    clock.advance(15)
    assert ear.heard() == [BEAT], "one bad answer does not end the heartbeat"


def test_stopping_comes_first_and_once(ear: Ear, clock: Clock) -> None:
    notifier = Notifier(clock, ear.environ(30))
    notifier.startService()
    notifier.stopping()
    assert ear.heard() == [READY, BEAT, STOPPING]
    notifier.stopping()
    notifier.stopService()
    clock.advance(60)
    assert ear.heard() == []
    assert clock.getDelayedCalls() == []


def test_stop_says_it_if_nobody_has(ear: Ear, clock: Clock) -> None:
    notifier = Notifier(clock, ear.environ())
    notifier.startService()
    notifier.stopService()
    assert ear.heard() == [READY, STOPPING]
    assert not notifier.running


def test_an_answer_after_the_stop_is_no_beat(ear: Ear, clock: Clock) -> None:
    answer: Deferred[object] = Deferred()
    notifier = Notifier(clock, ear.environ(30), probe=lambda: answer)
    notifier.startService()
    notifier.stopService()
    answer.callback(None)
    assert ear.heard() == [READY, STOPPING]


def test_starts_again_after_a_stop(ear: Ear, clock: Clock) -> None:
    notifier = Notifier(clock, ear.environ(30))
    for _ in range(2):
        notifier.startService()
        notifier.stopService()
    assert ear.heard() == [READY, BEAT, STOPPING] * 2


@pytest.mark.parametrize("name", ["", "relative/path", "vsock:2:1234"])
def test_no_socket_no_word_and_no_timer(name: str, clock: Clock) -> None:
    notifier = Notifier(clock, {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000"})
    notifier.startService()
    assert clock.getDelayedCalls() == []
    notifier.stopService()


@pytest.mark.parametrize("name", ["gone", "x" * 200])
def test_a_vanished_socket_is_no_error(tmp_path: Path, clock: Clock, name: str) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path / name), "WATCHDOG_USEC": "30000000"}
    notifier = Notifier(clock, environ)
    notifier.startService()
    clock.advance(15)
    notifier.stopService()


def test_a_full_socket_neither_blocks_nor_fails(ear: Ear, clock: Clock) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as flood:
        flood.connect(ear.socket.getsockname())
        with suppress(BlockingIOError):
            while True:
                flood.send(b"x")
        Notifier(clock, ear.environ(30)).startService()
    assert set(ear.heard()) == {"x"}
    clock.advance(15)
    assert ear.heard() == [BEAT]


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "30000000"}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": ""}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "0"}, 0),
        ({"WATCHDOG_USEC": "-1"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
    ],
)
def test_heartbeat(environ: dict[str, str], seconds: float) -> None:
    assert heartbeat(environ) == seconds


def test_a_start_that_takes_long_says_why_and_asks_for_time(ear: Ear) -> None:
    report_start(ear.environ(), "Checking sxhost.db")
    assert ear.heard() == ["STATUS=Checking sxhost.db\nEXTEND_TIMEOUT_USEC=60000000"]
