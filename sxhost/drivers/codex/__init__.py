"""Codex through its app server: ``codex app-server``, JSON-RPC in lines.

Many threads live in one process; an agent is a thread.

================ =====================================================================
agent            the verbs of an agent
server           the process, its handshake, and whom its words are for
requests         drafts as codex's parameters
notifications    the fields of its notices that are read
items            notices as reports
tools            what an item is: a tool's call, words
pending_requests requests that wait
approvals        a request as a question, an answer as codex's decision
forms            what tool servers ask in forms
executable       which program is run
================ =====================================================================
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.codex.agent import CodexAgent
from sxhost.drivers.codex.server import ServerPool
from sxhost.drivers.contracts import Agent, Driver, Reports
from sxhost.model.turn import Launch
from sxhost.process.contracts import Spawn

__all__ = ["make"]


class CodexDriver:
    """Makes agents that are threads of shared app servers."""

    def __init__(self, spawn: Spawn, clock: IReactorTime) -> None:
        self._servers = ServerPool(spawn, clock)

    def agent(self, launch: Launch, reports: Reports) -> Agent:
        """Return an agent that is not started."""
        return CodexAgent(launch, reports, self._servers)

    async def close(self) -> None:
        """End the app servers that are left."""
        await self._servers.close()


def make(spawn: Spawn, clock: IReactorTime) -> Driver:
    """Return the driver: the entry point's target."""
    return CodexDriver(spawn, clock)
