"""What an earlier life of this host has left running, for instance after ``kill -9``.

All that agents start carries their host's mark (`sxhost.process.marks`), so it is found without
any record; a record of the agents' processes (`Process`) tells what became of each.  Nobody is
ended who does not carry the mark: after a restart of the machine a number and a start may be
somebody else's.  Where there is no /proc nothing can be found, and it is said so.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IReactorTime

from sxhost.model.limits import Limits
from sxhost.model.turn import Process
from sxhost.process.marks import Mark
from sxhost.process.table import Family, Processes
from sxhost.process.termination import TerminationReport, terminate

__all__ = ["end_orphans", "find"]


def find(host_id: str, processes: Processes | None = None) -> list[Process]:
    """Return what runs and descends from agents of a host, in whatever life of it."""
    family = Family(processes or Processes(), Mark(host_id))
    return [one.process for one in family.look()]


async def end_orphans(
    clock: IReactorTime,
    limits: Limits,
    host_id: str,
    recorded: Iterable[Process],
    processes: Processes | None = None,
) -> list[TerminationReport]:
    """End what an earlier life has left, and tell what became of it and of all `recorded`.

    To be called before this life runs any agent: its own would carry the same mark.
    """
    processes = processes or Processes()
    before = [_missing(processes, process) for process in recorded]
    family = Family(processes, Mark(host_id))
    fates = await terminate(family, clock, limits.agent_term, limits.agent_kill)
    met = {fate.process for fate in fates}
    return [*fates, *(fate for fate in before if fate.process not in met)]


def _missing(processes: Processes, process: Process) -> TerminationReport:
    """Return what is to be said of a recorded process, should no mark be found on it."""
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
