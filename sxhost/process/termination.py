"""Ending processes: SIGTERM first, SIGKILL for what stays."""

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
"""Seconds between two looks, doubling: most end at once, and a look takes milliseconds."""

_OUTCOMES: dict[int, Literal["ended", "killed"]] = {SIGTERM: "ended", SIGKILL: "killed"}


class TerminationReport(Struct, frozen=True, kw_only=True):
    """What became of a process: it ended, was killed, was gone already, or is left."""

    process: Process
    command: str = ""
    what: Literal["ended", "killed", "gone", "left"]
    why: str = ""
    """Why it is left, or how it is known to be gone."""


async def terminate(
    family: ProcessFamily, clock: IReactorTime, term: float, kill: float
) -> list[TerminationReport]:
    """End a family: SIGTERM, after `term` seconds SIGKILL; give up `kill` seconds later.

    Processes that join it meanwhile are ended too.  What is left after all is logged.
    """
    reports: dict[Process, TerminationReport] = {}
    for number, patience in ((SIGTERM, term), (SIGKILL, kill)):
        living = await _signal_until_ended(family, clock, number, patience, reports)
    for entry in living:
        _report_left(entry, reports)
    return list(reports.values())


async def _signal_until_ended(
    family: ProcessFamily,
    clock: IReactorTime,
    number: int,
    patience: float,
    reports: dict[Process, TerminationReport],
) -> list[ProcessEntry]:
    """Send a signal to each process once, until none lives or `patience` seconds are over."""
    until, pause, signalled = clock.seconds() + patience, SHORTEST, set[Process]()
    while (living := family.look()) or family.unsure:
        for process in {entry.process for entry in living} - signalled:
            signalled.add(process)
            reports[process] = _signal(family, process, number)
        if clock.seconds() >= until:
            break
        await deferLater(clock, pause)
        pause = min(2 * pause, LONGEST)
    return living


def _signal(family: ProcessFamily, process: Process, number: int) -> TerminationReport:
    command, why = family.command(process), ""
    try:
        family.send(process, number)
    except OSError as error:
        why = error.strerror or str(error)
    return TerminationReport(process=process, command=command, what=_OUTCOMES[number], why=why)


def _report_left(entry: ProcessEntry, reports: dict[Process, TerminationReport]) -> None:
    report = reports[entry.process]
    why = report.why or f"it does not end, its state is {entry.state}"
    reports[entry.process] = replace(report, what="left", why=why)
    log.warn(
        "process {pid} ({command}) of an agent could not be ended: {why}",
        pid=entry.pid,
        command=report.command,
        why=why,
    )
