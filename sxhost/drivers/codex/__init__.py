"""The codex driver: ``codex app-server``, JSON-RPC in lines without the field ``jsonrpc``.

One process serves many conversations, which codex calls threads: an agent is a thread.

================ =====================================================================
agent            an agent's methods as calls of the app server
server           the process, its handshake, the routing of its messages to threads
requests         launches and turns as parameters of codex's methods
notifications    codex's notifications as structs
items            notifications as events
tools            codex's kinds of items: tools' calls, texts
approvals        a request as a question, a decision as its answer
executable       which program is run
================ =====================================================================
"""

from __future__ import annotations

import os
from glob import escape
from pathlib import Path

from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.codex.agent import CodexAgent
from sxhost.drivers.codex.server import ServerPool
from sxhost.drivers.contracts import Agent, Driver, Reports
from sxhost.drivers.kit.stored_directory import directory_in
from sxhost.model.handover import TerminalProgram
from sxhost.model.turn import Launch
from sxhost.process.contracts import Spawn

__all__ = ["make"]


class CodexDriver:
    """Makes agents that are threads of app servers, which they share."""

    def __init__(self, spawn: Spawn, clock: IReactorTime) -> None:
        self._clock = clock
        self._servers = ServerPool(spawn, clock)

    def agent(self, launch: Launch, reports: Reports) -> Agent:
        """Return an agent that is not started; see `sxhost.drivers.contracts.Driver`."""
        return CodexAgent(launch, reports, self._servers, self._clock)

    def directory_of(self, launch: Launch) -> str | None:
        """Return where the thread works that a launch resumes, as its file says."""
        env = {**os.environ, **launch.env}
        place = Path(env.get("CODEX_HOME") or f"{env.get('HOME', '')}/.codex", "sessions")
        name = f"rollout-*-{escape(launch.resume or '')}.jsonl"
        return directory_in(place.glob(f"*/*/*/{name}")) if os.sep not in name else None

    def terminal_program(self, launch: Launch) -> TerminalProgram:
        """Return codex's own terminal program, with the thread that a launch resumes."""
        settings = {
            "--model": launch.model,
            "--sandbox": launch.sandbox,
            "--ask-for-approval": launch.approval_policy,
        }
        options = [f"{name}={value}" for name, value in settings.items() if value]
        # The shared background server keeps a thread long after its terminal was left.
        program = (launch.command or ["codex"])[0]
        argv = [program, "resume", "--no-daemon", *options, launch.resume or ""]
        return TerminalProgram(argv=argv, cwd=launch.cwd or ".", env=launch.env)

    async def close(self) -> None:
        """End the app servers that are left."""
        await self._servers.close()


def make(spawn: Spawn, clock: IReactorTime) -> Driver:
    """Return the driver (the entry point ``codex`` of ``sxhost.drivers``)."""
    return CodexDriver(spawn, clock)
