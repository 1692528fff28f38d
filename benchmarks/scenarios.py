"""Scenarios of logs: much of everything, too much of it, and rude company.

Each returns how much of what there was.
"""

from __future__ import annotations

import time

from benchmarks.actors import LAST, TYPES
from benchmarks.cast import Cast, Counts
from benchmarks.rig import NDJSON, request
from benchmarks.rude import Visitor
from benchmarks.stage import Caller, Stage
from benchmarks.wire import ALL, Wanted

__all__ = ["RETAIN", "logs", "past", "retention", "rude"]

RETAIN = 1000
"""Events of a session that the host of a stress run retains."""

DROWNED = 5000
"""Events after which memory has nothing of what was before."""

NOTICED = 3.0
"""Seconds after which an honest client would have noticed the rude ones."""


def logs(stage: Stage) -> Counts:
    """Many writers, readers of every kind that are cut: no one may miss anything."""
    cast = Cast(stage, 12)
    cast.add_writers(8, 6000, keys=True)
    team, some = Wanted(label="team:red"), Wanted(types=(*TYPES[:2], LAST))
    one, two = Wanted(("s-0",)), Wanted(("s-1", "s-2"))
    fine = Wanted(("s-3",), types=(TYPES[0], LAST))
    both = Wanted(label="team:blue", types=(TYPES[3], LAST))
    cast.add_readers((ALL, ALL, team, some, one, two, fine, both), mean=80_000, slow=5)
    cast.play()
    log = cast.judge()
    cast.clear()
    return cast.counts(log)


def retention(stage: Stage) -> Counts:
    """A flood that goes past slow readers: they are told of gaps, and miss nothing else."""
    cast = Cast(stage, 2, "flood")
    cast.add_writers(2, 8_000, keys=False)
    cast.add_readers(
        (ALL, Wanted(("flood-0",)), Wanted(types=(*TYPES[:1], LAST))), mean=100_000
    )
    cast.add_readers((ALL, Wanted(("flood-1",))), mean=100_000, slow=1)
    for reader in cast.readers[::2]:
        reader.rests_for = stage.chance(reader.name).uniform(0.4, 0.9)
    cast.play()
    log = cast.judge(retain=RETAIN)
    cast.clear()
    return {**cast.counts(log), "gaps": sum(reader.gaps for reader in cast.readers)}


def past(stage: Stage) -> Counts:
    """Readers who begin together with what only the disk has: one reads it for all."""
    cast = Cast(stage, 2, "past")
    cast.add_writers(2, 1500, keys=False)
    cast.play()
    _drown(stage)
    for _ in range(4):
        cast.add_readers((Wanted((session,)) for session in cast.labels), mean=60_000)
    stage.play(cast.readers)
    log = cast.judge()
    cast.clear()
    return cast.counts(log)


def _drown(stage: Stage) -> None:
    """Have memory forget all that has happened so far."""
    lines = b"\n".join([b'{"event":"message"}'] * 500)
    caller = Caller(stage)
    for _ in range(DROWNED // 500):
        caller.insist(request("POST", "/sessions/drown/events", lines, NDJSON))
    caller.close()
    stage.ask("DELETE", "/sessions/drown")


class Pinger:
    """Asks whether the host is there, as long as others read; `worst` is in seconds."""

    def __init__(self, stage: Stage, cast: Cast) -> None:
        self.worst = 0.0
        self._cast = cast
        self._caller = Caller(stage)

    def __call__(self) -> None:
        """Ask again and again."""
        while any(reader.until for reader in self._cast.readers):
            start = time.monotonic()
            self._caller.insist(request("GET", "/health"))
            self.worst = max(self.worst, time.monotonic() - start)
            time.sleep(0.02)
        self._caller.close()


def rude(stage: Stage) -> Counts:
    """Honest ones beside rude ones, whom they must not notice."""
    cast = Cast(stage, 3, "honest")
    cast.add_writers(3, 900, keys=True)
    cast.add_readers((ALL, Wanted(("honest-0",))), mean=0)
    pinger = Pinger(stage, cast)
    visitors = [Visitor(stage, f"rude{number}", stage.amount(14)) for number in range(12)]
    cast.play(pinger, *visitors)
    log = cast.judge()
    if pinger.worst > NOTICED:
        stage.right(f"an honest GET /health took {pinger.worst:.1f} s")
    cast.clear()
    visits = sum(visitor.visits for visitor in visitors)
    return {**cast.counts(log), "visits": visits, "slowest ms": round(pinger.worst * 1000)}
