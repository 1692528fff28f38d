"""Real children for tests: small programs, the lines they print, and nothing left of them."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import pytest_twisted
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from sxhost.model.limits import Limits
from sxhost.model.turn import Process
from sxhost.process.child import ProcessChild, ProcessSpawner
from sxhost.process.contracts import ChildExit, Command
from sxhost.process.marks import ProcessMark
from sxhost.process.once import OneShotEvent
from sxhost.process.orphans import end_orphans
from sxhost.process.table import Family, Processes

F = TypeVar("F", bound=Callable[..., object])
in_reactor: Callable[[F], F] = pytest_twisted.ensureDeferred
fixture_in_reactor: Callable[[F], F] = pytest_twisted.async_yield_fixture
reactor: Any = global_reactor

HURRY = Limits(agent_eof=0.2, agent_term=0.2, agent_kill=20)
"""For children that do not end: the sooner they are made to, the sooner the test is over."""

PATIENT = Limits(agent_eof=20, agent_term=20, agent_kill=20)
"""For children that do, on a machine however busy."""


class Listener:
    """Listens to a child: keeps its lines, and how it ended."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.exits: list[ChildExit] = []
        self.over = OneShotEvent()
        self._waiting: list[tuple[int, Deferred[None]]] = []

    def line_received(self, line: bytes) -> None:
        assert not self.exits, "no line comes after the end"
        self.lines.append(line)
        for count, waiter in self._waiting:
            if len(self.lines) == count:
                waiter.callback(None)

    def child_exited(self, how: ChildExit) -> None:
        self.exits.append(how)
        self.over.happen()

    async def first_lines(self, count: int) -> list[bytes]:
        """Wait for so many lines, and return them."""
        if len(self.lines) < count:
            waiter: Deferred[None] = Deferred()
            self._waiting.append((count, waiter))
            await waiter
        return self.lines[:count]

    async def exit(self) -> ChildExit:
        """Wait for the end, and return the one that there was."""
        await self.over.wait()
        (how,) = self.exits
        return how


class Stage:
    """Runs programs for one test, as a host of its own would."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.host_id = token_hex(8)
        self.spawns: list[ProcessSpawner] = []

    def spawn(
        self, limits: Limits = PATIENT, processes: Processes | None = None
    ) -> ProcessSpawner:
        spawn = ProcessSpawner(
            reactor, limits, self.host_id, environ=os.environ, processes=processes
        )
        self.spawns.append(spawn)
        return spawn

    def run(
        self,
        *argv: str,
        limits: Limits = PATIENT,
        env: Mapping[str, str] | None = None,
        processes: Processes | None = None,
    ) -> tuple[ProcessChild, Listener]:
        """Run a program."""
        listener = Listener()
        command = Command(argv=argv, cwd=str(self.home), env=env or {})
        return self.spawn(limits, processes)(command, listener), listener

    def python(self, code: str, *words: str, **how: Any) -> tuple[ProcessChild, Listener]:
        """Run Python."""
        return self.run(*python(code, *words), **how)

    def shell(self, code: str, *words: str, **how: Any) -> tuple[ProcessChild, Listener]:
        """Run a shell's script: it starts faster than Python."""
        return self.run("/bin/sh", "-c", code, "sh", *words, **how)


def python(code: str, *words: str) -> Sequence[str]:
    return [sys.executable, "-I", "-S", "-c", code, *words]


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; the test's own time limit is the only one."""
    while not holds():
        await deferLater(reactor, 0.01)


def find_orphans(host_id: str, processes: Processes | None = None) -> list[Process]:
    """Return the running processes of a host's agents, whichever run of it started them."""
    family = Family(processes or Processes(), ProcessMark(host_id))
    return [entry.process for entry in family.look()]


@fixture_in_reactor
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage that is empty after the test: nothing that it ran is left."""
    stage = Stage(tmp_path)
    yield stage
    for spawn in stage.spawns:
        await spawn.close()
    left = find_orphans(stage.host_id)
    await end_orphans(reactor, HURRY, stage.host_id, [])
    assert not left, "processes were left"
