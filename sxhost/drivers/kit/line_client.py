"""The host's end of a program's stdin and stdout: what all line protocols have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

from sxhost.codec.lines import LongLine
from sxhost.codec.long_json import mended
from sxhost.codec.well_formed import decode_from_program
from sxhost.drivers.kit.pending_calls import PendingCalls
from sxhost.errors import AgentFailed, HostError
from sxhost.logs import logger
from sxhost.model.turn import Process
from sxhost.process.contracts import Child, ChildExit, Command, Spawn

__all__ = ["STRANGE_LINES", "LineClient"]

log = logger(__name__)

T = TypeVar("T")
M = TypeVar("M")

STRANGE_LINES: Final = 20
"""How many lines that are no message are logged for each program; a broken one may print on."""


class LineClient(ABC, Generic[M]):
    """One end of a dialogue in lines with a program: a `ChildListener`.

    A protocol's client says how a line is decoded (`decode`) and what a message means
    (`message_received`): an answer ends one of `calls`.  `program` is the program's name for a
    person; `on_exit` is called once when it has ended, after all pending calls have failed.
    """

    def __init__(
        self, program: str, clock: IReactorTime, on_exit: Callable[[ChildExit], object]
    ) -> None:
        self.calls = PendingCalls(program, clock)
        self._program = program
        self._on_exit = on_exit
        self._child: Child | None = None
        self._strange_lines = 0
        self.cut = 0
        """Bytes of the line that is being handled, if its middle is missing; else 0."""

    @abstractmethod
    def decode(self, line: bytes) -> M:
        """Return a line as a message.

        :raises ValueError: it is none, or not well-formed anywhere: then it is repaired.
        """

    @abstractmethod
    def message_received(self, message: M, line: bytes) -> None:
        """Handle a message, given with its `line`, which is well-formed JSON."""

    # The program.

    @property
    def exit(self) -> ChildExit | None:
        """How the program has ended, if it has."""
        return self.calls.exit

    @property
    def running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self._child is not None and self.exit is None

    def run(self, spawn: Spawn, command: Command) -> Process:
        """Start the program; return its process.

        :raises HostError: it cannot be run.
        """
        self._child = spawn(command, self)
        return self._child.process

    async def shake_hands(self, greeting: Awaitable[T]) -> T:
        """Await what makes the program ready; end the program if that fails.

        :raises AgentFailed: it failed; with the last line of stderr, where that says more.
        """
        try:
            return await greeting
        except BaseException as error:
            await self.end()
            if not isinstance(error, HostError):
                raise
            stderr = self.exit.stderr.strip() if self.exit else ""
            last = stderr.rpartition("\n")[2]
            more = f" It printed: {last}" if last not in error.message else ""
            raise AgentFailed(error.message + more) from None

    def send(self, line: bytes) -> None:
        """Write a line to the program; do nothing after its end."""
        if self._child is not None:
            self._child.send(line)

    async def end(self) -> None:
        """End the program with all that it has started."""
        if self._child is not None:
            await self._child.end_family()

    # Its lines (`sxhost.process.contracts.ChildListener`).

    def line_received(self, line: bytes) -> None:
        """Handle a line; one that is no message is logged.

        Programs print other things on stdout as well (a warning of their runtime, say).
        """
        if not line.strip():
            return
        try:
            message, line = decode_from_program(line, self.decode)
        except ValueError as error:
            self.log_strange(line, str(error))
        else:
            self.message_received(message, line)

    def long_line_received(self, line: LongLine) -> bool:
        """Handle a line whose middle is missing; return False if nothing is left of it."""
        for text in mended(line):
            with suppress(ValueError):
                message, whole = decode_from_program(text, self.decode)
                log.warn(
                    "{program} printed a line of {size} bytes: its middle is lost",
                    program=self._program,
                    size=line.size,
                )
                self.cut = line.size
                try:
                    self.message_received(message, whole)
                finally:
                    self.cut = 0
                return True
        return False

    def child_exited(self, how: ChildExit) -> None:
        """Fail every pending call, then report the end."""
        self.calls.process_exited(how)
        self._on_exit(how)

    def log_strange(self, line: bytes, why: str) -> None:
        """Log a line that is no message of the protocol, if it is one of the first."""
        self._strange_lines += 1
        if self._strange_lines <= STRANGE_LINES:
            log.warn(
                "{program} printed {line!r}: {why}",
                program=self._program,
                line=line[:200],
                why=why,
            )
