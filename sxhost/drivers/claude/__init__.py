"""Claude Code by its streams of JSON lines: one process is one conversation.

``claude -p --input-format stream-json --output-format stream-json``, 2.1.329: a user's words
go in as messages, what Claude does comes out as events of the model, whole messages and a
result for each turn; beside them go control requests, both ways.

``native`` of a launch: ``args``, more of its command line; ``initialize``, more of the first
control request (``hooks``, ``agents``, …).  ``native`` of a turn: more fields of its message.

================ =====================================================================
agent            the verbs of an agent
input            what it is started with and told
control_requests requests of ours, and its answers
turns            where its turns begin and end
messages         what it prints, as structs
events           its lines as events
approvals        what it asks, and decisions as its answers
================ =====================================================================
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.claude import input as words
from sxhost.drivers.claude.agent import ClaudeAgent, ConversationSpec
from sxhost.drivers.contracts import Agent, Driver, Reports
from sxhost.model.turn import Launch
from sxhost.process.contracts import Command, Spawn

__all__ = ["make"]

ENVIRONMENT: Final = {"DISABLE_AUTOUPDATER": "1"}
"""A program that replaces itself while it runs is not what was started."""


class ClaudeDriver:
    """Makes conversations; they share nothing."""

    def __init__(self, spawn: Spawn, clock: IReactorTime) -> None:
        self._spawn = spawn
        self._clock = clock

    def agent(self, launch: Launch, reports: Reports) -> Agent:
        """Return a conversation that has not begun.

        :raises HostError: it asks for what Claude does not have.
        """
        words.check_launch(launch)
        session_id = launch.resume or str(uuid4())
        argv = words.arguments(launch, session_id)
        env = {**ENVIRONMENT, **launch.env}
        command = Command(argv=argv, cwd=launch.cwd or ".", env=env)
        about = ConversationSpec(launch, command, session_id)
        return ClaudeAgent(about, reports, self._spawn, self._clock)

    async def close(self) -> None:
        """Let go of nothing."""


def make(spawn: Spawn, clock: IReactorTime) -> Driver:
    """Return the driver of Claude Code."""
    return ClaudeDriver(spawn, clock)
