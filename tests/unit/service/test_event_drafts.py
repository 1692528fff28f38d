"""Events from outside on their way to the store: compact, bounded, not decoded."""

from __future__ import annotations

import pytest
from msgspec import Raw

from sxhost.errors import EventTooLarge
from sxhost.event_drafts import STEP_BYTES, compact_drafts
from sxhost.model.event import EventDraft


@pytest.mark.parametrize(
    ("data", "compact"),
    [
        (b'{ "a" : [ 1 , "x  y" ] }\n', b'{"a":[1,"x  y"]}'),
        (b'"caf\\u00e9"', b'"caf\\u00e9"'),
        (b"1.0e2", b"1.0e2"),
        (b"100000000000000000000000000000", b"100000000000000000000000000000"),
    ],
)
def test_data_loses_its_spaces_and_nothing_else(data: bytes, compact: bytes) -> None:
    ((draft,),) = compact_drafts([EventDraft(event="x", data=Raw(data))], 5, 100)
    assert (bytes(draft.data), draft.ts_ms) == (compact, 5)


def test_an_event_without_data_has_null() -> None:
    ((draft,),) = compact_drafts([EventDraft(event="x", ts=7, key="k")], 5, 100)
    assert (bytes(draft.data), draft.ts_ms, draft.key) == (b"null", 7000, "k")


def test_the_size_that_counts_is_the_compact_one() -> None:
    fits = EventDraft(event="x", data=Raw(b'"1"' + b" " * 100))
    assert list(compact_drafts([fits], 5, 3))
    with pytest.raises(EventTooLarge):
        list(compact_drafts([fits, EventDraft.of("x", "12")], 5, 3))


def test_large_batches_are_made_compact_step_by_step() -> None:
    large = EventDraft.of("x", "y" * (STEP_BYTES // 2))
    assert [len(step) for step in compact_drafts([large] * 4, 5, STEP_BYTES)] == [2, 2, 0]
