"""An agent without a program: it does what its turns' words say, for demos and tests.

The words are a script (see `sxhost.drivers.echo.script`).  ``launch.native`` may have:

=========== =================================================================
start       ``fail``: it does not start; ``hang``: not until it is stopped;
            ``slow``: after `slow_ms` (1000)
pause_ms    between two words; 0
play        a recording's file (see `sxhost.drivers.echo.player`): the agent is not an
            echo but what the recorded one was, driven by its own driver, which
            gets the rest of ``native``
pace        of the recorded pauses; 0: none, 1: as they were
=========== =================================================================

============= =====================================================================
agent         the verbs of an agent
script        the words of a turn as steps
script_runner what each step reports
player        a fake agent that says what a real one has said
recording     a recorded dialogue
============= =====================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

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
    """What a launch says of a recording."""

    play: Annotated[str, Meta(min_length=1, max_length=4096)]
    pace: Annotated[float, Meta(ge=0, le=100)] = 0.0


class EchoDriver:
    """Makes agents that need no program."""

    def __init__(self, clock: IReactorTime, drivers: Callable[[str], DriverEntryPoint]) -> None:
        self._clock = clock
        self._drivers = drivers
        self._conversations = ConversationMemory()
        self._playing: list[Driver] = []

    def agent(self, launch: Launch, reports: Reports) -> Agent:
        """Return an agent that is not started."""
        if "play" in launch.native:
            return self._played(launch, reports)
        native = _native(launch.native, EchoOptions)
        return EchoAgent(launch, native, reports, self._clock, self._conversations)

    def _played(self, launch: Launch, reports: Reports) -> Agent:
        native = _native(launch.native, PlayOptions)
        path = Path(launch.cwd or "") / native.play
        try:
            player = Player(path, self._clock, pace=native.pace)
        except BadRecording as error:
            raise _wrong(f"{error}") from None
        driver = self._drivers(player.recording.language)(player, self._clock)
        self._playing.append(driver)
        return driver.agent(_recorded(launch, player.recording), reports)

    async def close(self) -> None:
        """Close the drivers that played."""
        playing, self._playing = self._playing, []
        for driver in playing:
            await driver.close()


def _recorded(launch: Launch, recording: Recording) -> Launch:
    """Return the launch for the driver of a recorded agent, which may be of many programs."""
    rest = {k: v for k, v in launch.native.items() if k not in PlayOptions.__struct_fields__}
    command = [recording.program] if recording.language == "acp" else None
    return msgspec.structs.replace(
        launch, agent=recording.language, command=launch.command or command, native=rest
    )


def _native(given: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise _wrong(f"{error}") from None


def _wrong(why: str) -> BadField:
    return BadField("native", f"The field `native` is wrong: {why}.")


def make(
    spawn: Spawn,  # noqa: ARG001 - nothing is run
    clock: IReactorTime,
    drivers: Callable[[str], DriverEntryPoint] = installed,
) -> Driver:
    """Return the driver: the entry point's target.  `drivers` has those that can play."""
    return EchoDriver(clock, drivers)
