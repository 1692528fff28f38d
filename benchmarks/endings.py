"""Scenarios in which the host ends, without warning and in order, and comes back."""

from __future__ import annotations

import time

from benchmarks.cast import Cast, Counts
from benchmarks.mail import Consumer, Feeder
from benchmarks.queues import contiguous
from benchmarks.rig import Client, request
from benchmarks.stage import Stage, Wrong
from benchmarks.wire import ALL, Wanted

__all__ = ["crash", "stop"]


def crash(stage: Stage) -> Counts:
    """Two ends without warning: what was acknowledged is there, readers go on."""
    stage.patient = True
    cast = Cast(stage, 4, "crash")
    cast.add_writers(4, 2000, keys=True)
    cast.add_readers((ALL, Wanted(("crash-0",)), Wanted(label="team:red")), mean=100_000)
    amount = stage.amount(120)
    stage.ask("POST", "/sessions/line/register", {})
    feeder = Feeder(stage, "line", amount)
    consumer = Consumer(stage, "line", amount, lease=60)
    deaths = [Death(stage, cast, share) for share in (0.33, 0.66)]

    def die() -> None:
        for death in deaths:
            death()

    cast.play(feeder, consumer, die)
    log = cast.judge()
    stage.right(contiguous({"the line": consumer.got}))
    cast.clear()
    stage.ask("DELETE", "/sessions/line")
    retries = sum(writer.caller.retries for writer in cast.writers)
    more = {"messages": amount, "kills": len(deaths), "retries": retries}
    return {**cast.counts(log), **more}


class Death:
    """The end of the host, and a new beginning, when a share of the events is there."""

    def __init__(self, stage: Stage, cast: Cast, share: float, *, waits: int = -1) -> None:
        self._due = share + stage.chance(f"death {share}").random() * 0.2
        self._stage = stage
        self._cast = cast
        self._waits = waits

    def __call__(self) -> None:
        """Wait for the time, then end the host and begin it again.

        With a number of waiting pulls it is a stop in order, once all are there.
        """
        while self._cast.progress() < self._due:
            self._pause()
        server = self._stage.server
        if self._waits < 0:
            server.kill()
        else:
            while not self._all_there():
                self._pause()
            server.stop()
        server.start()

    def _all_there(self) -> bool:
        status = self._stage.ask("GET", "/status")
        there = status["subscribers"], status["waiting"]
        return there == (len(self._cast.readers), self._waits)

    def _pause(self) -> None:
        self._stage.check(lambda: "the end of the host")
        time.sleep(0.002)


def stop(stage: Stage) -> Counts:
    """An ordered stop under load: every reader is told so, and asked to come again."""
    stage.patient = True
    cast = Cast(stage, 3, "stop")
    cast.add_writers(3, 1200, keys=True)
    cast.add_readers((ALL, Wanted(("stop-0",)), Wanted(label="team:red")), mean=0)
    waits = [Waiter(stage, f"stop-{number}") for number in range(3)]
    cast.play(*waits, Death(stage, cast, 0.3, waits=len(waits)))
    log = cast.judge()
    for reader in cast.readers:
        if reader.ends != 1:
            stage.right(f"{reader.name} was told of {reader.ends} ends")
    cast.clear()
    return {**cast.counts(log), "ends": sum(r.ends for r in cast.readers), "waits": len(waits)}


class Waiter:
    """Pulls for longer than the host is there; the end must be answered, with nothing."""

    def __init__(self, stage: Stage, session: str) -> None:
        self._stage = stage
        self._message = request("GET", f"/sessions/{session}/messages?wait=50")

    def __call__(self) -> None:
        """Wait."""
        with Client(self._stage.server.port) as client:
            answer = client.ask(self._message)
        if answer != (200, b"[]"):
            raise Wrong(f"a pull that waits was answered by {answer} at the end")
