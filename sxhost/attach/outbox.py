"""What an agent reports, from its firing to the host's log: each event once, and in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import uuid4

from msgspec import convert
from msgspec.structs import replace

from sxhost.attach.spool import Spool
from sxhost.client.host import HostClient
from sxhost.errors import HostError, Reserved
from sxhost.logs import logger
from sxhost.model.session import EventDraft

__all__ = ["Outbox"]

log = logger(__name__)

BATCH_EVENTS: Final = 500
BATCH_BYTES: Final = 512 * 1024
"""What is reported at once at the most."""

ITS_FAULT: Final = frozenset({400, 413})
"""Refusals that are the event's own fault; with any other it may be taken later."""


class Outbox:
    """Events that wait for a host; `now` tells the time of day in Unix seconds."""

    def __init__(self, now: Callable[[], float], spool: Spool | None = None) -> None:
        self.spool = Spool() if spool is None else spool
        self.refused = 0
        """Events that no host will ever take."""
        self._now = now
        self._keys = uuid4().hex[:16]
        self._fired = 0
        self._at_once = BATCH_EVENTS

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self.spool)

    def put(self, event: str, data: Any) -> bool:
        """Keep an event for the host; tell if it is one."""
        self._fired += 1
        key = f"{self._keys}-{self._fired}"
        try:
            draft = convert({"event": event}, EventDraft)
            self.spool.put(replace(draft, data=data, ts=int(self._now()), key=key))
        except Exception as error:  # noqa: BLE001 - an agent's data may do anything when encoded
            log.warn("{event!r} is no event: {error}", event=event, error=error)
            self.refused += 1
            return False
        return True

    async def send(self, host: HostClient, session_id: str) -> None:
        """Send what has waited longest; what the host will never take is dropped.

        :raises HostError: it does not take anything now.
        :raises HostUnreachable: it is not there.
        """
        if lost := self.spool.lost:
            self.put("warning", {"text": f"{lost} events were lost while no host was there"})
            self.spool.lost -= lost
        batch = self.spool.first(self._at_once, BATCH_BYTES)
        try:
            await host.fire_batch(session_id, batch)
        except HostError as error:
            if error.status not in ITS_FAULT and not isinstance(error, Reserved):
                raise
            self._refused(batch, error)
        else:
            self.spool.remove(batch)
            self._at_once = min(self._at_once * 2, BATCH_EVENTS)

    def _refused(self, batch: Sequence[EventDraft], error: HostError) -> None:
        """Drop the event that the host will not take, or find out which it is."""
        line = error.details.get("line")
        if isinstance(line, int) and 0 < line <= len(batch):
            batch = batch[line - 1 :][:1]
        if len(batch) > 1:
            self._at_once = 1
            return
        log.warn("an event was refused: {error}", error=error)
        self.refused += 1
        self.spool.drop(batch[0])
