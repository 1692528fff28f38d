"""Pi: ``pi --mode rpc``, a process for each conversation.

Pi asks nobody before it acts; what its extensions ask becomes a `Question`.  It answers a
prompt when it has taken it; all that follows are events.

============ =====================================================================
agent        the verbs of an agent
launch       arguments, session files, prompts
rpc          commands to pi, and its answers
run          whether it is at work, and how that ended
conversation its session, model and effort
decoder      a line of its, by kind
messages     what is read of its lines, as structs
events       its lines as events
dialogs      what its extensions ask
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
    """Makes agents that are pi."""

    def __init__(self, spawn: Spawn, clock: IReactorTime) -> None:
        self._spawn = spawn
        self._clock = clock

    def agent(self, launch: Launch, reports: Reports) -> PiAgent:
        """Return an agent that is not started yet.

        :raises Unsupported: pi has no approvals and no sandbox.
        :raises BadField: ``native`` has what pi does not.
        """
        check_launch(launch)
        return PiAgent(launch, reports, self._spawn, self._clock)

    async def close(self) -> None:
        """Let go: pi's agents share nothing."""


def make(spawn: Spawn, clock: IReactorTime) -> Driver:
    """Return the driver for pi (the entry point ``pi`` of ``sxhost.drivers``)."""
    return PiDriver(spawn, clock)
