"""The timer of a connection: one call, put off without being scheduled anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from sxhost.http.deadline import NOTHING, ConnectionDeadline


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_does_not_come_in_time_is_told_once(clock: Clock) -> None:
    told: list[float] = []
    deadline = ConnectionDeadline(clock)
    deadline.set("header", 10, lambda: told.append(clock.seconds()))
    assert deadline.awaited == "header"
    clock.pump([1.0] * 20)
    assert told == [10]
    assert clock.getDelayedCalls() == []


def test_a_later_deadline_needs_no_other_call(clock: Clock) -> None:
    told: list[float] = []
    deadline = ConnectionDeadline(clock)
    for _ in range(5):
        deadline.set("next", 10, lambda: told.append(clock.seconds()))
        (call,) = clock.getDelayedCalls()
        assert call.getTime() == 10
        clock.advance(1)
    clock.pump([0.5] * 30)
    assert told == [14]


def test_an_earlier_deadline_is_kept(clock: Clock) -> None:
    told: list[str] = []
    deadline = ConnectionDeadline(clock)
    deadline.set("next", 75, lambda: told.append("next"))
    deadline.set("header", 10, lambda: told.append("header"))
    clock.advance(10)
    assert told == ["header"]


def test_nothing_that_was_cleared_or_cancelled_is_told(clock: Clock) -> None:
    deadline = ConnectionDeadline(clock)
    deadline.set("body", 5, lambda: pytest.fail("it was cleared"))
    deadline.clear()
    assert deadline.awaited == NOTHING
    clock.advance(6)
    deadline.set("body", 5, lambda: pytest.fail("it was cancelled"))
    deadline.cancel()
    assert clock.getDelayedCalls() == []


@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), min_size=1))
def test_the_last_deadline_counts(steps: list[tuple[float, float]]) -> None:
    clock, told = Clock(), []
    deadline = ConnectionDeadline(clock)
    for within, passes in steps:
        due = clock.seconds() + within
        deadline.set("x", within, lambda: told.append(clock.seconds()))
        told.clear()
        clock.advance(min(passes, within / 2))
        assert not told
    clock.pump([0.01] * 1000)
    assert len(told) == 1
    assert told[0] == pytest.approx(due, abs=0.02)
