"""The drivers that are installed, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points

from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.contracts import Driver, DriverEntryPoint
from sxhost.errors import BadField
from sxhost.process.contracts import Spawn

__all__ = ["Registry", "installed"]

GROUP = "sxhost.drivers"

Load = Callable[[], DriverEntryPoint]


def installed() -> Mapping[str, Load]:
    """Return what loads each installed driver, by the agent's name."""
    return {entry.name: entry.load for entry in entry_points(group=GROUP)}


class Registry:
    """Drivers by the names of their agents."""

    def __init__(self, known: Mapping[str, Load], spawn: Spawn, clock: IReactorTime) -> None:
        self._known = known
        self._spawn = spawn
        self._clock = clock
        self._made: dict[str, Driver] = {}

    def __call__(self, agent: str) -> Driver:
        """Return a driver.

        :raises BadField: there is none of this name.
        """
        if agent not in self._known:
            names = ", ".join(sorted(self._known))
            raise BadField("agent", f"The field `agent` is wrong: choose one of {names}.")
        if agent not in self._made:
            self._made[agent] = self._known[agent]()(self._spawn, self._clock)
        return self._made[agent]

    async def close(self) -> None:
        """Let go of what the drivers hold."""
        made, self._made = self._made, {}
        for driver in made.values():
            await driver.close()
