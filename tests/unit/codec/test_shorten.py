"""Texts that come in pieces: no more is kept than an event has room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.codec.json import encode
from sxhost.codec.shorten import TEXT_KEPT, BoundedText, cut_large_fields, shorten_to_fit
from sxhost.model.limits import Limits


@given(st.lists(st.text(max_size=5)), st.integers(0, 20))
def test_beginning_of_a_shortened_text_is_kept(parts: list[str], most: int) -> None:
    pieces = BoundedText(most)
    for part in parts:
        pieces.add(part)
    assert str(pieces) == "".join(parts)[:most]


def test_kept_text_fits_into_an_event() -> None:
    assert Limits().event_size <= TEXT_KEPT


@pytest.mark.parametrize(
    "output", [["x" * 40_000] * 30, ["字" * 40_000] * 8, list(range(200_000)), [[]] * 200_000]
)
def test_small_fields_stay_beside_what_is_too_large(output: object) -> None:
    data = {"item": "i", "tool": "Bash", "status": "completed", "output": output}
    short = dict(shorten_to_fit(data, 100_000))
    assert len(encode(short)) <= 100_000
    assert {**short, "output": output} == data
    assert str(short["output"]).endswith(("bytes)", "more)", "more)']"))


@given(
    st.dictionaries(st.text(max_size=9), st.text(max_size=3000), max_size=5), st.integers(64)
)
def test_fields_are_cut_to_their_room(data: dict[str, str], most: int) -> None:
    short = cut_large_fields(data, most)
    assert short is None or len(encode(short)) <= most
