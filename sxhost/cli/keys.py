"""Single keys at the terminal, which act without Enter, and now and then a line."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from sxhost.cli.keyboard import LONGEST_LINE
from sxhost.cli.output import put
from sxhost.codec.lines import CutLines

__all__ = ["Keys"]


@implementer(IReadDescriptor)
class Keys:
    """Reads the terminal key by key; `on_key` is called with each, `on_end` at the end.

    What comes in one piece is no key: it was pasted, or is what an arrow sends.
    """

    def __init__(self, reactor: Any) -> None:
        self.on_key: Callable[[str], None] = lambda _key: None
        self.on_end: Callable[[], None] = lambda: None
        self._reactor = reactor
        self._fd = sys.stdin.fileno()
        self._usual = termios.tcgetattr(self._fd)
        self._typing: tuple[Deferred[str], CutLines] | None = None
        self._restoring = reactor.addSystemEventTrigger("before", "shutdown", self._restore)
        tty.setcbreak(self._fd)
        reactor.addReader(self)

    async def line(self, prompt: str) -> str:
        """Return the line that is typed after a prompt, with the terminal's own editing."""
        self._restore()
        put(prompt, nl=False)
        typed: Deferred[str] = Deferred()
        self._typing = typed, CutLines(LONGEST_LINE)
        try:
            return (await typed).strip()
        finally:
            self._typing = None
            tty.setcbreak(self._fd)

    def forget_typed(self) -> None:
        """Forget what was typed before now: it was meant for something else."""
        with suppress(termios.error):
            termios.tcflush(self._fd, termios.TCIFLUSH)

    def fileno(self) -> int:
        """Return the descriptor of standard input."""
        return self._fd

    def doRead(self) -> Failure | None:
        """Read what was typed."""
        data = os.read(self._fd, 4096)
        if not data:
            return Failure(ConnectionDone())
        if self._typing is None:
            text = data.decode(errors="replace")
            if len(text) == 1:
                self.on_key(text)
            return None
        typed, lines = self._typing
        for line in lines.receive_data(data):
            if not typed.called:
                typed.callback(line.data.decode(errors="replace"))
        return None

    def close(self) -> None:
        """Read no more, and leave the terminal as it was."""
        with suppress(ValueError):  # at the end of the process it has fired already
            self._reactor.removeSystemEventTrigger(self._restoring)
        self._reactor.removeReader(self)
        self._restore()

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        """Nobody types any more."""
        self.on_end()

    def logPrefix(self) -> str:
        """Name it in the log."""
        return "keys"

    def _restore(self) -> None:
        with suppress(termios.error):  # a terminal that has closed
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._usual)
