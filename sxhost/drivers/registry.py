"""The installed drivers, found by their entry points and made on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import entry_points

from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.acp.presets import PRESETS, preset
from sxhost.drivers.contracts import Driver, DriverEntryPoint
from sxhost.errors import BadField
from sxhost.process.contracts import Spawn

__all__ = ["Registry", "installed", "program_of"]

GROUP = "sxhost.drivers"

Loader = Callable[[], DriverEntryPoint]


PROGRAMS: Mapping[str, str | None] = {
    "acp": "",
    "claude": "claude",
    "codex": "codex",
    "echo": None,
    "pi": "pi",
    **{name: command[0] for name, command in PRESETS.items()},
}
"""The agents' programs; empty where the launch names it, None where there is none."""


def program_of(agent: str) -> str | None:
    """Return the program of a kind of agent; None if it has none, or nobody here knows it."""
    return PROGRAMS.get(agent)


def installed() -> Mapping[str, Loader]:
    """Return a loader for each installed driver, by the name in ``--agent``."""
    presets = {name: partial(_load_preset, name) for name in PRESETS}
    return {**presets, **{entry.name: entry.load for entry in entry_points(group=GROUP)}}


def _load_preset(name: str) -> DriverEntryPoint:
    return preset(name)


class Registry:
    """Makes each driver once; `loaders` are by the name in ``--agent``."""

    def __init__(
        self, loaders: Mapping[str, Loader], spawn: Spawn, clock: IReactorTime
    ) -> None:
        self._loaders = loaders
        self._spawn = spawn
        self._clock = clock
        self._drivers: dict[str, Driver] = {}

    def __call__(self, agent: str) -> Driver:
        """Return the driver of a kind of agent.

        :raises BadField: none of this name is installed.
        """
        if agent not in self._loaders:
            names = ", ".join(sorted(self._loaders))
            raise BadField("agent", f"The field `agent` is wrong: choose one of {names}.")
        if agent not in self._drivers:
            self._drivers[agent] = self._loaders[agent]()(self._spawn, self._clock)
        return self._drivers[agent]

    async def close(self) -> None:
        """Close every driver that was made."""
        drivers, self._drivers = self._drivers, {}
        for driver in drivers.values():
            await driver.close()
