"""Pokes of topics, and what waits for them."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from sxhost.streams.topics import Topics
from sxhost.testing import is_done, started


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def topics(clock: Clock) -> Topics:
    return Topics(clock)


def test_poke_wakes_waiters(topics: Topics, clock: Clock) -> None:
    with topics.watch("a") as watch:
        waiting = started(watch.wait(30))
        topics.poke("b")
        assert not is_done(waiting)
        topics.poke("a")
        assert is_done(waiting)
    assert clock.getDelayedCalls() == []


def test_poke_before_the_wait_is_not_lost(topics: Topics) -> None:
    with topics.watch("a") as watch:
        topics.poke("a")
        assert is_done(started(watch.wait(30)))
        assert not is_done(started(watch.wait(30)))


def test_wait_times_out(topics: Topics, clock: Clock) -> None:
    with topics.watch("a") as watch:
        waiting = started(watch.wait(30))
        clock.advance(29.9)
        assert not is_done(waiting)
        clock.advance(0.1)
        assert is_done(waiting)


def test_cancelled_wait_leaves_nothing(topics: Topics, clock: Clock) -> None:
    with topics.watch("a") as watch:
        waiting = started(watch.wait(30))
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        assert clock.getDelayedCalls() == []
        topics.poke("a")


def test_removed_subscriber_is_not_counted(topics: Topics) -> None:
    with topics.watch("a"), topics.watch("a"), topics.watch("b"):
        assert topics.watched("a")
    assert not topics.watched("a")
    topics.poke("a")


def test_delayed_poke_comes_later(topics: Topics, clock: Clock) -> None:
    with topics.watch("a") as watch:
        topics.poke_later(10, "a")
        waiting = started(watch.wait(30))
        clock.advance(10)
        assert is_done(waiting)


def test_closing_wakes_everyone_and_drops_timers(topics: Topics, clock: Clock) -> None:
    with topics.watch("a") as one, topics.watch("b") as two:
        topics.poke_later(10, "a")
        waiting = [started(one.wait(30)), started(two.wait(30))]
        topics.close()
        assert all(done.called for done in waiting)
    assert clock.getDelayedCalls() == []
