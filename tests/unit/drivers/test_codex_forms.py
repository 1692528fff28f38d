"""Forms of tool servers."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.drivers.codex.forms import content_of, inquiries_of
from sxhost.errors import BadField
from sxhost.model.approval import Inquiry, Option


def form(**fields: Any) -> Any:
    return {"type": "object", "properties": fields}


@pytest.mark.parametrize(
    ("field", "options", "multiple"),
    [
        ({"type": "string"}, [], False),
        ({"type": "boolean"}, [Option("true"), Option("false")], False),
        ({"type": "string", "enum": ["a", "b"]}, [Option("a"), Option("b")], False),
        (
            {"type": "string", "enum": ["a", "b"], "enumNames": ["A"]},
            [Option("a", "A"), Option("b")],
            False,
        ),
        (
            {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
            [Option("a", "A")],
            False,
        ),
        ({"type": "array", "items": {"enum": ["a"]}}, [Option("a")], True),
        (
            {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}, 5]}},
            [Option("a", "A")],
            True,
        ),
        ({"type": "array", "items": 5}, [], True),
        ({"enum": 5}, [], False),
    ],
)
def test_fields(field: Any, options: list[Option], multiple: bool) -> None:
    expected = Inquiry(
        id="f", text="f", header="f", options=options, other=not options, multiple=multiple
    )
    assert inquiries_of(form(f=field)) == [expected]


def test_what_a_field_says_of_itself() -> None:
    inquiry = inquiries_of(
        form(n={"type": "number", "title": "N", "description": "How many?"})
    )[0]
    assert (inquiry.header, inquiry.text) == ("N", "How many?")


@pytest.mark.parametrize("schema", [None, 5, {}, {"properties": 5}, form(f=5)])
def test_no_form(schema: Any) -> None:
    assert inquiries_of(schema) == []


@pytest.mark.parametrize(
    ("kind", "answer", "value"),
    [
        ("string", "7", "7"),
        ("integer", "7", 7),
        ("number", "7.5", 7.5),
        ("boolean", "True", True),
        ("boolean", "no", False),
        ("array", "a", ["a"]),
        ("array", ["a", "b"], ["a", "b"]),
        ("string", ["a", "b"], "a, b"),
        (None, "x", "x"),
    ],
)
def test_values(kind: str | None, answer: Any, value: Any) -> None:
    assert content_of(form(f={"type": kind}), {"f": answer}) == {"f": value}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("integer", "x"), ("number", "nan"), ("number", "inf"), ("boolean", "maybe")],
)
def test_what_is_no_value(kind: str, answer: str) -> None:
    with pytest.raises(BadField, match=f"is no {kind}"):
        content_of(form(f={"type": kind}), {"f": answer})


def test_an_answer_that_nobody_asked_for_is_kept() -> None:
    assert content_of(form(), {"f": "x"}) == {"f": "x"}
