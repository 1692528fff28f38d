"""``sxhost attach -- COMMAND…``: any program as an attached session.

The program has our terminal, our signals and our exit status; the host gets an event when it
starts, when it ends and, if that is wanted, for its output.  Messages can be its input.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from twisted.internet.interfaces import IReactorTime
from twisted.internet.stdio import StandardIO

from sxhost.attach.agent import AgentSession
from sxhost.attach.foreground import Foreground
from sxhost.attach.terminal import (
    STREAMS,
    InputForwarder,
    OutputLines,
    Signals,
    outputs,
    write_all,
)
from sxhost.model.message import Message
from sxhost.os_process import how_ended

__all__ = ["Detail", "Wrapped", "run_wrapped"]

Detail = Literal["none", "lines"]


class Wrapped(Foreground):
    """The program, which reports to its session."""

    def __init__(self, session: AgentSession, clock: IReactorTime) -> None:
        super().__init__()
        self._output = {
            fd: OutputLines(self._reporter(name), partial(self._report_progress, name), clock)
            for fd, name in STREAMS.items()
        }
        self._session = session

    def _reporter(self, stream: str) -> Callable[[list[str]], object]:
        def report(lines: list[str]) -> None:
            self._session.fire("output", {"stream": stream, "text": "\n".join(lines)})

        return report

    def _report_progress(self, stream: str, text: str) -> None:
        self._session.fire("output", {"stream": stream, "text": text, "partial": True})

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Pass on its output at once, and report it in lines."""
        write_all(childFD, data)
        self._output[childFD].receive_data(data)

    def write_line(self, text: str) -> None:
        """Write a line to its input, if it still runs."""
        if self.transport is not None:
            self.transport.writeToChild(0, text.encode() + b"\n")

    def flush_output(self) -> None:
        """Report the rest of its output."""
        for lines in self._output.values():
            lines.flush()


async def run_wrapped(
    reactor: Any,
    session: AgentSession,
    command: Sequence[str],
    *,
    detail: Detail = "none",
    stdin: bool = False,
) -> int:
    """Run a program to its end as a session; return its wait status.

    :param detail: ``lines`` reports its output.
    :param stdin: messages become lines of its input.
    """
    program = Wrapped(session, reactor)

    def write_message(message: Message) -> None:
        program.write_line(message.content)

    session.start(write_message if stdin else None)
    session.fire("started", {"command": list(command)})
    fds: dict[int, Any] = {0: "w" if stdin else 0, 1: 1, 2: 2}
    outputs_by_fd = outputs(reactor, program.childDataReceived) if detail == "lines" else {}
    fds |= {fd: stream.program_end for fd, stream in outputs_by_fd.items()}
    streams = set(outputs_by_fd.values())
    with Signals(program.signal, streams):  # none may come before it is handled
        reactor.spawnProcess(program, command[0], command, env=None, childFDs=fds)
        if stdin:
            StandardIO(InputForwarder(program.transport, ends=os.isatty(0)), reactor=reactor)
        for stream in streams:
            stream.begin()
        status = await program.ended
        for stream in streams:
            stream.drain()
        program.flush_output()
        code = os.waitstatus_to_exitcode(status)
        session.fire("complete" if status == 0 else "error", {"code": code})
        await session.close("ended", how_ended(code, "the program"))
    return status
