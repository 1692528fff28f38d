"""Ending processes: asked first, then made to."""

from __future__ import annotations

from signal import SIGKILL, SIGTERM
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from sxhost.logs import logger
from sxhost.model.turn import Process
from sxhost.process.table import ProcessEntry, ProcessFamily

__all__ = ["TerminationReport", "terminate"]

log = logger(__name__)

SHORTEST, LONGEST = 0.01, 0.2
"""Seconds between two looks: most end at once, and a look is work."""

_OUTCOMES: dict[int, Literal["ended", "killed"]] = {SIGTERM: "ended", SIGKILL: "killed"}


class TerminationReport(Struct, frozen=True, kw_only=True):
    """What became of a process: it ended, was killed, was gone already, or is left."""

    process: Process
    command: str = ""
    what: Literal["ended", "killed", "gone", "left"]
    why: str = ""
    """Why it is left, or how it is known to be gone."""


async def terminate(
    kin: ProcessFamily, clock: IReactorTime, term: float, kill: float
) -> list[TerminationReport]:
    """End them all: SIGTERM, after `term` seconds SIGKILL; give up `kill` seconds later.

    Who joins them meanwhile is ended too.  What is left is logged.
    """
    fates: dict[Process, TerminationReport] = {}
    for number, patience in ((SIGTERM, term), (SIGKILL, kill)):
        left = await _insist(kin, clock, number, patience, fates)
    for one in left:
        _give_up(one, fates)
    return list(fates.values())


async def _insist(
    kin: ProcessFamily,
    clock: IReactorTime,
    number: int,
    patience: float,
    fates: dict[Process, TerminationReport],
) -> list[ProcessEntry]:
    """Send a signal to each of them once, until none is left or time is up."""
    until, pause, told = clock.seconds() + patience, SHORTEST, set[Process]()
    while (left := kin.look()) or kin.unsure:
        for process in {one.process for one in left} - told:
            told.add(process)
            fates[process] = _signalled(kin, process, number)
        if clock.seconds() >= until:
            break
        await deferLater(clock, pause)
        pause = min(2 * pause, LONGEST)
    return left


def _signalled(kin: ProcessFamily, process: Process, number: int) -> TerminationReport:
    command, why = kin.command(process), ""
    try:
        kin.send(process, number)
    except OSError as error:
        why = error.strerror or str(error)
    return TerminationReport(process=process, command=command, what=_OUTCOMES[number], why=why)


def _give_up(one: ProcessEntry, fates: dict[Process, TerminationReport]) -> None:
    fate = fates[one.process]
    why = fate.why or f"it does not end, its state is {one.state}"
    fates[one.process] = replace(fate, what="left", why=why)
    log.warn(
        "process {pid} ({command}) of an agent could not be ended: {why}",
        pid=one.pid,
        command=fate.command,
        why=why,
    )
