"""Which agents the host can start: whose programs are there, which versions they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.registry import program_of
from sxhost.errors import AgentFailed
from sxhost.model.turn import AgentInfo
from sxhost.process.spawn import find_program
from sxhost.process.versions import program_version
from sxhost.waiting import RunInThread, SharedRun

__all__ = ["AgentCatalogue"]

KEPT_S: Final = 60.0
"""Seconds for which an answer is given again: asking starts each program once."""

Version = Callable[[str, Mapping[str, str]], str]


class AgentCatalogue:
    """Looks for the programs of agents, in threads; all who ask meanwhile share one look.

    :param names: the agents for which there is a driver.
    :param environ: the environment in which agents run.
    """

    def __init__(
        self,
        names: Iterable[str],
        environ: Mapping[str, str],
        clock: IReactorTime,
        run_in_thread: RunInThread,
        version: Version = program_version,
    ) -> None:
        self._names = sorted(names)
        self._environ = environ
        self._clock = clock
        self._run = run_in_thread
        self._version = version
        self._found: list[AgentInfo] = []
        self._until = 0.0
        self._looking = SharedRun(self._look)

    async def __call__(self) -> list[AgentInfo]:
        """Return what is known of each agent, in the order of their names."""
        if not self._found or self._clock.seconds() >= self._until:
            await self._looking()
        return self._found

    async def _look(self) -> None:
        looks = [Deferred.fromCoroutine(self._look_at(name)) for name in self._names]
        self._found = list(await gatherResults(looks))
        self._until = self._clock.seconds() + KEPT_S

    async def _look_at(self, name: str) -> AgentInfo:
        program = program_of(name)
        if program is None:
            return AgentInfo(name=name, installed=True)
        return await self._run(partial(self._info, name, program))

    def _info(self, name: str, program: str) -> AgentInfo:
        """Look for a program and ask it; this blocks."""
        if not program:
            why = "It has no program of its own: give its `command`."
            return AgentInfo(name=name, installed=False, why=why)
        try:
            place = find_program(program, "/", self._environ.get("PATH", ""))
            version = self._version(place, self._environ)
        except AgentFailed as error:
            return AgentInfo(name=name, installed=False, program=program, why=error.message)
        except OSError as error:
            why = f"It cannot be run: {error.strerror or error}."
            return AgentInfo(name=name, installed=False, program=place, why=why)
        return AgentInfo(name=name, installed=True, program=place, version=version)
