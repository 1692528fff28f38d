"""JSON that has not come to its end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.codec.partial_json import decode_partial

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


PARTIAL_VALUES = [
    ("", {}),
    ("{", {}),
    ('{"comm', {}),
    ('{"command"', {}),
    ('{"command":', {}),
    ('{"command": "ls', {"command": "ls"}),
    ('{"command": "a\\', {"command": "a"}),
    ('{"command": "a\\\\', {"command": "a\\"}),
    ('{"command": "a\\u00e', {"command": "a"}),
    ('{"command": "ls", ', {"command": "ls"}),
    ('{"command": "ls", "time": ', {"command": "ls"}),
    ('{"a": {"b": [1, {"c": tr', {"a": {"b": [1, {}]}}),
    ('{"a": [1, "x', {"a": [1, "x"]}),
    ("[1, 2", {}),
    ("}]", {}),
    ('{"a": 1}', {"a": 1}),
]


@pytest.mark.parametrize(("text", "expected"), PARTIAL_VALUES)
def test_partial_json_yields_the_known_fields(text: str, expected: Any) -> None:
    assert decode_partial(text) == expected


@given(st.dictionaries(st.text(max_size=4), VALUES), st.integers(0, 400), st.booleans())
def test_any_prefix_of_an_object_is_an_object(value: Any, end: int, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    found = decode_partial(text[:end])
    assert isinstance(found, dict)
    assert set(found) <= set(value)
    assert decode_partial(text) == value


@given(st.text(max_size=40))
def test_malformed_partial_json_is_empty(text: str) -> None:
    assert isinstance(decode_partial(text), dict)


@pytest.mark.parametrize(
    "piece", ["x", ",", ":", " ", '"', '\\"', '"\\', '"x" ', "[", "{", "]", "1,"]
)
def test_partial_json_time_is_linear(piece: str) -> None:
    """Twice as long takes twice as long: for some of these it once took 1,000 s."""
    assert decode_partial('{"a":1,"b":x ' + piece * 150_000 + " y") in ({}, {"a": 1})
