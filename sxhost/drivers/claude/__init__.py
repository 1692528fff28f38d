"""The Claude Code driver: JSON lines on stdin and stdout, a process for each conversation.

``claude -p --input-format stream-json --output-format stream-json`` (2.1.329): messages of the
user go in; events of the model's stream, whole messages and a result for each turn come out.
Control requests go both ways beside them.

``native`` of a launch: ``args``, more of its command line; ``initialize``, more of the first
control request (``hooks``, ``agents``, …).  ``native`` of a turn: more fields of its message.

================ =====================================================================
agent            an agent's methods, and the dispatch of Claude's lines
input            the command line; a turn's input as a user's message
control_requests the host's control requests that wait for a response
turns            where a turn begins and ends
messages         Claude's lines as structs
events           Claude's lines as events
approvals        Claude's requests as questions, decisions as its responses
================ =====================================================================
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.claude.agent import ClaudeAgent, ConversationSpec
from sxhost.drivers.claude.input import arguments, check_launch
from sxhost.drivers.contracts import Agent, Driver, Reports
from sxhost.model.turn import Launch
from sxhost.process.contracts import Command, Spawn

__all__ = ["make"]

ENVIRONMENT: Final = {"DISABLE_AUTOUPDATER": "1"}
"""Added to each agent's environment: Claude must not replace its own program while it runs."""


class ClaudeDriver:
    """Makes agents of Claude Code; they share nothing."""

    def __init__(self, spawn: Spawn, clock: IReactorTime) -> None:
        self._spawn = spawn
        self._clock = clock

    def agent(self, launch: Launch, reports: Reports) -> Agent:
        """Return an agent that is not started; see `sxhost.drivers.contracts.Driver`.

        :raises HostError: the launch has what Claude cannot do.
        """
        check_launch(launch)
        session_id = launch.resume or str(uuid4())
        argv = arguments(launch, session_id)
        env = {**ENVIRONMENT, **launch.env}
        command = Command(argv=argv, cwd=launch.cwd or ".", env=env)
        spec = ConversationSpec(launch, command, session_id)
        return ClaudeAgent(spec, reports, self._spawn, self._clock)

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""


def make(spawn: Spawn, clock: IReactorTime) -> Driver:
    """Return the driver (the entry point ``claude`` of ``sxhost.drivers``)."""
    return ClaudeDriver(spawn, clock)
