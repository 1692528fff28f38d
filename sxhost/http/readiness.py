"""Whether the host takes requests, for whoever sends them to one of several hosts."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from sxhost.errors import NotReady

__all__ = ["PROBES", "READY", "Readiness", "Ready"]

READY: Final = "/ready"

PROBES: Final = frozenset({"/health", READY})
"""Paths that a host answers which stands by for another."""


class Ready(Struct, frozen=True):
    """The host takes requests."""

    ready: bool = True


class Readiness:
    """What keeps the host from taking requests, if anything does.

    One that stands by refuses all but probes; one that is about to stop serves to the end.
    """

    def __init__(self) -> None:
        self.standing_by = False
        self.stopping = False
        self.trouble = ""
        """Why the store cannot be written; another host may have it by now."""

    async def ready(self) -> Ready:
        """Tell that the host takes requests.

        :raises NotReady: it does not, or soon will not.
        """
        if self.stopping:
            raise NotReady("is about to stop")
        if self.trouble:
            raise NotReady("cannot reach its store")
        self.check("")
        return Ready()

    def check(self, path: str) -> None:
        """Let a request pass, unless another host is to get it.

        :raises NotReady: this one stands by.
        """
        if self.standing_by and path not in PROBES:
            raise NotReady("stands by for another one, which serves")
