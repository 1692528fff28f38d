"""Something that happens once, and those who wait for it."""

from __future__ import annotations

from twisted.internet.task import Clock

from sxhost.process.once import OneShotEvent
from sxhost.testing import is_done, result_of, started


def test_all_waiters_and_late_ones_continue() -> None:
    moment = OneShotEvent()
    waiting = [started(moment.wait()) for _ in range(2)]
    assert not any(map(is_done, waiting))
    moment.happen()
    moment.happen()
    assert all(map(is_done, waiting))
    result_of(moment.wait())


def test_wait_ends_by_the_signal_or_the_timeout() -> None:
    clock, moment = Clock(), OneShotEvent()
    short, long = (started(moment.wait_within(seconds, clock)) for seconds in (1, 3))
    clock.advance(2)
    assert result_of(short) is False
    assert not is_done(long)
    moment.happen()
    assert result_of(long) is True
    assert result_of(moment.wait_within(1, clock)) is True
    assert not clock.getDelayedCalls()
