"""The driver of agents that each have a process of their own, and share nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.contracts import Agent, Reports
from sxhost.model.handover import TerminalProgram
from sxhost.model.turn import Launch
from sxhost.process.contracts import Spawn

__all__ = ["ProgramDriver", "program_driver"]

A = TypeVar("A", bound=Agent)
MakeAgent = Callable[[Launch, Reports, Spawn, IReactorTime], A]
DirectoryOf = Callable[[Launch], str | None]
ProgramOf = Callable[[Launch], TerminalProgram | None]


def nowhere(_launch: Launch) -> str | None:
    """Return that nothing says where a stored conversation works."""
    return None


def without_terminal(_launch: Launch) -> TerminalProgram | None:
    """Return that no program goes on with a conversation at a terminal."""
    return None


class ProgramDriver(Generic[A]):
    """A `Driver` that does no more than to make agents, by `make_agent`."""

    def __init__(
        self,
        make_agent: MakeAgent[A],
        directory_of: DirectoryOf,
        terminal_program: ProgramOf,
        spawn: Spawn,
        clock: IReactorTime,
    ) -> None:
        self.directory_of = directory_of
        self.terminal_program = terminal_program
        self._make_agent = make_agent
        self._spawn = spawn
        self._clock = clock

    def agent(self, launch: Launch, reports: Reports) -> A:
        """Return an agent that is not started; see `sxhost.drivers.contracts.Driver`.

        :raises HostError: the launch has what this kind of agent cannot do.
        """
        return self._make_agent(launch, reports, self._spawn, self._clock)

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""


def program_driver(
    make_agent: MakeAgent[A],
    directory_of: DirectoryOf = nowhere,
    terminal_program: ProgramOf = without_terminal,
) -> Callable[[Spawn, IReactorTime], ProgramDriver[A]]:
    """Return an entry point of ``sxhost.drivers``; `make_agent` is the class of the agents.

    :param directory_of: see `sxhost.drivers.contracts.StoredDirectories`.
    :param terminal_program: see `sxhost.drivers.contracts.TerminalPrograms`.
    """
    return partial(ProgramDriver, make_agent, directory_of, terminal_program)
