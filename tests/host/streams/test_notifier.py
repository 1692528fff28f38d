"""Pokes and the watches that wait for them."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from sxhost.model.limits import Limits
from sxhost.store.memory import MemoryStore
from sxhost.streams.notifier import LogNotifier
from sxhost.testing import is_done, started


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> LogNotifier:
    store = MemoryStore(Limits(), clock.seconds)
    return LogNotifier(clock, store, store.known, Limits())


def test_a_poke_wakes_who_waits(hub: LogNotifier, clock: Clock) -> None:
    with hub.watch("a") as watch:
        waiting = started(watch.wait(30))
        hub.poke("b")
        assert not is_done(waiting)
        hub.poke("a")
        assert is_done(waiting)
    assert clock.getDelayedCalls() == []


def test_a_poke_before_the_wait_is_not_lost(hub: LogNotifier) -> None:
    with hub.watch("a") as watch:
        hub.poke("a")
        assert is_done(started(watch.wait(30)))
        assert not is_done(started(watch.wait(30)))


def test_time_ends_a_wait(hub: LogNotifier, clock: Clock) -> None:
    with hub.watch("a") as watch:
        waiting = started(watch.wait(30))
        clock.advance(29.9)
        assert not is_done(waiting)
        clock.advance(0.1)
        assert is_done(waiting)


def test_a_cancelled_wait_leaves_nothing(hub: LogNotifier, clock: Clock) -> None:
    with hub.watch("a") as watch:
        waiting = started(watch.wait(30))
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        assert clock.getDelayedCalls() == []
        hub.poke("a")


def test_who_left_is_not_counted(hub: LogNotifier) -> None:
    with hub.watch("a"), hub.watch("a"), hub.watch("b"):
        assert hub.watched("a")
    assert not hub.watched("a")
    hub.poke("a")


def test_a_poke_can_come_later(hub: LogNotifier, clock: Clock) -> None:
    with hub.watch("a") as watch:
        hub.poke_later(10, "a")
        waiting = started(watch.wait(30))
        clock.advance(10)
        assert is_done(waiting)


def test_closing_wakes_everyone_and_drops_timers(hub: LogNotifier, clock: Clock) -> None:
    with hub.watch("a") as one, hub.watch("b") as two:
        hub.poke_later(10, "a")
        waiting = [started(one.wait(30)), started(two.wait(30))]
        hub.close()
        assert hub.closed
        assert all(done.called for done in waiting)
    assert clock.getDelayedCalls() == []
