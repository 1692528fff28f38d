"""Any agent that speaks ACP v1, the Agent Client Protocol; its command has to be given.

One process for each conversation: it is simple, and one question that waits in one
conversation cannot hold up another.  https://agentclientprotocol.com

- A turn is one ``session/prompt``.  Its end is the answer: ``cancelled`` interrupts it; all
  other reasons complete it, and are told as the reason where they are not ``end_turn``.
- A second prompt while one runs is joined, queued or cancels the first, by agent: it is
  never sent, and there is no steering.
- ``session/resume`` is preferred to ``session/load``, which replays the past as updates.
  Some agents do so before they answer and some after, so what comes then is passed over
  until the first turn, and an agent is ready once it has been quiet for a moment.
- An approval policy is the name of one of the agent's modes; ACP knows no sandbox.
- ``native`` of a launch goes into ``session/new`` (``mcpServers``, ``_meta``, …), but for
  ``authenticate``: the id of a login method to use first.

================ =====================================================================
agent            the verbs of an agent
connection       how a conversation is opened, set up and closed
settings         models, efforts, modes, commands
prompt           what it is told, and why it said no
messages         what is read of ACP, as structs
updates          ``session/update``, by kind
events           what is said, thought, planned and used, as events
tools            its tool calls
approvals        what it asks as a `Question`
pending_requests where that waits
================ =====================================================================
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.acp.agent import ACPAgent
from sxhost.drivers.acp.settings import check_sandbox
from sxhost.drivers.contracts import Reports
from sxhost.errors import BadField
from sxhost.model.turn import Launch
from sxhost.process.contracts import Spawn

__all__ = ["make"]


class ACPDriver:
    """Makes agents of any program that speaks ACP."""

    def __init__(self, spawn: Spawn, clock: IReactorTime) -> None:
        self._spawn = spawn
        self._clock = clock

    def agent(self, launch: Launch, reports: Reports) -> ACPAgent:
        """Return an agent that is not started; see `sxhost.drivers.contracts.Driver`."""
        if not launch.command:
            known = "opencode acp, gemini --acp, claude-agent-acp, codex-acp, pi-acp"
            raise BadField("command", f"An ACP agent needs its command, such as: {known}.")
        check_sandbox(launch.sandbox)
        return ACPAgent(self._spawn, self._clock, launch, reports)

    async def close(self) -> None:
        """Do nothing: agents share nothing."""


make = ACPDriver
"""The entry point; see `sxhost.drivers.contracts.DriverEntryPoint`."""
