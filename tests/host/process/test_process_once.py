"""Something that happens once, and those who wait for it."""

from __future__ import annotations

from twisted.internet.task import Clock

from sxhost.process.once import OneShotEvent
from sxhost.testing import is_done, result_of, started


def test_all_who_wait_go_on_and_so_do_those_who_come_late() -> None:
    moment = OneShotEvent()
    waiting = [started(moment.wait()) for _ in range(2)]
    assert not any(map(is_done, waiting))
    moment.happen()
    moment.happen()
    assert all(map(is_done, waiting))
    result_of(moment.wait())


def test_waiting_ends_when_it_happens_or_when_time_is_up() -> None:
    clock, moment = Clock(), OneShotEvent()
    short, long = (started(moment.wait_within(seconds, clock)) for seconds in (1, 3))
    clock.advance(2)
    assert result_of(short) is False
    assert not is_done(long)
    moment.happen()
    assert result_of(long) is True
    assert result_of(moment.wait_within(1, clock)) is True
    assert not clock.getDelayedCalls()
