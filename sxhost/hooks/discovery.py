"""Looks for agents that run: now and then for those without hooks, at the start for those that
wait for an answer.
"""

from __future__ import annotations

from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from sxhost.errors import HostError
from sxhost.hooks.sessions import HookHandler
from sxhost.logs import logger
from sxhost.waiting import background

__all__ = ["DISCOVERY_S", "Discovery", "Reunion"]

log = logger(__name__)

DISCOVERY_S: Final = 5.0
"""Seconds between two looks: each reads the names of all processes."""


class Discovery(Service):
    """Discovers the agents of the user `uid` as long as the service runs."""

    def __init__(self, hooks: HookHandler, clock: IReactorTime, uid: int) -> None:
        self._hooks = hooks
        self._uid = uid
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    def startService(self) -> None:
        """Look for the first time, and from then on."""
        super().startService()
        self._looking.start(DISCOVERY_S, now=True)

    def stopService(self) -> None:
        """Look no more."""
        if self._looking.running:
            self._looking.stop()
        super().stopService()

    def _look(self) -> Deferred[None]:
        return background(
            self._hooks.discover(self._uid), log, "looking for running agents", (HostError,)
        )


class Reunion(Service):
    """Finds, once, the agents of the user `uid` that a former life of the host knew.

    Those that have asked it, and those that it has handed over to a terminal.
    """

    def __init__(self, hooks: HookHandler, uid: int) -> None:
        self._hooks = hooks
        self._uid = uid

    def startService(self) -> None:
        """Look for them."""
        super().startService()
        for finding in (self._hooks.follow_asking(self._uid), self._hooks.follow_terminals()):
            background(finding, log, "finding agents at terminals", (HostError,))
