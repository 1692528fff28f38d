"""What a person types at the terminal, line by line, while the reactor runs."""

from __future__ import annotations

import codecs
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

__all__ = ["LONGEST_LINE", "Keyboard", "Paste", "ask"]

LONGEST_LINE = 8192
"""Bytes of a typed line that are kept."""

TOGETHER = 0.05
"""Seconds within which lines come that are pasted, and never those that are typed."""


@implementer(IReadDescriptor)
class Keyboard:
    """Reads lines from the terminal; `on_line` is called with each, `on_end` at their end."""

    def __init__(self, reactor: Any, longest: int = LONGEST_LINE) -> None:
        self.on_line: Callable[[str], None] = lambda _input: None
        self.on_end: Callable[[], None] = lambda: None
        self._reactor = reactor
        encoding = codecs.lookup(sys.stdin.encoding or "utf-8").name
        self._encoding = "utf-8" if encoding == "ascii" else encoding
        self._lines = CutLines(longest)
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
            self.on_line(line.data.decode(self._encoding, errors="replace"))
        return None

    def close(self) -> None:
        """Read no more."""
        self._reactor.removeReader(self)

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        """Nobody types any more; what stands behind the last line break is a line, too."""
        if rest := self._lines.flush().data:
            self.on_line(rest.decode(self._encoding, errors="replace"))
        self.on_end()

    def logPrefix(self) -> str:
        """Name it in the log."""
        return "keyboard"


class Paste:
    """Takes lines one by one, and those that come together as one text.

    A terminal does not say that something is pasted, nor whether more stands in its last line,
    which has not ended.  So what comes together waits for one more line, which may be empty.

    :param deliver: called with a text: a line that came alone, or lines that came together.
    :param hold: called with the number of lines that wait for one more.
    """

    def __init__(
        self, clock: Any, deliver: Callable[[str], object], hold: Callable[[int], object]
    ) -> None:
        self._clock = clock
        self._deliver = deliver
        self._hold = hold
        self._lines: list[str] = []
        self._new = 0
        """How many of them have come together just now."""
        self._timer: Any = None

    @property
    def held(self) -> bool:
        """Whether lines wait for one more."""
        return bool(self._lines)

    def add(self, line: str) -> None:
        """Take a line."""
        self._lines.append(line)
        self._new += 1
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._clock.callLater(TOGETHER, self._settle)

    def drop(self) -> None:
        """Forget the lines that wait."""
        self._lines, self._new = [], 0
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _settle(self) -> None:
        new, self._new = self._new, 0
        if new > 1:
            self._hold(len(self._lines))
            return
        lines, self._lines = self._lines, []
        self._deliver("\n".join(lines))


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
