"""What a host that runs agents is given from outside: drivers, places, a policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, Protocol

from sxhost.drivers.contracts import Driver
from sxhost.errors import BadField
from sxhost.hosted.desk import Decide, ask_a_person
from sxhost.hosted.roots import Roots
from sxhost.model.turn import Process

__all__ = ["NO_AGENTS", "Agents", "Drivers"]


class Drivers(Protocol):
    """Who makes agents."""

    def __call__(self, agent: str) -> Driver:
        """Return the driver of a kind of agent.

        :raises BadField: there is none.
        """

    async def close(self) -> None:
        """Let go of what the drivers hold."""


async def _nothing(_left: Iterable[Process]) -> None:
    """Find nothing that a former life has left."""


class Agents(NamedTuple):
    """What a host that runs agents is given.

    `decide` is its policy, `hold` makes all agents wait (True) or go on (False), `bury` ends
    the processes that a former life has left.
    """

    drivers: Drivers
    roots: Roots = Roots()
    decide: Decide = ask_a_person
    hold: Callable[[bool], object] = lambda _wait: None
    bury: Callable[[Iterable[Process]], Awaitable[object]] = _nothing
    resume_at_boot: bool = False


class NoDrivers:
    """Makes no agents."""

    def __call__(self, agent: str) -> Driver:
        """Refuse."""
        raise BadField("agent", f"This host runs no agents, not {agent} either.")

    async def close(self) -> None:
        """Do nothing."""


NO_AGENTS = Agents(NoDrivers())
