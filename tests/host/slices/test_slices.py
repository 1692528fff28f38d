"""Long work in slices: what is small is done at once, what is long lets others go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from sxhost.slices import TimeSlicer
from sxhost.testing import is_done, result_of, started, turn


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slices(clock: Clock) -> TimeSlicer:
    """Slices of which each takes a turn."""
    return TimeSlicer(clock, budget=0)


def steps(done: list[str], name: str, count: int) -> Iterator[None]:
    for number in range(1, count + 1):
        done.append(f"{name}{number}")
        if number < count:
            yield


def test_single_step_runs_at_once(slices: TimeSlicer, clock: Clock) -> None:
    done: list[str] = []
    result_of(slices.run(steps(done, "a", 1)))
    assert (done, clock.getDelayedCalls()) == (["a1"], [])


def test_two_long_works_alternate(slices: TimeSlicer, clock: Clock) -> None:
    done: list[str] = []
    works = [started(slices.run(steps(done, name, 3))) for name in "ab"]
    assert done == ["a1", "b1"]
    for _ in range(2):
        turn(clock)
    assert done == ["a1", "b1", "a2", "b2"]
    clock.advance(0)
    assert done[4:] == ["a3", "b3"]
    assert all(map(is_done, works))


def test_all_works_share_the_time_of_a_turn(clock: Clock) -> None:
    slices, done = TimeSlicer(clock, budget=1.0), list[str]()

    def slow() -> Iterator[None]:
        for number in range(6):
            done.append(str(number))
            clock.rightNow += 0.4
            yield

    started(slices.run(slow()))
    turn(clock)
    assert done == ["0", "1", "2", "3"]


def test_cancelled_work_stops(slices: TimeSlicer, clock: Clock) -> None:
    done: list[str] = []
    work = started(slices.run(steps(done, "a", 3)))
    work.addErrback(lambda _: None)
    work.cancel()
    clock.pump([0] * 3)
    assert done == ["a1"]


def test_failing_work_raises_its_error(slices: TimeSlicer, clock: Clock) -> None:
    def failing() -> Iterator[None]:
        yield
        raise ValueError("no")

    work = started(slices.run(failing()))
    clock.pump([0] * 2)
    with pytest.raises(ValueError, match="no"):
        result_of(work)


def test_gathered_parts_are_joined(slices: TimeSlicer, clock: Clock) -> None:
    work = started(slices.gather([[1, 2], [3], []]))
    clock.pump([0] * 3)
    assert result_of(work) == [1, 2, 3]
