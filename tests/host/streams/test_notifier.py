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
def notifier(clock: Clock) -> LogNotifier:
    store = MemoryStore(Limits(), clock.seconds)
    return LogNotifier(clock, store, store.known, Limits())


def test_poke_wakes_waiters(notifier: LogNotifier, clock: Clock) -> None:
    with notifier.watch("a") as watch:
        waiting = started(watch.wait(30))
        notifier.poke("b")
        assert not is_done(waiting)
        notifier.poke("a")
        assert is_done(waiting)
    assert clock.getDelayedCalls() == []


def test_poke_before_the_wait_is_not_lost(notifier: LogNotifier) -> None:
    with notifier.watch("a") as watch:
        notifier.poke("a")
        assert is_done(started(watch.wait(30)))
        assert not is_done(started(watch.wait(30)))


def test_wait_times_out(notifier: LogNotifier, clock: Clock) -> None:
    with notifier.watch("a") as watch:
        waiting = started(watch.wait(30))
        clock.advance(29.9)
        assert not is_done(waiting)
        clock.advance(0.1)
        assert is_done(waiting)


def test_cancelled_wait_leaves_nothing(notifier: LogNotifier, clock: Clock) -> None:
    with notifier.watch("a") as watch:
        waiting = started(watch.wait(30))
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        assert clock.getDelayedCalls() == []
        notifier.poke("a")


def test_removed_subscriber_is_not_counted(notifier: LogNotifier) -> None:
    with notifier.watch("a"), notifier.watch("a"), notifier.watch("b"):
        assert notifier.watched("a")
    assert not notifier.watched("a")
    notifier.poke("a")


def test_delayed_poke_comes_later(notifier: LogNotifier, clock: Clock) -> None:
    with notifier.watch("a") as watch:
        notifier.poke_later(10, "a")
        waiting = started(watch.wait(30))
        clock.advance(10)
        assert is_done(waiting)


def test_closing_wakes_everyone_and_drops_timers(notifier: LogNotifier, clock: Clock) -> None:
    with notifier.watch("a") as one, notifier.watch("b") as two:
        notifier.poke_later(10, "a")
        waiting = [started(one.wait(30)), started(two.wait(30))]
        notifier.close()
        assert notifier.closed
        assert all(done.called for done in waiting)
    assert clock.getDelayedCalls() == []
