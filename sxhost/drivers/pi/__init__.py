"""The pi driver: ``pi --mode rpc``, JSON lines, a process for each conversation.

Pi answers a prompt when it has accepted it; all that follows are events.  It asks nobody before
it acts, but its extensions may: their dialogs become questions.

Two lines of pi are supported: old pi (0.73, which runs on Node 20) and newer pi (0.87 and
later).  Where they differ, the code says so.

============ =====================================================================
agent        an agent's methods
launch       the command line, session files, a turn's input as a prompt
rpc          commands to pi that wait for an answer
run          where a turn begins and ends
conversation pi's session, model and effort
decoder      lines as structs
messages     the structs: fields of pi's lines that are read
events       lines as events
dialogs      dialogs of pi's extensions as questions
============ =====================================================================
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.contracts import Driver, Reports
from sxhost.drivers.pi.agent import PiAgent
from sxhost.drivers.pi.launch import check_launch
from sxhost.model.turn import Launch
from sxhost.process.contracts import Spawn

__all__ = ["make"]


class PiDriver:
    """Makes agents of pi; they share nothing."""

    def __init__(self, spawn: Spawn, clock: IReactorTime) -> None:
        self._spawn = spawn
        self._clock = clock

    def agent(self, launch: Launch, reports: Reports) -> PiAgent:
        """Return an agent that is not started; see `sxhost.drivers.contracts.Driver`.

        :raises Unsupported: pi has no approvals and no sandbox.
        :raises BadField: ``native`` has what pi does not.
        """
        check_launch(launch)
        return PiAgent(launch, reports, self._spawn, self._clock)

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""


def make(spawn: Spawn, clock: IReactorTime) -> Driver:
    """Return the driver (the entry point ``pi`` of ``sxhost.drivers``)."""
    return PiDriver(spawn, clock)
