"""A host waits for the store that another has, takes it over, and shows that it lives."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from sxhost.daemon.standby import BEAT_EVERY_S, TRY_EVERY_S, StoreHold
from sxhost.errors import NotReady, StoreUnavailable
from sxhost.http.readiness import Readiness, Ready
from sxhost.model.limits import Limits
from sxhost.store.contracts import StandingBy, StoreUnusable
from sxhost.store.memory import MemoryStore
from sxhost.testing import result_of


class SharedStore(MemoryStore):
    """A store whose next answers are given."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(Limits(), clock.seconds)
        self.refusal: Exception | None = None
        self.tries = self.beats = 0

    async def take_over(self) -> None:
        self.tries += 1
        if self.refusal is not None:
            raise self.refusal

    async def beat(self) -> None:
        self.beats += 1
        if self.refusal is not None:
            raise self.refusal


class Rig:
    def __init__(self) -> None:
        self.clock = Clock()
        self.store = SharedStore(self.clock)
        self.readiness = Readiness()
        self.hold = StoreHold(self.store, self.clock, self.readiness)
        self.active: list[float] = []

    def stand_by(self) -> None:
        self.hold.stand_by(lambda: self.active.append(self.clock.seconds()))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_it_takes_over_once_it_can(rig: Rig) -> None:
    rig.store.refusal = StandingBy("another has it")
    rig.stand_by()
    rig.clock.pump([TRY_EVERY_S] * 3)
    rig.store.refusal = StoreUnusable("the engine is away")
    rig.clock.pump([TRY_EVERY_S] * 3)
    assert not rig.active
    rig.store.refusal = None
    rig.clock.pump([TRY_EVERY_S] * 3)
    assert (rig.active, rig.store.tries) == ([7 * TRY_EVERY_S], 7)
    rig.clock.pump([BEAT_EVERY_S] * 2)
    assert rig.store.beats == 2
    rig.hold.stopService()
    assert not rig.clock.getDelayedCalls()


def test_one_that_stops_waits_no_longer(rig: Rig) -> None:
    rig.stand_by()
    rig.hold.stopService()
    assert not rig.clock.getDelayedCalls()


def test_a_host_without_its_store_is_not_ready(rig: Rig) -> None:
    rig.hold.keep()
    assert result_of(rig.readiness.ready()) == Ready()
    rig.store.refusal = StoreUnavailable("it is away")
    with capturedLogs() as logged:
        rig.clock.pump([BEAT_EVERY_S] * 3)
        with pytest.raises(NotReady, match="cannot reach its store"):
            result_of(rig.readiness.ready())
        rig.readiness.check("/sessions")  # reads go on
        rig.store.refusal = None
        rig.clock.pump([BEAT_EVERY_S])
    assert result_of(rig.readiness.ready()) == Ready()
    assert [formatEvent(event) for event in logged] == [
        "The store does not answer: it is away.",
        "The store answers again",
    ]
    rig.hold.stopService()
