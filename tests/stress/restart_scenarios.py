"""Scenarios in which the host ends, without warning and in order, and comes back."""

from __future__ import annotations

import time

from tests.stress.fleet import Counts, Fleet
from tests.stress.host_process import Client, request
from tests.stress.message_scenarios import Consumer, Feeder
from tests.stress.queue_history import contiguous
from tests.stress.scenario import Mismatch, Scenario
from tests.stress.stream_client import ALL, Wanted

__all__ = ["crash", "stop"]


def crash(scenario: Scenario) -> Counts:
    """Two ends without warning: what was acknowledged is there, readers go on."""
    scenario.patient = True
    fleet = Fleet(scenario, 4, "crash")
    fleet.add_writers(4, 2000, keys=True)
    fleet.add_readers((ALL, Wanted(("crash-0",)), Wanted(label="team:red")), mean=100_000)
    amount = scenario.amount(120)
    scenario.ask("POST", "/sessions/line/register", {})
    feeder = Feeder(scenario, "line", amount)
    consumer = Consumer(scenario, "line", amount, lease=60)
    deaths = [KillAt(scenario, fleet, share) for share in (0.33, 0.66)]

    def die() -> None:
        for death in deaths:
            death()

    fleet.play(feeder, consumer, die)
    log = fleet.judge()
    scenario.right(contiguous({"the line": consumer.got}))
    fleet.clear()
    scenario.ask("DELETE", "/sessions/line")
    retries = sum(writer.client.retries for writer in fleet.writers)
    more = {"messages": amount, "kills": len(deaths), "retries": retries}
    return {**fleet.counts(log), **more}


class KillAt:
    """The end of the host, and a new beginning, when a share of the events is there."""

    def __init__(
        self, scenario: Scenario, fleet: Fleet, share: float, *, waits: int = -1
    ) -> None:
        self._due = share + scenario.chance(f"death {share}").random() * 0.2
        self._scenario = scenario
        self._cast = fleet
        self._waits = waits

    def __call__(self) -> None:
        """Wait for the time, then end the host and begin it again.

        With a number of waiting pulls it is a stop in order, once all are there.
        """
        while self._cast.progress() < self._due:
            self._pause()
        server = self._scenario.server
        if self._waits < 0:
            server.kill()
        else:
            while not self._all_there():
                self._pause()
            server.stop()
        server.start()

    def _all_there(self) -> bool:
        status = self._scenario.ask("GET", "/status")
        there = status["subscribers"], status["waiting"]
        return there == (len(self._cast.readers), self._waits)

    def _pause(self) -> None:
        self._scenario.check(lambda: "the end of the host")
        time.sleep(0.002)


def stop(scenario: Scenario) -> Counts:
    """An ordered stop under load: every reader is told so, and asked to come again."""
    scenario.patient = True
    fleet = Fleet(scenario, 3, "stop")
    fleet.add_writers(3, 1200, keys=True)
    fleet.add_readers((ALL, Wanted(("stop-0",)), Wanted(label="team:red")), mean=0)
    waits = [Waiter(scenario, f"stop-{number}") for number in range(3)]
    fleet.play(*waits, KillAt(scenario, fleet, 0.3, waits=len(waits)))
    log = fleet.judge()
    for reader in fleet.readers:
        if reader.ends != 1:
            scenario.right(f"{reader.name} was told of {reader.ends} ends")
    fleet.clear()
    return {
        **fleet.counts(log),
        "ends": sum(r.ends for r in fleet.readers),
        "waits": len(waits),
    }


class Waiter:
    """Pulls for longer than the host is there; the end must be answered, with nothing."""

    def __init__(self, scenario: Scenario, session: str) -> None:
        self._scenario = scenario
        self._message = request("GET", f"/sessions/{session}/messages?wait=50")

    def __call__(self) -> None:
        """Wait."""
        with Client(self._scenario.server.port) as client:
            answer = client.ask(self._message)
        if answer != (200, b"[]"):
            raise Mismatch(f"a pull that waits was answered by {answer} at the end")
