"""JSON texts that are changed: what was there stays there, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.codec.json_edit import NotJSON, append_value, remove_values, value_at

PATH = ("hooks", "Stop")
OURS = {"hooks": [{"type": "http", "url": "http://x"}]}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
stops = st.lists(
    st.fixed_dictionaries({"matcher": st.text(max_size=5)}), min_size=1, max_size=3
)
hooks = st.dictionaries(
    st.sampled_from(["PreToolUse", "Über"]), stops, min_size=1, max_size=2
) | st.fixed_dictionaries({"Stop": stops, "Other": stops})
texts = st.builds(
    lambda rest, hooked, indent, ascii_only: json.dumps(
        {**rest, **({"hooks": hooked} if hooked else {})},
        indent=indent,
        ensure_ascii=ascii_only,
    ),
    st.dictionaries(
        st.text(max_size=5).filter(lambda name: name != "hooks"), values, max_size=3
    ),
    st.none() | hooks,
    st.sampled_from([None, 2, 4, "\t"]),
    st.booleans(),
)


@given(texts, st.sampled_from(["", "\n", "\r\n", "  "]))
def test_edit_and_its_reverse_restore_the_file(text: str, after: str) -> None:
    text += after
    added = append_value(text, PATH, OURS)
    before, now = json.loads(text), json.loads(added)
    assert now["hooks"]["Stop"] == [*before.get("hooks", {}).get("Stop", []), OURS]
    assert {**now, "hooks": 0} == {**before, "hooks": 0}
    assert remove_values(added, PATH, lambda value: value == OURS) == text


def test_inserted_text_has_the_files_indent() -> None:
    assert append_value('{\n    "a": 1\n}\n', ("b",), [2]) == (
        '{\n    "a": 1,\n    "b": [\n        [\n            2\n        ]\n    ]\n}\n'
    )
    assert "\r\n" in append_value('{\r\n  "a": 1\r\n}', ("b",), 2)


def test_an_array_grows_at_its_end_and_shrinks_anywhere() -> None:
    text = '{"a": [ 1 , 2,3 ]}'
    assert json.loads(append_value(text, ("a",), 4)) == {"a": [1, 2, 3, 4]}
    assert remove_values(text, ("a",), lambda value: value == 1) == '{"a": [ 2,3 ]}'
    assert remove_values(text, ("a",), lambda value: value == 2) == '{"a": [ 1,3 ]}'
    assert remove_values(text, ("a",), lambda _: True) == "{}"
    assert remove_values(text, ("b",), lambda _: True) == text


def test_value_at_a_path_is_read() -> None:
    assert value_at('{"a": {"b": [1]}}', ("a", "b")) == [1]
    assert value_at('{"a": 1}', ("a", "b")) is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a"}', '{"a":1,}', "{} {}", "null", "{1:2}", "[" * 100_000, "{//x\n}"],
)
def test_document_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(NotJSON):
        append_value(text, PATH, 1)


@pytest.mark.parametrize("text", ['{"hooks": 1}', '{"hooks": {"Stop": {}}}', '{"hooks": []}'])
def test_value_of_another_type_is_refused(text: str) -> None:
    with pytest.raises(NotJSON):
        append_value(text, PATH, 1)


def test_any_value_can_be_inserted() -> None:
    anything: Any = {"ü": [None, True]}
    assert json.loads(append_value("{}", ("a", "b"), anything)) == {"a": {"b": [anything]}}
