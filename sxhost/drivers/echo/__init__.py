"""The echo driver: agents without a program, which do what a turn's text says.

For demos and tests.  A turn's text is a script (see `sxhost.drivers.echo.script`); the launch's
``native`` may have:

=========== =================================================================
start       ``fail``: it does not start; ``hang``: it never does;
            ``slow``: it starts after `slow_ms` (1000)
pause_ms    milliseconds between two words of a text; 0
play        the file of a recording (see `sxhost.drivers.echo.player`), which the driver
            of the recorded agent drives; it gets the rest of ``native``
pace        factor on the recorded pauses: 0 for none, 1 for as they were
=========== =================================================================

============= =====================================================================
agent         an agent's methods
script        a turn's text as steps
script_runner what each step reports
player        a fake child that prints what a recorded agent has printed
recording     recordings of what host and agent sent each other
============= =====================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.contracts import Agent, Driver, DriverEntryPoint, Reports
from sxhost.drivers.echo.agent import ConversationMemory, EchoAgent, EchoOptions
from sxhost.drivers.echo.player import Player, installed
from sxhost.drivers.echo.recording import BadRecording, Recording
from sxhost.errors import BadField
from sxhost.model.turn import Launch
from sxhost.process.contracts import Spawn

__all__ = ["make"]

T = TypeVar("T")


class PlayOptions(Struct, frozen=True, kw_only=True):
    """``native`` of a launch that plays a recording."""

    play: Annotated[str, Meta(min_length=1, max_length=4096)]
    pace: Annotated[float, Meta(ge=0, le=100)] = 0.0


class EchoDriver:
    """Makes scripted agents, and agents of other drivers on recordings."""

    def __init__(self, clock: IReactorTime, drivers: Callable[[str], DriverEntryPoint]) -> None:
        self._clock = clock
        self._drivers = drivers
        self._conversations = ConversationMemory()
        self._inner_drivers: list[Driver] = []

    def agent(self, launch: Launch, reports: Reports) -> Agent:
        """Return an agent that is not started; see `sxhost.drivers.contracts.Driver`."""
        if "play" in launch.native:
            return self._agent_of_recording(launch, reports)
        native = _native(launch.native, EchoOptions)
        return EchoAgent(launch, native, reports, self._clock, self._conversations)

    def _agent_of_recording(self, launch: Launch, reports: Reports) -> Agent:
        native = _native(launch.native, PlayOptions)
        path = Path(launch.cwd or "") / native.play
        try:
            player = Player(path, self._clock, pace=native.pace)
        except BadRecording as error:
            raise _bad_native(f"{error}") from None
        driver = self._drivers(player.recording.language)(player, self._clock)
        self._inner_drivers.append(driver)
        return driver.agent(_launch_for(launch, player.recording), reports)

    async def close(self) -> None:
        """Close the drivers that have played recordings."""
        drivers, self._inner_drivers = self._inner_drivers, []
        for driver in drivers:
            await driver.close()


def _launch_for(launch: Launch, recording: Recording) -> Launch:
    """Return the launch for the recorded agent's driver; that of ACP wants a command."""
    rest = {k: v for k, v in launch.native.items() if k not in PlayOptions.__struct_fields__}
    command = [recording.program] if recording.language == "acp" else None
    return msgspec.structs.replace(
        launch, agent=recording.language, command=launch.command or command, native=rest
    )


def _native(native: Mapping[str, object], kind: type[T]) -> T:
    try:
        return msgspec.convert(native, kind)
    except msgspec.ValidationError as error:
        raise _bad_native(f"{error}") from None


def _bad_native(reason: str) -> BadField:
    return BadField("native", f"The field `native` is wrong: {reason}.")


def make(
    spawn: Spawn,  # noqa: ARG001 - nothing is run
    clock: IReactorTime,
    drivers: Callable[[str], DriverEntryPoint] = installed,
) -> Driver:
    """Return the driver (the entry point ``echo``); `drivers` finds those of recordings."""
    return EchoDriver(clock, drivers)
