"""What agents have written down: placeholders until the real thing."""

from __future__ import annotations

from typing import Any

from sxhost.commands import LoadSession
from sxhost.mux.engine import Refusal
from sxhost.service import SessionService

__all__ = ["Stored"]


class Stored:
    """The sessions that agents can go on with."""

    def __init__(self, service: SessionService) -> None:
        self._service = service

    async def check(self, command: LoadSession) -> tuple[str, str]:
        raise Refusal("sessionPath must point to an existing session file")

    async def all(self) -> list[dict[str, Any]]:
        return []
