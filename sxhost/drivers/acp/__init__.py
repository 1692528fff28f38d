"""The ACP driver, for any agent that speaks the Agent Client Protocol v1.

The launch gives the agent's command, unless the agent is one of the presets.  Each conversation
has a process of its own, so that a question which waits in one cannot hold up another.
https://agentclientprotocol.com

- A turn is one call of ``session/prompt``; its result ends the turn.  The stop reason
  ``cancelled`` interrupts it; all others complete it, and any but ``end_turn`` is reported as
  the reason.
- What a second prompt during a turn does depends on the agent (it joins the first, waits, or
  cancels it): none is ever sent, so there is no steering.
- ``session/resume`` is preferred to ``session/load``, which replays the past as updates.
  Some agents do so before they answer and some after: those updates are dropped until the
  first turn, and the agent counts as ready once it has been quiet for a moment.
- An approval policy is the name of one of the agent's modes; ACP knows no sandbox.
- ``native`` of a launch goes into ``session/new`` (``mcpServers``, ``_meta``, …), but for
  ``authenticate``: the id of a login method to use first.

================ =====================================================================
agent            an agent's methods; its turns
connection       calls that open, set up and close a conversation
settings         models, efforts, modes and commands that a conversation offers
presets          agents that are known by their own names, with their commands
prompt           params of ``initialize`` and ``session/prompt``; reasons of refusals
messages         ACP's requests and results as structs
updates          the kinds of ``session/update`` as structs
events           updates as events
tools            updates of tool calls as a start and an end each
approvals        a request as a question, a decision as its result
pending_requests requests that wait for a decision
================ =====================================================================
"""

from __future__ import annotations

from typing import Final

from sxhost.drivers.acp.agent import ACPAgent
from sxhost.drivers.kit.program_driver import program_driver

__all__ = ["make"]

make: Final = program_driver(ACPAgent)
"""The entry point ``acp`` of ``sxhost.drivers``."""
