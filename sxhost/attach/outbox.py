"""Sends an agent's events to the host: each once, and in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import uuid4

from msgspec import Raw, convert, json
from msgspec.structs import replace

from sxhost.attach.spool import Spool
from sxhost.client.host import HostClient
from sxhost.codec.shorten import EVENT_MOST, fitting_data
from sxhost.errors import HostError, Reserved
from sxhost.logs import logger
from sxhost.model.event import EventDraft, raw_json

__all__ = ["Outbox"]

log = logger(__name__)

BATCH_EVENTS: Final = 500
BATCH_BYTES: Final = 512 * 1024
"""The most that one request carries: far below the host's limits of a batch, so that a slow
link has sent it before the host's time for a body is over."""

INVALID: Final = frozenset({400, 413})
"""Statuses with which the host refuses the event itself; after others a retry may help."""


class Outbox:
    """The events that wait for a host.

    :param now: returns the time of day in Unix seconds.
    """

    def __init__(self, now: Callable[[], float], spool: Spool | None = None) -> None:
        self.spool = Spool() if spool is None else spool
        self.refused = 0
        """How many events were dropped since no host will ever take them."""
        self._now = now
        self._key_prefix = uuid4().hex[:16]
        self._fired = 0
        self._batch_size = BATCH_EVENTS

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self.spool)

    def put(self, event: str, data: Any) -> bool:
        """Queue an event for the host, its texts cut to its limit; return False if it is none.

        Its idempotency key makes the host take it once, however often it is sent.
        """
        self._fired += 1
        key = f"{self._key_prefix}-{self._fired}"
        try:
            draft = convert({"event": event}, EventDraft)
            self.spool.put(replace(draft, data=_fitting(data), ts=int(self._now()), key=key))
        except Exception as error:  # noqa: BLE001 - an agent's data may do anything when encoded
            log.warn("{event!r} is no event: {error}", event=event, error=error)
            self.refused += 1
            return False
        return True

    async def send(self, host: HostClient, session_id: str) -> None:
        """Send the oldest events in one batch; an event that is invalid is dropped.

        :raises HostError: the host takes no events now.
        :raises HostUnreachable: the host is not there.
        """
        if lost := self.spool.lost:
            self.put("warning", {"text": f"{lost} events were lost while no host was there"})
            self.spool.lost -= lost
        batch = self.spool.first(self._batch_size, BATCH_BYTES)
        try:
            await host.fire_batch(session_id, batch)
        except HostError as error:
            if error.status not in INVALID and not isinstance(error, Reserved):
                raise
            self._drop_invalid(batch, error)
        else:
            self.spool.remove(batch)
            self._batch_size = min(self._batch_size * 2, BATCH_EVENTS)

    def _drop_invalid(self, batch: Sequence[EventDraft], error: HostError) -> None:
        """Drop the invalid event; if it is not known which it is, send one at a time."""
        line = error.details.get("line")
        if isinstance(line, int) and 0 < line <= len(batch):
            batch = batch[line - 1 :][:1]
        if len(batch) > 1:
            self._batch_size = 1
            return
        log.warn("an event was refused: {error}", error=error)
        self.refused += 1
        self.spool.drop(batch[0])


def _fitting(data: Any) -> Raw:
    """Return an event's data in JSON, with its texts cut where it has too much for a host."""
    raw = raw_json(data)
    if len(bytes(raw)) <= EVENT_MOST:
        return raw
    return raw_json(fitting_data(json.decode(raw)))
