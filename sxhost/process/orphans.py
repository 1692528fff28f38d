"""Orphans: agents' processes that an earlier run of this host left, after ``kill -9`` say.

They carry their host's mark (`sxhost.process.marks`), so they are found without any record;
recorded processes of agents (`Process`) are reported on beside them.  No process is ended that
does not carry the mark: after a reboot, a number and a start may be those of another process.
Where there is no /proc nothing can be found, and the reports say so.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IReactorTime

from sxhost.model.limits import Limits
from sxhost.model.turn import Process
from sxhost.process.marks import ProcessMark
from sxhost.process.table import Family, Processes
from sxhost.process.termination import TerminationReport, terminate

__all__ = ["end_orphans"]


async def end_orphans(
    clock: IReactorTime,
    limits: Limits,
    host_id: str,
    recorded: Iterable[Process],
    processes: Processes | None = None,
) -> list[TerminationReport]:
    """End the orphans; return a report on each, and on each process that was `recorded`.

    Call it before the first agent is started: that one would carry the same mark.
    """
    processes = processes or Processes()
    unmarked = [_report_on_unmarked(processes, process) for process in recorded]
    family = Family(processes, ProcessMark(host_id))
    reports = await terminate(family, clock, limits.agent_term, limits.agent_kill)
    found = {report.process for report in reports}
    return [*reports, *(report for report in unmarked if report.process not in found)]


def _report_on_unmarked(processes: Processes, process: Process) -> TerminationReport:
    """Report on a recorded process, for the case that no mark is found on it."""
    if not processes.known:
        return TerminationReport(
            process=process, what="left", why="processes cannot be seen on this system"
        )
    seen = processes.see(process.pid)
    if seen is None or (seen.started == process.started and not seen.lives):
        return TerminationReport(process=process, what="gone", why="it has ended")
    if seen.started != process.started:
        return TerminationReport(
            process=process, what="gone", why="its number is another process's now"
        )
    command = processes.command(process)
    why = "it does not carry this host's mark, or is another user's"
    return TerminationReport(process=process, command=command, what="left", why=why)
