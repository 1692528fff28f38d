"""Handing a conversation over: from the host to a terminal, and from there to the host.

One conversation has one program at a time: the host's own, or the agent's at a terminal.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from sxhost.model.session import Summary
from sxhost.model.turn import OSProcess

__all__ = ["HandedOver", "HandoverDraft", "Side", "TerminalProgram"]

Side = Literal["terminal", "host"]


class HandoverDraft(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """To whom a session goes."""

    to: Side
    now: bool = False
    """Whether a running turn is cut for it, or the program at the terminal ended."""
    os_process: OSProcess | None = None
    """The process that runs the program at the terminal, on the host's machine, and asks."""


class TerminalProgram(Struct, frozen=True, kw_only=True):
    """The program with which a conversation goes on at a terminal."""

    argv: list[str]
    cwd: str
    env: dict[str, str] = {}
    """Variables that are set for it beside the terminal's own."""


class HandedOver(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The session is handed over; `program` goes on with it, if it went to a terminal."""

    ok: bool
    session: Summary
    program: TerminalProgram | None = None
