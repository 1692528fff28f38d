"""Ending processes: asked first, then made to; those here are made up."""

from __future__ import annotations

import errno
from collections.abc import Callable
from signal import SIGKILL, SIGTERM

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from sxhost.model.turn import Process
from sxhost.process.table import ProcessEntry
from sxhost.process.termination import TerminationReport, terminate
from sxhost.testing import is_done, result_of, started


def seen(pid: int, state: str = "S") -> ProcessEntry:
    return ProcessEntry(pid, 1, pid, 100 + pid, state)


class Crowd:
    """Processes by number; `ends` tells of each which signal ends it."""

    unsure = False

    def __init__(self, **ends: int | None) -> None:
        self.ends = {int(name[1:]): number for name, number in ends.items()}
        self.sent: list[tuple[int, int]] = []
        self.on_end: Callable[[int], None] = lambda pid: None

    def look(self) -> list[ProcessEntry]:
        return [seen(pid, "D") for pid in self.ends]

    def send(self, process: Process, number: int) -> bool:
        self.sent.append((process.pid, number))
        if self.ends.get(process.pid, 0) is None:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        if self.ends.get(process.pid) == number:
            del self.ends[process.pid]
            self.on_end(process.pid)
        return True

    def command(self, process: Process) -> str:
        return f"program {process.pid}"


def begin(crowd: Crowd, clock: Clock) -> Deferred[list[TerminationReport]]:
    return started(terminate(crowd, clock, term=2, kill=3))


def pass_time(clock: Clock, seconds: float) -> None:
    clock.pump([0.05] * round(seconds / 0.05))


def fates(found: list[TerminationReport]) -> dict[int, str]:
    return {fate.process.pid: fate.what for fate in found}


def test_empty_group_needs_no_signal() -> None:
    crowd, clock = Crowd(), Clock()
    assert result_of(begin(crowd, clock)) == []
    assert not clock.getDelayedCalls()


def test_process_that_ends_on_sigterm_is_not_killed() -> None:
    crowd, clock = Crowd(_5=SIGTERM, _6=SIGTERM), Clock()
    work = begin(crowd, clock)
    pass_time(clock, 0.1)
    assert fates(result_of(work)) == {5: "ended", 6: "ended"}
    assert sorted(crowd.sent) == [(5, SIGTERM), (6, SIGTERM)]


def test_process_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    crowd, clock = Crowd(_5=SIGTERM, _6=SIGKILL), Clock()
    work = begin(crowd, clock)
    pass_time(clock, 1.9)
    assert crowd.ends == {6: SIGKILL}
    pass_time(clock, 1)
    assert fates(result_of(work)) == {5: "ended", 6: "killed"}
    assert crowd.sent.count((6, SIGTERM)) == 1, "each signal is sent once"


def test_process_that_joins_meanwhile_is_ended_too() -> None:
    crowd, clock = Crowd(_5=SIGTERM), Clock()
    crowd.on_end = lambda pid: crowd.ends.update({9: SIGTERM} if pid == 5 else {})
    work = begin(crowd, clock)
    pass_time(clock, 0.2)
    assert fates(result_of(work)) == {5: "ended", 9: "ended"}


def test_incomplete_look_is_repeated() -> None:
    crowd, clock = Crowd(), Clock()
    crowd.unsure = True
    work = begin(crowd, clock)
    crowd.ends[5], crowd.unsure = SIGTERM, False
    pass_time(clock, 0.1)
    assert fates(result_of(work)) == {5: "ended"}


def test_process_that_cannot_be_ended_is_reported_and_logged() -> None:
    crowd, clock = Crowd(_5=None, _6=0), Clock()
    with capturedLogs() as logged:
        work = begin(crowd, clock)
        pass_time(clock, 4.5)
        assert not is_done(work)
        pass_time(clock, 1)
    left = {fate.process.pid: fate for fate in result_of(work)}
    assert left[5].why == "Operation not permitted"
    assert left[6].why == "it does not end, its state is D"
    assert {(e["pid"], e["command"], e["why"]) for e in logged} == {
        (fate.process.pid, fate.command, fate.why) for fate in left.values()
    }
    assert {fate.what for fate in left.values()} == {"left"}
