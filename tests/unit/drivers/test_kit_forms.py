"""Forms of tool servers: JSON Schema as inquiries, answers as the content."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.drivers.kit.forms import Form
from sxhost.errors import BadField
from sxhost.model.approval import Answer, Inquiry, Option


def form(**fields: Any) -> Form:
    return Form({"type": "object", "properties": fields})


def content(form: Form, **answers: str | list[str]) -> dict[str, Any]:
    return form.content(Answer(decision="approve", answers=answers))


TITLED = [{"const": "r", "title": "Red", "description": "warm"}, {"const": "b"}, 5, {}]
FIELDS: list[tuple[Any, list[Option], bool]] = [
    ({"type": "string"}, [], False),
    ({"type": "boolean"}, [Option("true"), Option("false")], False),
    ({"type": "string", "enum": ["a", "b"]}, [Option("a"), Option("b")], False),
    ({"enum": ["a", "b"], "enumNames": ["A"]}, [Option("A"), Option("b")], False),
    ({"type": "string", "oneOf": TITLED}, [Option("Red", "warm"), Option("b")], False),
    ({"type": "array", "items": {"enum": ["a", 7]}}, [Option("a"), Option("7")], True),
    ({"type": "array", "items": {"anyOf": TITLED}}, [Option("Red", "warm"), Option("b")], True),
    ({"type": "array", "items": 5}, [], True),
    ({"enum": 5, "oneOf": None}, [], False),
]


@pytest.mark.parametrize(("field", "options", "multiple"), FIELDS)
def test_a_field_is_an_inquiry_with_its_choices(
    field: Any, options: list[Option], multiple: bool
) -> None:
    expected = Inquiry(id="f", text="f", options=options, other=not options, multiple=multiple)
    assert form(f=field).inquiries == [expected]


def test_an_inquiry_has_the_field_s_title_and_description() -> None:
    (inquiry,) = form(n={"title": "N", "description": "How many?"}).inquiries
    assert (inquiry.header, inquiry.text) == ("N", "How many?")
    (inquiry,) = form(n={"title": "N"}).inquiries
    assert (inquiry.header, inquiry.text) == ("N", "N")


@pytest.mark.parametrize("schema", [None, 5, {}, {"properties": []}, {"properties": {"f": 5}}])
def test_a_schema_without_fields_has_no_inquiries(schema: Any) -> None:
    assert Form(schema).inquiries == []


VALUES: list[tuple[Any, str | list[str], Any]] = [
    ({"type": "string"}, "7", "7"),
    ({"type": "integer"}, "7", 7),
    ({"type": "number"}, "7.5", 7.5),
    ({"type": "boolean"}, " Yes", True),
    ({"type": "boolean"}, "false", False),
    ({"type": "string"}, ["a", "b"], "a, b"),
    ({}, "x", "x"),
    ({"oneOf": TITLED}, "Red", "r"),
    ({"oneOf": TITLED}, "r", "r"),
    ({"type": "integer", "enum": [1, 2]}, "2", 2),
    ({"type": "array"}, "a", ["a"]),
    ({"type": "array", "items": {"anyOf": [{"const": 1, "title": "Mon"}]}}, ["Mon"], [1]),
]


@pytest.mark.parametrize(("field", "answer", "value"), VALUES)
def test_an_answer_becomes_a_value_of_its_field(
    field: Any, answer: str | list[str], value: Any
) -> None:
    assert content(form(f=field), f=answer) == {"f": value}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("integer", "x"), ("number", "nan"), ("number", "inf"), ("boolean", "maybe")],
)
def test_an_answer_of_another_type_is_refused(kind: str, answer: str) -> None:
    with pytest.raises(BadField, match=f"is no {kind}") as refused:
        content(form(f={"type": kind}), f=answer)
    assert refused.value.details == {"field": "answers.f"}


def test_answers_to_what_is_no_field_are_left_out() -> None:
    assert content(form(f={}), f="x", g="y") == {"f": "x"}
    assert form(f={}).content(Answer(decision="approve")) == {}


SCALARS = st.none() | st.integers() | st.text(max_size=3)
JSON = SCALARS | st.lists(SCALARS | st.dictionaries(st.just("const"), SCALARS), max_size=3)
NAMES = st.sampled_from(["title", "description", "enum", "oneOf", "anyOf", "items", "type"])


@given(st.dictionaries(NAMES, JSON))
def test_any_schema_makes_inquiries(schema: dict[str, Any]) -> None:
    fields = {"a": schema, "b": {**schema, "type": "array", "items": schema, "enum": [None]}}
    assert len(Form({"properties": fields}).inquiries) == 2
