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
background       subagents and commands that outlive their turn
messages         Claude's lines as structs
events           Claude's lines as events
approvals        Claude's requests as questions, decisions as its responses
================ =====================================================================
"""

from __future__ import annotations

from typing import Final

from sxhost.drivers.claude.agent import ClaudeAgent
from sxhost.drivers.claude.input import directory_of, terminal_program
from sxhost.drivers.kit.program_driver import program_driver

__all__ = ["make"]

make: Final = program_driver(ClaudeAgent, directory_of, terminal_program)
"""The entry point ``claude`` of ``sxhost.drivers``."""
