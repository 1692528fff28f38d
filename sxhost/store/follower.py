"""Looks what other nodes have committed, again and again, so that readers hear of it."""

from __future__ import annotations

from typing import Any, Final

from sxhost.errors import HostError
from sxhost.logs import logger
from sxhost.store.group_commit import GroupCommitter, Threads
from sxhost.waiting import background

__all__ = ["FOLLOW_S", "NodeFollower"]

log = logger(__name__)

FOLLOW_S: Final = 0.02
"""Seconds between two looks: for half of that a reader is behind, mostly, and no more costs."""


class NodeFollower:
    """Has a committer catch up, a moment after it has done so last."""

    def __init__(self, committer: GroupCommitter, threads: Threads) -> None:
        self._committer = committer
        self._threads = threads
        self._timer: Any = None
        self._ended = False

    def begin(self) -> None:
        """Begin to look."""
        self._wait()

    def end(self) -> None:
        """Look no more."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        if not self._ended:
            self._timer = self._threads.later(FOLLOW_S, self._look)

    def _look(self) -> None:
        self._timer = None
        background(self._catch_up(), log, "following other nodes")

    async def _catch_up(self) -> None:
        try:
            await self._committer.catch_up()
        except HostError as error:
            log.debug("others are not followed for now: {error}", error=error)
        finally:
            self._wait()
