"""Assembles `Agents`: drivers, working directories, policy, reaper of orphaned processes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from sxhost.agents.dependencies import NO_AGENTS, Agents
from sxhost.agents.rules import Rules
from sxhost.agents.workdirs import WorkDirs, started_in
from sxhost.config import Settings
from sxhost.daemon.agent_catalogue import AgentCatalogue
from sxhost.drivers.contracts import Driver
from sxhost.drivers.registry import Registry, installed
from sxhost.logs import logger
from sxhost.model.limits import Limits
from sxhost.model.turn import Process
from sxhost.policy.rules import PolicyError
from sxhost.prices import BadPrices, Prices
from sxhost.process.child import ProcessSpawner
from sxhost.process.environ import agent_environment
from sxhost.process.orphans import end_orphans
from sxhost.process.watching import ProcessWatcher
from sxhost.visible import exit_with_error
from sxhost.waiting import RunInThread, run_inline

__all__ = ["host_id", "make_agents", "make_rules"]

log = logger(__name__)


def make_agents(
    settings: Settings,
    reactor: Any,
    rules: Rules | None = None,
    run_in_thread: RunInThread = run_inline,
) -> Agents:
    """Return what a host runs agents with; without rules a person decides everything.

    :param run_in_thread: runs what blocks while it looks for agents' programs.
    """
    limits, host = settings.limits, host_id(settings)
    watcher = ProcessWatcher(reactor, limits.watched_processes)
    if settings.is_active_node:
        # No other node could go on with one, or be kept from it.
        return NO_AGENTS._replace(rules=rules, watch=watcher.watch)
    spawn = ProcessSpawner(reactor, limits, host, environ=os.environ, keep=settings.agent_env)
    drivers = DriverFactory(spawn, reactor)
    return Agents(
        drivers,
        WorkDirs(settings.agent_roots, started_in()),
        rules=rules,
        hold=drivers.hold,
        reap=OrphanReaper(reactor, limits, host).reap,
        resume_at_boot=settings.resume_at_boot,
        watch=watcher.watch,
        processes=watcher,
        catalogue=AgentCatalogue(
            installed(),
            agent_environment(os.environ, {}, settings.agent_env),
            reactor,
            run_in_thread,
        ),
    )


def make_rules(file: Path | None) -> Rules:
    """Load the policy file, if one is given, or end the process with a sentence."""
    try:
        return Rules(file)
    except PolicyError as error:
        exit_with_error(1, f"sxhost: {error}")


def make_prices(file: Path | None) -> Prices:
    """Load the prices of models, or end the process with a sentence."""
    try:
        return Prices(file)
    except BadPrices as error:
        exit_with_error(1, f"sxhost: {error}")


def host_id(settings: Settings) -> str:
    """Return an id that stays the same when a host is restarted, and no other host has.

    A store's file has one host at a time.  Without a file there is one life only.
    """
    if not settings.engine and settings.database is None:
        return secrets.token_hex(8)
    place = f"{settings.user}:{settings.engine or Path(settings.database or '').resolve()}"
    return sha256(place.encode()).hexdigest()[:16]


class DriverFactory:
    """Makes drivers, and holds or ends the processes that they run."""

    def __init__(self, spawn: ProcessSpawner, reactor: Any) -> None:
        self._spawn = spawn
        self._drivers = Registry(installed(), spawn, reactor)
        self._holds = 0

    def __call__(self, agent: str) -> Driver:
        """Return a driver."""
        return self._drivers(agent)

    def hold(self, wait: bool) -> None:
        """Pause all output of processes until each `hold(True)` had its `hold(False)`."""
        self._holds += 1 if wait else -1
        for child in self._spawn.children:
            if self._holds:
                child.pause()
            else:
                child.resume()

    async def close(self) -> None:
        """Close the drivers and end all processes."""
        await self._drivers.close()
        await self._spawn.close()


class OrphanReaper:
    """Ends processes that agents left when an earlier host process died."""

    def __init__(self, reactor: Any, limits: Limits, host: str) -> None:
        self._reactor = reactor
        self._limits = limits
        self._name = host

    async def reap(self, recorded: Iterable[Process]) -> None:
        """End the recorded processes that still run, and log the result for each."""
        recorded = set(recorded)
        for report in await end_orphans(self._reactor, self._limits, self._name, recorded):
            fields = {"pid": report.process.pid, "what": report.what, "why": report.why}
            log.warn("left from before: process {pid} ({what}) {why}", **fields)
