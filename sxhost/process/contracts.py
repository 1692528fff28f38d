"""The contract between drivers and child processes: what to run, how it ended, Protocols."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

from msgspec import Struct

from sxhost.codec.lines import LongLine
from sxhost.model.turn import Process

__all__ = ["Child", "ChildExit", "ChildListener", "Command", "LongLineListener", "Spawn"]

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class Command(Struct, frozen=True, kw_only=True):
    """A program to run: `argv` (looked up in PATH), its directory, variables to add."""

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str] = {}


class ChildExit(Struct, frozen=True, kw_only=True):
    """How a process ended."""

    code: int | None = None
    signal: str | None = None
    """``SIGKILL``, …"""
    stderr: str = ""
    """The end of its stderr, `agent_stderr` bytes at the most."""
    asked: bool = False
    """Whether the host wanted it to end (`Child.end_family`)."""
    why: str = ""
    """Why the host ended it nevertheless: what it had done (closed its output, say)."""

    @property
    def sentence(self) -> str:
        """How it ended, as a sentence for a person."""
        if self.why:
            return f"the agent was ended: {self.why}"
        how = f"was killed by {self.signal}" if self.signal else f"ended with code {self.code}"
        cause = "" if self.asked else _most_telling_line(self.stderr)
        return f"the agent {how}: {cause}" if cause else f"the agent {how}"


def _most_telling_line(stderr: str) -> str:
    """Return the last line with "error" in it, else the last line; "" if there is none."""
    plain = _COLOURS.sub("", stderr)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or [""])[-1]


class ChildListener(Protocol):
    """A driver's callbacks of a child process."""

    def line_received(self, line: bytes) -> None:
        """Take a line that the child has printed, without its newline."""

    def child_exited(self, how: ChildExit) -> None:
        """Take note that the child has ended; all its lines came before."""


@runtime_checkable
class LongLineListener(Protocol):
    """What a `ChildListener` has besides if it reads lines of which the middle is missing."""

    def long_line_received(self, line: LongLine) -> bool:
        """Take a line that is longer than its limit; return whether it says anything."""


class Child(Protocol):
    """A child process whose stdin and stdout are lines."""

    process: Process

    def send(self, line: bytes) -> None:
        """Write a line (given without its newline) to stdin; after its end, do nothing."""

    def pause(self) -> None:
        """Stop reading its stdout, so that it has to wait.  Some lines may still come."""

    def resume(self) -> None:
        """Read its stdout again."""

    async def end_family(self) -> None:
        """End it and all its descendants; return after `ChildListener.child_exited`."""


class Spawn(Protocol):
    """Starts programs; drivers are given one."""

    def __call__(self, command: Command, listener: ChildListener, /) -> Child:
        """Start a program.

        :raises AgentFailed: it cannot be run; the message says where it was looked for.
        """
