"""The time of day as retention believes it."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from sxhost.store.steady_clock import LOOKS, SteadyClock

NOW = 1_700_000_000_000
MINUTE = 60_000


def looks(clock: Clock, steady: SteadyClock, wrong: int, times: int) -> list[int]:
    """Look once a minute at a wall clock that is wrong; return how wrong that makes ours."""
    found = []
    for _ in range(times):
        here = NOW + int(clock.seconds() * 1000)
        told = steady.look(here + wrong)
        found.append(0 if told is None else told - here)
        clock.advance(60)
    return found


def test_at_first_nobody_knows() -> None:
    clock = Clock()
    steady = SteadyClock(clock.seconds)
    for _ in range(LOOKS - 1):
        assert steady.look(NOW) is None
    assert steady.look(NOW) == NOW


@pytest.mark.parametrize("wrong", [1, MINUTE, 10**12])
def test_a_step_forward_counts_once_it_has_lasted(wrong: int) -> None:
    clock = Clock()
    steady = SteadyClock(clock.seconds)
    assert set(looks(clock, steady, 0, LOOKS)) == {0}
    assert looks(clock, steady, wrong, LOOKS - 1) == [0] * (LOOKS - 1)
    assert looks(clock, steady, 0, 1) == [0]
    assert looks(clock, steady, wrong, LOOKS)[-2:] == [0, wrong]


def test_a_step_back_counts_at_once() -> None:
    clock = Clock()
    steady = SteadyClock(clock.seconds)
    looks(clock, steady, 0, LOOKS)
    assert looks(clock, steady, -MINUTE, 1) == [-MINUTE]
