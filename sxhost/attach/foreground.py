"""A program in the foreground of our terminal: that, our signals and our place are its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

__all__ = ["Foreground"]


class Foreground(ProcessProtocol):
    """The program as a process; `ended` fires with its wait status."""

    def __init__(self) -> None:
        self.ended: Deferred[int] = Deferred()
        self._early_signals: list[int] = []

    async def run(
        self, reactor: Any, argv: Sequence[str], cwd: str, env: Mapping[str, str]
    ) -> int:
        """Run a program to its end with our terminal; return its wait status."""
        fds = {fd: fd for fd in range(3)}
        reactor.spawnProcess(self, argv[0], argv, env=dict(env), path=cwd, childFDs=fds)
        return await self.ended

    def signal(self, number: int) -> None:
        """Send it a signal if it runs; while it is being started, keep the signal."""
        if self.transport is None:
            self._early_signals.append(number)
        elif self.transport.pid:
            os.kill(self.transport.pid, number)

    def connectionMade(self) -> None:
        """Send the signals that came before its process id was known."""
        for number in self._early_signals:
            self.signal(number)

    def processEnded(self, reason: Failure) -> None:
        """Fire `ended` with the wait status."""
        self.ended.callback(getattr(reason.value, "status", None) or 0)
