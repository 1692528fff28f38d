"""What it costs to append without HTTP around it: ``python -m benchmarks.inside``.

The service runs in this process, on the real reactor, with a store as the host makes it.
The CPU is that of the process, the writer's thread included.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from benchmarks.measures import spread
from sxhost.config import Settings
from sxhost.daemon.stores import make_store
from sxhost.model.event import EventDraft
from sxhost.service import SessionService

BATCHES = (500, 50, 1)
SECONDS, ROUNDS = 1.0, 7
STORES = {
    "sqlite, power": {"durability": "power"},
    "sqlite, process": {"durability": "process"},
    "memory": {"store": "memory:"},
}
DRAFT = EventDraft.of("tool-start", "Bash: git status --short --branch")


async def measure(service: SessionService, batch: int) -> float:
    """Return the CPU microseconds that an event takes, in batches one after another."""
    drafts, count = [DRAFT] * batch, 0
    cpu, end = time.process_time(), time.monotonic() + SECONDS
    while time.monotonic() < end:
        await service.fire_batch("bench", drafts)
        count += batch
    return (time.process_time() - cpu) / count * 1e6


async def report(name: str, place: Path) -> None:
    given = {"listen": (), "state_dir": place, **STORES[name]}
    settings = msgspec.convert(given, Settings)
    store = make_store(settings, reactor)
    wall_ms = lambda: time.time_ns() // 1_000_000  # noqa: E731
    service = SessionService(store, reactor, wall_ms, settings.limits)
    service.open()
    for batch in BATCHES:
        figures = [await measure(service, batch) for _ in range(ROUNDS)]
        print(f"{name:18}{batch:6}  {spread(figures)}", flush=True)
    await service.close()


async def run() -> None:
    print(f"{'store':18}{'batch':>6}  CPU us an event")
    for name in STORES:
        with tempfile.TemporaryDirectory() as place:
            await report(name, Path(place))


if __name__ == "__main__":
    react(lambda _: Deferred.fromCoroutine(run()))
