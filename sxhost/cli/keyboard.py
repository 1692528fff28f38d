"""What a person types at the terminal, line by line, while the reactor runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from sxhost.cli.output import put
from sxhost.codec.lines import CutLines

__all__ = ["Keyboard", "ask"]

LONGEST_LINE = 8192
"""Bytes of a typed line that are kept."""


@implementer(IReadDescriptor)
class Keyboard:
    """Reads lines from the terminal; `on_line` is called with each, `on_end` at their end."""

    def __init__(self, reactor: Any) -> None:
        self.on_line: Callable[[str], None] = lambda _input: None
        self.on_end: Callable[[], None] = lambda: None
        self._reactor = reactor
        self._lines = CutLines(LONGEST_LINE)
        reactor.addReader(self)

    def fileno(self) -> int:
        """Return the descriptor of standard input."""
        return sys.stdin.fileno()

    def doRead(self) -> Failure | None:
        """Read what was typed."""
        data = os.read(self.fileno(), 4096)
        if not data:
            return Failure(ConnectionDone())
        for line in self._lines.receive_data(data):
            self.on_line(line.data.decode(errors="replace"))
        return None

    def close(self) -> None:
        """Read no more."""
        self._reactor.removeReader(self)

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        """Nobody types any more."""
        self.on_end()

    def logPrefix(self) -> str:
        """Name it in the log."""
        return "keyboard"


async def ask(reactor: Any, prompt: str) -> str:
    """Return the line that is typed after a prompt; empty if there comes none."""
    typed: Deferred[str] = Deferred()
    keyboard = Keyboard(reactor)
    keyboard.on_line = lambda line: None if typed.called else typed.callback(line)
    put(prompt, nl=False, err=True)

    def end() -> None:
        put("", err=True)  # the prompt's line has none
        keyboard.on_line("")

    keyboard.on_end = end
    try:
        return (await typed).strip()
    finally:
        keyboard.close()
