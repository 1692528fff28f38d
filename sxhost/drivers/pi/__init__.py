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

from typing import Final

from sxhost.drivers.kit.program_driver import program_driver
from sxhost.drivers.pi.agent import PiAgent
from sxhost.drivers.pi.launch import directory_of, terminal_program

__all__ = ["make"]

make: Final = program_driver(PiAgent, directory_of, terminal_program)
"""The entry point ``pi`` of ``sxhost.drivers``."""
