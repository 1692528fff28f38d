"""Agents that speak ACP and are known by their own names: ``--agent opencode``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, cast

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from sxhost.drivers.acp.agent import ACPAgent
from sxhost.drivers.contracts import DriverEntryPoint, Reports
from sxhost.drivers.kit.program_driver import program_driver
from sxhost.model.turn import Launch
from sxhost.process.contracts import Spawn

__all__ = ["PRESETS", "preset"]

PRESETS: Final[Mapping[str, Sequence[str]]] = {
    "opencode": ("opencode", "acp"),
    "gemini": ("gemini", "--acp"),
    "claude-agent-acp": ("claude-agent-acp",),
    "codex-acp": ("codex-acp",),
    "pi-acp": ("pi-acp",),
}
"""The commands of the agents that are known; a launch may give another one."""


def preset(name: str) -> DriverEntryPoint:
    """Return the entry point of an agent of `PRESETS`."""
    return cast("DriverEntryPoint", program_driver(partial(_make, PRESETS[name])))


def _make(
    command: Sequence[str], launch: Launch, reports: Reports, spawn: Spawn, clock: IReactorTime
) -> ACPAgent:
    given = launch if launch.command else replace(launch, command=[*command])
    return ACPAgent(given, reports, spawn, clock)
