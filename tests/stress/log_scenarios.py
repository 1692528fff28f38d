"""Scenarios of logs: much of everything, too much of it, and rude company.

Each returns how much of what there was.
"""

from __future__ import annotations

import time

from tests.stress.fleet import Counts, Fleet
from tests.stress.host_process import NDJSON, request
from tests.stress.log_clients import LAST, TYPES
from tests.stress.rude_clients import RudeClients
from tests.stress.scenario import RetryingClient, Scenario
from tests.stress.stream_client import ALL, Wanted

__all__ = ["RETAIN", "logs", "past", "retention", "rude"]

RETAIN = 1000
"""Events of a session that the host of a stress run retains."""

DROWNED = 5000
"""Events after which memory has nothing of what was before."""

NOTICED = 3.0
"""Seconds after which an honest client would have noticed the rude ones."""


def logs(scenario: Scenario) -> Counts:
    """Many writers, readers of every kind that are cut: no one may miss anything."""
    fleet = Fleet(scenario, 12)
    fleet.add_writers(8, 6000, keys=True)
    team, some = Wanted(label="team:red"), Wanted(types=(*TYPES[:2], LAST))
    one, two = Wanted(("s-0",)), Wanted(("s-1", "s-2"))
    fine = Wanted(("s-3",), types=(TYPES[0], LAST))
    both = Wanted(label="team:blue", types=(TYPES[3], LAST))
    fleet.add_readers((ALL, ALL, team, some, one, two, fine, both), mean=80_000, slow=5)
    fleet.play()
    log = fleet.judge()
    fleet.clear()
    return fleet.counts(log)


def retention(scenario: Scenario) -> Counts:
    """A flood that goes past slow readers: they are told of gaps, and miss nothing else."""
    fleet = Fleet(scenario, 2, "flood")
    fleet.add_writers(2, 8_000, keys=False)
    fleet.add_readers(
        (ALL, Wanted(("flood-0",)), Wanted(types=(*TYPES[:1], LAST))), mean=100_000
    )
    fleet.add_readers((ALL, Wanted(("flood-1",))), mean=100_000, slow=1)
    for reader in fleet.readers[::2]:
        reader.rests_for = scenario.chance(reader.name).uniform(0.4, 0.9)
    fleet.play()
    log = fleet.judge(retain=RETAIN)
    fleet.clear()
    return {**fleet.counts(log), "gaps": sum(reader.gaps for reader in fleet.readers)}


def past(scenario: Scenario) -> Counts:
    """Readers who begin together with what only the disk has: one reads it for all."""
    fleet = Fleet(scenario, 2, "past")
    fleet.add_writers(2, 1500, keys=False)
    fleet.play()
    _drown(scenario)
    for _ in range(4):
        fleet.add_readers((Wanted((session,)) for session in fleet.labels), mean=60_000)
    scenario.play(fleet.readers)
    log = fleet.judge()
    fleet.clear()
    return fleet.counts(log)


def _drown(scenario: Scenario) -> None:
    """Have memory forget all that has happened so far."""
    lines = b"\n".join([b'{"event":"message"}'] * 500)
    client = RetryingClient(scenario)
    for _ in range(DROWNED // 500):
        client.insist(request("POST", "/sessions/drown/events", lines, NDJSON))
    client.close()
    scenario.ask("DELETE", "/sessions/drown")


class Pinger:
    """Asks whether the host is there, as long as others read; `worst` is in seconds."""

    def __init__(self, scenario: Scenario, fleet: Fleet) -> None:
        self.worst = 0.0
        self._cast = fleet
        self._client = RetryingClient(scenario)

    def __call__(self) -> None:
        """Ask again and again."""
        while any(reader.until for reader in self._cast.readers):
            start = time.monotonic()
            self._client.insist(request("GET", "/health"))
            self.worst = max(self.worst, time.monotonic() - start)
            time.sleep(0.02)
        self._client.close()


def rude(scenario: Scenario) -> Counts:
    """Honest ones beside rude ones, whom they must not notice."""
    fleet = Fleet(scenario, 3, "honest")
    fleet.add_writers(3, 900, keys=True)
    fleet.add_readers((ALL, Wanted(("honest-0",))), mean=0)
    pinger = Pinger(scenario, fleet)
    visitors = [
        RudeClients(scenario, f"rude{number}", scenario.amount(14)) for number in range(12)
    ]
    fleet.play(pinger, *visitors)
    log = fleet.judge()
    if pinger.worst > NOTICED:
        scenario.right(f"an honest GET /health took {pinger.worst:.1f} s")
    fleet.clear()
    visits = sum(client.visits for client in visitors)
    return {**fleet.counts(log), "visits": visits, "slowest ms": round(pinger.worst * 1000)}
