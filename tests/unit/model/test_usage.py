"""Counts of what was used, added up."""

from __future__ import annotations

from sxhost.model.usage import TokenCounts


def test_tokens_are_added_kind_by_kind() -> None:
    one = TokenCounts(
        input_tokens=1,
        cached_tokens=2,
        cache_write_tokens=3,
        output_tokens=4,
        reasoning_tokens=5,
    )
    assert (one + one).billed == (2, 4, 6, 8)
    assert (one + one).reasoning_tokens == 10
    assert TokenCounts() + one == one
