"""Rate limiters, on a clock that is moved by hand."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from sxhost.ratelimit import FixedWindow, SlidingWindows, TokenBuckets

STEPS = st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0]), max_size=60)
"""Seconds between two uses."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_bucket_allows_a_burst_and_then_its_rate(clock: Clock) -> None:
    buckets = TokenBuckets(clock.seconds, rate=2, burst=3)
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    clock.advance(0.25)
    assert buckets.take("a") == 0.25, "what is refused costs nothing"
    clock.advance(0.25)
    assert [buckets.take("a"), buckets.take("a")] == [0, 0.5]
    clock.advance(1000)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5], "it is never more than full"


def test_a_sliding_window_says_when_its_oldest_use_leaves_it(clock: Clock) -> None:
    windows = SlidingWindows(clock.seconds, 2, 60)
    assert windows.take() == 0
    clock.advance(10)
    assert [windows.take(), windows.take()] == [0, 50]
    assert windows.count() == 2, "what is refused is not counted"
    clock.advance(50)
    assert [windows.take(), windows.take()] == [0, 10]
    clock.advance(1000)
    assert windows.count() == 0


@given(STEPS)
def test_no_period_sees_more_uses_than_the_limit(steps: list[float]) -> None:
    clock, uses = Clock(), deque[float]()
    windows = SlidingWindows(clock.seconds, 3, 10)
    for step in steps:
        clock.advance(step)
        wait = windows.take("a")
        within = [use for use in uses if use > clock.seconds() - 10]
        assert (wait == 0) is (len(within) < 3)
        if wait:
            clock.advance(wait)
            assert windows.take("a") == 0, "it may as soon as it was told"
        uses.append(clock.seconds())


def test_a_limit_of_nothing_allows_nothing(clock: Clock) -> None:
    assert SlidingWindows(clock.seconds, 0, 60).take() == 60


def test_a_fixed_window_begins_with_each_second(clock: Clock) -> None:
    window = FixedWindow(clock.seconds, 2)
    assert [window.take() for _ in range(4)] == [True, True, False, False]
    clock.advance(1)
    assert [window.take() for _ in range(3)] == [True, True, False]


LIMITERS = [
    TokenBuckets(Clock().seconds, rate=1, burst=1, max_keys=3),
    SlidingWindows(Clock().seconds, 1, 60, max_keys=3),
]


@pytest.mark.parametrize("limiter", LIMITERS, ids=lambda limiter: type(limiter).__name__)
def test_each_key_has_its_own_and_the_least_recently_used_is_forgotten(
    limiter: TokenBuckets | SlidingWindows,
) -> None:
    assert [limiter.take(key) for key in "abc"] == [0, 0, 0]
    assert limiter.take("a"), "it was used just now, though refused"
    assert limiter.take("d") == 0
    assert [bool(limiter.take(key)) for key in "acd"] == [True, True, True]
    assert limiter.take("b") == 0, "it had to make room"
