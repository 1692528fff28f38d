"""The watchdog hears of the host only while its store answers: a real file, real threads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import pytest_twisted
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.daemon.systemd import Notifier
from sxhost.daemon.threads import store_threads
from sxhost.model.limits import Limits
from sxhost.store.journalled import JournalledStore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.testing import HostInMemory, is_done, result_of, started
from tests.unit.daemon.test_daemon_systemd import BEAT, READY, Ear

F = TypeVar("F", bound=Callable[..., object])
in_reactor: Callable[[F], F] = pytest_twisted.ensureDeferred
fixture_in_reactor: Callable[[F], F] = pytest_twisted.async_yield_fixture
reactor: Any = global_reactor


class Disk:
    """A store's journal whose writing thread can be made to hang."""

    def __init__(self, path: Path) -> None:
        self.threads = store_threads(reactor)
        journal = SQLiteConnection(path)
        self.store = JournalledStore(Limits(), Clock().seconds, journal, self.threads)
        self.heals = Event()
        self.store.open()

    def hang(self) -> Deferred[Any]:
        """Let whatever is written from now on wait."""
        return self.threads.write(self.heals.wait)


@fixture_in_reactor
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    disk = Disk(tmp_path / "sxhost.db")
    yield disk
    disk.heals.set()
    await started(disk.store.close())


class Probe:
    """The probe of a host with this disk, and its rounds."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.rounds: list[Deferred[object]] = []

    def __call__(self) -> Deferred[object]:
        round_trip: Deferred[Any] = started(self.disk.store.ping())
        self.rounds.append(round_trip)
        return self.rounds[-1]


@in_reactor
async def test_hanging_disk_stops_the_watchdog_until_it_recovers(disk: Disk) -> None:
    ear, clock, probe = Ear(""), Clock(), Probe(disk)
    with ear.socket:
        hanging = disk.hang()
        Notifier(clock, ear.environ(30), probe=probe).startService()
        clock.advance(60)
        assert ear.heard() == [READY], "WATCHDOG=1 would keep a hung host alive"
        assert not is_done(probe.rounds[0])
        disk.heals.set()
        await hanging
        await probe.rounds[0]
        assert ear.heard() == [BEAT]


@in_reactor
async def test_working_disk_feeds_the_watchdog(disk: Disk) -> None:
    ear, probe = Ear(""), Probe(disk)
    with ear.socket:
        Notifier(Clock(), ear.environ(30), probe=probe).startService()
        await probe.rounds[0]
        assert ear.heard() == [READY, BEAT]


def test_memory_store_feeds_the_watchdog(lab: HostInMemory) -> None:
    result_of(lab.store.ping())
