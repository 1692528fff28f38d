"""``sxhost attach -- COMMAND…``: any program as an attached session.

The program has our terminal, our signals and our exit status; the host hears when it began,
how it ended and, if that is wanted, what it printed.  Messages can be its input.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure

from sxhost.attach.agent import AgentSession
from sxhost.attach.terminal import STREAMS, OutputLines, Signals, Typed, outputs, write_all
from sxhost.model.session import Message

__all__ = ["Detail", "Wrapped", "wrap"]

Detail = Literal["none", "lines"]


class Wrapped(ProcessProtocol):
    """The program; `ended` fires with its wait status."""

    def __init__(self, session: AgentSession) -> None:
        self.ended: Deferred[int] = Deferred()
        self._heard = {fd: OutputLines(self._teller(name)) for fd, name in STREAMS.items()}
        self._session = session
        self._early: list[int] = []

    def _teller(self, stream: str) -> Callable[[list[str]], object]:
        def tell(lines: list[str]) -> None:
            self._session.fire("output", {"stream": stream, "text": "\n".join(lines)})

        return tell

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Pass on what it prints at once, and tell it."""
        write_all(childFD, data)
        self._heard[childFD].hear(data)

    def say(self, text: str) -> None:
        """Give it a line of input, if it still reads."""
        if self.transport is not None:
            self.transport.writeToChild(0, text.encode() + b"\n")

    def signal(self, number: int) -> None:
        """Send it a signal, if it still runs; if it is just being started, once it is known."""
        if self.transport is None:
            self._early.append(number)
        elif self.transport.pid:
            os.kill(self.transport.pid, number)

    def connectionMade(self) -> None:
        """Send the signals that came while it ran already, its number not yet known to us."""
        for number in self._early:
            self.signal(number)

    def finish(self) -> None:
        """Tell the rest of its output."""
        for lines in self._heard.values():
            lines.end()

    def processEnded(self, reason: Failure) -> None:
        """Tell whoever waits for its end."""
        self.ended.callback(getattr(reason.value, "status", None) or 0)


async def wrap(
    reactor: Any,
    session: AgentSession,
    command: Sequence[str],
    *,
    detail: Detail = "none",
    stdin: bool = False,
) -> int:
    """Run a program to its end as a session; return its wait status."""
    program = Wrapped(session)
    session.start(_words(program) if stdin else None)
    session.fire("started", {"command": list(command)})
    fds: dict[int, Any] = {0: "w" if stdin else 0, 1: 1, 2: 2}
    heard = outputs(reactor, program.childDataReceived) if detail == "lines" else {}
    fds |= {fd: stream.theirs for fd, stream in heard.items()}
    streams = set(heard.values())
    with Signals(program.signal, streams):  # the program must not meet us without them
        reactor.spawnProcess(program, command[0], command, env=None, childFDs=fds)
        if stdin:
            StandardIO(Typed(program.transport, ends=os.isatty(0)), reactor=reactor)
        for stream in streams:
            stream.begin()
        status = await program.ended
        for stream in streams:
            stream.drain()
        program.finish()
        told = {"code": os.waitstatus_to_exitcode(status)}
        await session.close("complete" if status == 0 else "error", told)
    return status


def _words(program: Wrapped) -> Callable[[Message], object]:
    def give(message: Message) -> None:
        program.say(message.content)

    return give
