"""What a driver and its child say to each other, as Protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from sxhost.model.turn import Process

__all__ = ["Child", "ChildListener", "Command", "Exit", "Spawn"]


class Command(Struct, frozen=True, kw_only=True):
    """What to run: `argv` (the program is looked up in PATH), where, and with what added."""

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str] = {}


class Exit(Struct, frozen=True, kw_only=True):
    """How a process ended."""

    code: int | None = None
    signal: str | None = None
    """``SIGKILL``, …"""
    stderr: str = ""
    """The end of what it complained of."""
    asked: bool = False
    """Whether we had asked it to end."""
    why: str = ""
    """Why we ended it without being asked: what it had done."""

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        if self.why:
            return f"the agent was ended: {self.why}"
        how = f"was killed by {self.signal}" if self.signal else f"ended with code {self.code}"
        said = _telling(self.stderr)
        return f"the agent {how}: {said}" if said else f"the agent {how}"


def _telling(stderr: str) -> str:
    """Return the line that tells most: the last one about an error, else the last one."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    about = [line for line in lines if "error" in line.lower()]
    return (about or lines or [""])[-1]


class ChildListener(Protocol):
    """A driver's side of a child."""

    def line(self, line: bytes) -> None:
        """The child has printed a line (without its newline; the last may have had none)."""

    def child_exited(self, how: Exit) -> None:
        """The child has ended and all its lines were told."""


class Child(Protocol):
    """A process that speaks in lines."""

    process: Process

    def send(self, line: bytes) -> None:
        """Write a line, without its newline; after its end, do nothing."""

    def pause(self) -> None:
        """Read no more of what it prints: it will have to wait.  Some lines may still come."""

    def resume(self) -> None:
        """Read on."""

    async def end(self) -> None:
        """End it and everything that it has started; `ChildListener.gone` comes before it
        returns.
        """


class Spawn(Protocol):
    """Runs programs; a part of the host that drivers are given."""

    def __call__(self, command: Command, talk: ChildListener) -> Child:
        """Run a program.

        :raises AgentFailed: it cannot be run; the message says where it was looked for.
        """
