"""Events as they come from outside, checked and encoded for the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.errors import EventTooLarge
from sxhost.model.session import EventDraft
from sxhost.store.contracts import Draft
from sxhost.store.event_ring import OVERHEAD

__all__ = ["encoded_drafts"]

STEP_BYTES = 1024 * 1024
"""Bytes of events that are encoded in one step: a millisecond, or two."""


def encoded_drafts(
    drafts: Sequence[EventDraft], at: int, event_size: int
) -> Iterator[list[Draft]]:
    """Encode events for the store, `STEP_BYTES` of them a step.

    :param at: Unix milliseconds, for events that name no time.
    :param event_size: bytes of JSON that an event's data may have.
    :raises EventTooLarge: one has more.
    """
    step, size = list[Draft](), 0
    for draft in drafts:
        data = encode(draft.data)
        if len(data) > event_size:
            raise EventTooLarge(len(data), event_size)
        ts_ms = at if draft.ts is None else draft.ts * 1000
        step.append(Draft(draft.event, Raw(data), ts_ms, draft.key))
        size += OVERHEAD + len(data)
        if size >= STEP_BYTES:
            yield step
            step, size = [], 0
    yield step
