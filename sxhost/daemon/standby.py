"""The host's hold on a store that hosts share: waited for, then kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from sxhost.errors import HostError
from sxhost.http.readiness import Readiness
from sxhost.logs import logger
from sxhost.store.contracts import StandingBy, Store, StoreUnusable

__all__ = ["StoreHold"]

log = logger(__name__)

TRY_EVERY_S: Final = 0.25
"""Seconds between two looks at whether the active host has ended."""

BEAT_EVERY_S: Final = 1.0
"""Seconds between two signs of life of the active host."""


class StoreHold(Service):
    """Stands by for the host that has the store; then shows others that this one lives."""

    def __init__(self, store: Store, clock: IReactorTime, readiness: Readiness) -> None:
        self._store = store
        self._readiness = readiness
        self._trying = LoopingCall(self._try)
        self._beating = LoopingCall(self._beat)
        self._trying.clock = self._beating.clock = clock
        self._active: Callable[[], object] = lambda: None

    def stand_by(self, active: Callable[[], object]) -> None:
        """Wait until the host that has the store has ended, then call `active`."""
        log.info("Another host is active; this one stands by")
        self._active = active
        self._trying.start(TRY_EVERY_S, now=False)

    def keep(self) -> None:
        """Show those who stand by that this host lives, until it stops."""
        self._beating.start(BEAT_EVERY_S, now=False)

    def stopService(self) -> None:
        """Wait no longer, and show no more signs of life."""
        super().stopService()
        for loop in (self._trying, self._beating):
            if loop.running:
                loop.stop()

    def _try(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._take_over())

    async def _take_over(self) -> None:
        try:
            await self._store.take_over()
        except StandingBy:
            self._note("")
        except StoreUnusable as error:
            self._note(str(error))
        else:
            self._note("")
            self._trying.stop()
            self._active()
            self.keep()

    def _beat(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._show_life())

    async def _show_life(self) -> None:
        try:
            await self._store.beat()
        except HostError as error:
            self._note(str(error))
        else:
            self._note("")

    def _note(self, trouble: str) -> None:
        """Log a trouble once, and its end."""
        before, self._readiness.trouble = self._readiness.trouble, trouble
        if trouble and not before:
            log.warn("{trouble}", trouble=trouble)
        elif before and not trouble:
            log.info("The store answers again")
