"""Events as they come from outside, checked and made compact for the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw

from sxhost.errors import EventTooLarge
from sxhost.model.event import EventDraft
from sxhost.store.contracts import Draft
from sxhost.store.event_ring import OVERHEAD

__all__ = ["compact_draft", "compact_drafts"]

STEP_BYTES = 1024 * 1024
"""Bytes of events that are made compact in one step: a millisecond, or two."""


def compact_drafts(
    drafts: Sequence[EventDraft], at: int, event_size: int
) -> Iterator[list[Draft]]:
    """Take the spaces out of events' data, `STEP_BYTES` of them a step.

    The data is not decoded: a number or a text stays as its sender wrote it.

    :param at: Unix milliseconds, for events that name no time.
    :param event_size: bytes of compact JSON that an event's data may have.
    :raises EventTooLarge: one has more.
    """
    step, size = list[Draft](), 0
    for draft in drafts:
        compact = compact_draft(draft, at, event_size)
        step.append(compact)
        size += OVERHEAD + len(compact.data)
        if size >= STEP_BYTES:
            yield step
            step, size = [], 0
    yield step


def compact_draft(draft: EventDraft, at: int, event_size: int) -> Draft:
    """Take the spaces out of one event's data, as `compact_drafts` does for many."""
    data = msgspec.json.format(draft.data, indent=-1)
    if len(data) > event_size:
        raise EventTooLarge(len(data), event_size)
    ts_ms = at if draft.ts is None else draft.ts * 1000
    return Draft(draft.event, Raw(data), ts_ms, draft.key)
