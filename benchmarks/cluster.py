"""What a shared store costs: ``python -m benchmarks.cluster``.

The service runs in this process, on the real reactor, once over SQLite and once over a
PostgreSQL of its own (Debian's package, started on loopback, on a disk that is synced).  One
writer after the other, then 64 at once; the figures are events a second, the milliseconds until
an event was acknowledged, and the CPU of this process and of the engine an event.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import msgspec
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import react

from sxhost.config import Settings
from sxhost.daemon.stores import make_store
from sxhost.model.event import EventDraft
from sxhost.service import SessionService
from tests.support.postgresql import Cluster

DRAFT = EventDraft.of("tool-start", "Bash: git status --short --branch")
SESSIONS = 50
TICKS = os.sysconf("SC_CLK_TCK")


class Run:
    """Writers that each append an event, again and again, for some seconds."""

    def __init__(self, service: SessionService, seconds: float) -> None:
        self._service = service
        self._end = time.monotonic() + seconds
        self.waits: list[float] = []

    async def write(self, session: str) -> None:
        """Append events to a session until the time is up."""
        while (began := time.monotonic()) < self._end:
            await self._service.fire(session, DRAFT)
            self.waits.append((time.monotonic() - began) * 1000)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and of all that it has started and waited for."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if pid else []
    seconds = 0.0
    for one in [pid, *map(int, children)] if pid else []:
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        seconds += sum(map(int, fields[11:13])) / TICKS
    return seconds


async def measure(name: str, settings: Settings, engine: int, seconds: float) -> None:
    store = make_store(settings, reactor)
    service = SessionService(store, reactor, lambda: time.time_ns() // 10**6, settings.limits)
    service.open()
    for writers in (1, 64):
        run = Run(service, seconds)
        host, other, began = time.process_time(), cpu_of(engine), time.monotonic()
        tasks = [run.write(f"s{number % SESSIONS}") for number in range(writers)]
        await DeferredList([Deferred.fromCoroutine(task) for task in tasks])
        took, count = time.monotonic() - began, len(run.waits)
        centiles = quantiles(run.waits, n=100)
        print(
            f"{name:12}{writers:9}{count / took:12.0f}{centiles[49]:9.2f}{centiles[98]:9.2f}"
            f"{(time.process_time() - host) / count * 1e6:10.0f}"
            f"{(cpu_of(engine) - other) / count * 1e6:10.0f}",
            flush=True,
        )
    await service.close()


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Run a PostgreSQL on a disk."""
    with tempfile.TemporaryDirectory() as place:
        cluster = Cluster(Path(place))
        cluster.make()
        try:
            yield cluster
        finally:
            cluster.stop()


async def compare(seconds: float, rounds: int) -> None:
    print(f"{'store':12}{'writers':>9}{'events/s':>12}{'p50 ms':>9}{'p99 ms':>9}", end="")
    print(f"{'host us':>10}{'engine us':>10}")
    with running_cluster() as cluster:
        for number in range(rounds):
            stores = {"sqlite": "sqlite", "postgresql": cluster.schema(f"round_{number}")}
            for name, store in stores.items():
                with tempfile.TemporaryDirectory() as place:
                    given: dict[str, Any] = {"listen": (), "store": store}
                    settings = msgspec.convert({**given, "state_dir": Path(place)}, Settings)
                    engine = cluster.pid if name == "postgresql" else 0
                    await measure(name, settings, engine, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    react(lambda _: Deferred.fromCoroutine(compare(options.seconds, options.rounds)))
