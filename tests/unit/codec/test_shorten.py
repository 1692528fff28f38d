"""Texts that come in pieces: no more is kept than an event has room for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sxhost.codec.shorten import TEXT_KEPT, BoundedText
from sxhost.model.limits import Limits


@given(st.lists(st.text(max_size=5)), st.integers(0, 20))
def test_beginning_of_a_shortened_text_is_kept(parts: list[str], most: int) -> None:
    pieces = BoundedText(most)
    for part in parts:
        pieces.add(part)
    assert str(pieces) == "".join(parts)[:most]


def test_kept_text_fits_into_an_event() -> None:
    assert Limits().event_size <= TEXT_KEPT
