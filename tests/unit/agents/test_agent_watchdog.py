"""An agent's watch: silent for too long, started again ever later."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from sxhost.agents.watchdog import STEADY_S, Watchdog
from sxhost.model.limits import Limits

LIMITS = Limits(stall_after=10, sleep_after=20, restart_after=1, restarts=3)


class Rig:
    def __init__(self) -> None:
        self.clock = Clock()
        self.stalls: list[float] = []
        self.sleepy: list[float] = []
        self.restarts = 0
        self.care = Watchdog(
            self.clock, LIMITS, self.stalls.append, self._restart, self.sleepy.append
        )

    def _restart(self) -> None:
        self.restarts += 1


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_silence_is_reported_once(rig: Rig) -> None:
    rig.care.watch()
    rig.clock.advance(9.9)
    assert rig.stalls == []
    rig.clock.advance(0.1)
    rig.clock.advance(100)
    assert rig.stalls == [10]


def test_every_event_resets_the_watchdog(rig: Rig) -> None:
    rig.care.watch()
    for _ in range(10):
        rig.clock.advance(9)
        rig.care.note_activity()
    assert rig.stalls == []
    rig.clock.advance(10)
    assert rig.stalls == [10]


def test_long_idleness_is_reported_once(rig: Rig) -> None:
    rig.care.watch()
    rig.care.watch_idle()
    rig.clock.advance(19)
    rig.care.note_activity()
    rig.clock.advance(19)
    assert rig.sleepy == []
    rig.clock.advance(1)
    rig.clock.advance(100)
    assert (rig.sleepy, rig.stalls) == ([20], [])


def test_watchdog_is_off_between_turns(rig: Rig) -> None:
    rig.care.watch()
    rig.clock.advance(5)
    rig.care.pause()
    rig.care.pause()
    assert rig.clock.getDelayedCalls() == []


def test_restarted_watchdog_begins_a_new_period(rig: Rig) -> None:
    rig.care.watch()
    rig.clock.advance(9)
    rig.care.watch()
    rig.clock.advance(9)
    assert rig.stalls == []
    assert len(rig.clock.getDelayedCalls()) == 1


def test_restarts_back_off_and_give_up(rig: Rig) -> None:
    delays = []
    while (delay := rig.care.schedule_restart()) is not None:
        delays.append(delay)
        rig.clock.advance(delay)
        rig.care.started()
    assert delays == [1, 2, 4]
    assert rig.restarts == 3


def test_steady_run_resets_the_back_off(rig: Rig) -> None:
    for _ in range(3):
        rig.clock.advance(rig.care.schedule_restart() or 0)
        rig.care.started()
    rig.clock.advance(STEADY_S + 1)
    assert rig.care.schedule_restart() == 1


def test_restart_can_be_cancelled(rig: Rig) -> None:
    rig.care.schedule_restart()
    rig.care.cancel_restart()
    rig.care.cancel_restart()
    rig.clock.advance(100)
    assert rig.restarts == 0
