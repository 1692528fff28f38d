"""What all hosted sessions are given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from twisted.internet.interfaces import IReactorTime

from sxhost.agents.approvals import ApprovalBroker
from sxhost.agents.launch_record import SetHosting
from sxhost.agents.rules import Rules
from sxhost.agents.workdirs import WorkDirs
from sxhost.drivers.contracts import Driver
from sxhost.errors import BadField
from sxhost.model.event import EventDraft
from sxhost.model.limits import Limits
from sxhost.model.turn import AgentInfo, OSProcess, Process

__all__ = [
    "NO_AGENTS",
    "Agents",
    "Dependencies",
    "Drivers",
    "LocalProcesses",
    "Watch",
    "Watched",
]

AppendEvents = Callable[[str, Sequence[EventDraft]], Awaitable[object]]


class Drivers(Protocol):
    """Returns drivers by the names of their agents."""

    def __call__(self, agent: str) -> Driver:
        """Return the driver of a kind of agent.

        :raises BadField: there is none.
        """

    async def close(self) -> None:
        """Let go of what the drivers hold."""


class Watched(Protocol):
    """A process that is watched."""

    @property
    def status(self) -> int | None:
        """How it has ended, as a wait status; None if that is not known (yet)."""

    def cancel(self) -> None:
        """Watch it no longer."""


class LocalProcesses(Protocol):
    """Processes of this machine that are no children of ours."""

    def is_here(self, process: OSProcess) -> bool:
        """Tell whether a process can be seen from here: it is none of another machine."""

    def runs(self, process: OSProcess) -> bool:
        """Tell whether this process, and not a later one of its number, lives."""

    def terminate(self, process: OSProcess) -> None:
        """Ask a process of our own user to end (SIGTERM)."""


class NoProcesses:
    """Sees no process."""

    def is_here(self, process: OSProcess) -> bool:  # noqa: ARG002 - there is none
        """Return that it is not."""
        return False

    runs = is_here

    def terminate(self, process: OSProcess) -> None:
        """Do nothing."""


Watch = Callable[[OSProcess, Callable[[], object]], Watched | None]
"""Calls back once a process is gone; returns None if it cannot be seen from here."""


async def reap_nothing(_left: Iterable[Process]) -> None:
    """End no process: there are none in memory."""


async def no_catalogue() -> list[AgentInfo]:
    """Return that no agents can be started."""
    return []


class Agents(NamedTuple):
    """What a host that runs agents is given.

    `rules` is its policy (None: a person decides everything), `hold` makes all agents wait
    (True) or go on (False), `reap` ends the processes that a former life has left, `watch`
    tells of the end of attached ones, `catalogue` which agents can be started, `processes`
    which of those that attached agents name run here.
    """

    drivers: Drivers
    roots: WorkDirs = WorkDirs()
    rules: Rules | None = None
    hold: Callable[[bool], object] = lambda _wait: None
    reap: Callable[[Iterable[Process]], Awaitable[object]] = reap_nothing
    resume_at_boot: bool = False
    watch: Watch = lambda _process, _ended: None
    catalogue: Callable[[], Awaitable[list[AgentInfo]]] = no_catalogue
    processes: LocalProcesses = NoProcesses()


class NoDrivers:
    """Makes no agents."""

    def __call__(self, agent: str) -> Driver:
        """Refuse."""
        raise BadField("agent", f"This host runs no agents, not {agent} either.")

    async def close(self) -> None:
        """Do nothing."""


NO_AGENTS = Agents(NoDrivers())


class Dependencies(NamedTuple):
    """What all hosted sessions are given.

    `append` writes to a session's log, `set_hosting` stores what a later life of the host must
    know of a session, `hold` makes agents wait (True) while logs cannot be written.
    """

    clock: IReactorTime
    wall_ms: Callable[[], int]
    limits: Limits
    approvals: ApprovalBroker
    append: AppendEvents
    set_hosting: SetHosting
    hold: Callable[[bool], object]
