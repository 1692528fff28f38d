"""Questions over ACP: what is offered, and what an answer says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.drivers.acp.approvals import DECISIONS, ElicitationForm, ToolPermission
from sxhost.drivers.acp.messages import (
    ElicitationParams,
    PermissionOption,
    PermissionParams,
    ToolCall,
)
from sxhost.drivers.acp.tools import OpenToolCall
from sxhost.errors import BadField
from sxhost.model.approval import Answer

NATIVE = Raw(b"{}")


def leave(*kinds: str) -> ToolPermission:
    offers = [PermissionOption(f"id-{number}", kind) for number, kind in enumerate(kinds)]
    return ToolPermission(7, "c1", PermissionParams(ToolCall("c1"), offers))


def form(**fields: Any) -> ElicitationForm:
    return ElicitationForm(
        7, "e1", ElicitationParams("form", "Please.", {"properties": fields})
    )


def picked(ask: ToolPermission, decision: str) -> Any:
    return ask.result(Answer(decision=decision))["outcome"].get("optionId")


def tool(**call: Any) -> OpenToolCall:
    known = OpenToolCall("c1")
    known.merge_update(ToolCall("c1", **call))
    return known


@given(st.permutations([*DECISIONS]))
def test_the_order_of_the_options_means_nothing(kinds: list[str]) -> None:
    ask = leave(*kinds)
    assert ask.choices == [*DECISIONS.values(), "cancel"]
    for number, kind in enumerate(kinds):
        assert picked(ask, DECISIONS[kind]) == f"id-{number}"


def test_more_options_of_a_kind_are_choices_of_their_own() -> None:
    ask = leave("allow_always", "allow_always", "_odd")
    assert ask.choices == ["approve_session", "id-1", "id-2", "cancel"]
    assert [picked(ask, choice) for choice in ask.choices] == ["id-0", "id-1", "id-2", None]


def test_no_options_at_all() -> None:
    ask = leave()
    assert ask.choices == ["cancel"]
    assert picked(ask, "cancel") is None
    with pytest.raises(BadField):
        picked(ask, "approve")


def test_an_option_that_is_called_cancel_rejects() -> None:
    offers = [
        PermissionOption("cancel", "reject_once"),
        PermissionOption("approve", "allow_once"),
    ]
    ask = ToolPermission(7, "c1", PermissionParams(ToolCall("c1"), offers))
    assert picked(ask, "deny") == "cancel"
    assert ask.declines_tool(Answer(decision="deny"))
    assert not ask.stops_turn(Answer(decision="deny"))
    assert ask.stops_turn(Answer(decision="cancel"))


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        ("execute", "command"),
        ("edit", "file-change"),
        ("move", "file-change"),
        ("fetch", "tool"),
    ],
)
def test_what_leave_is_for(kind: str, ours: str) -> None:
    assert leave().question(tool(kind=kind), NATIVE).kind == ours


def test_what_a_question_tells() -> None:
    known = tool(
        kind="execute",
        title="run it",
        raw_input={"command": ["sh", "-c", "a b"], "cwd": "/w"},
        locations=[{"path": "/w/x"}, {}, 3],
    )
    question = leave("allow_once").question(known, NATIVE)
    assert question.title == "run it"
    assert question.detail == {
        "tool": "execute",
        "command": "sh -c 'a b'",
        "cwd": "/w",
        "paths": ["/w/x"],
        "title": "run it",
    }


def test_a_tool_call_of_which_nothing_is_known() -> None:
    question = leave("allow_once").question(OpenToolCall("c1"), NATIVE)
    assert (question.title, question.detail) == ("other", {"tool": "other"})


FIELDS: dict[str, Any] = {
    "name": {"type": "string", "title": "Name", "description": "What is your name?"},
    "age": {"type": "integer"},
    "height": {"type": "number"},
    "sure": {"type": "boolean"},
    "colour": {
        "type": "string",
        "oneOf": [
            {"const": "r", "title": "Red", "description": "warm"},
            {"const": "b", "title": "Blue"},
        ],
    },
    "sizes": {"type": "array", "items": {"type": "string", "enum": ["s", "m", "l"]}},
    "days": {"type": "array", "items": {"anyOf": [{"const": 1, "title": "Monday"}]}},
    "broken": 5,
}


def test_a_form_is_a_list_of_inquiries() -> None:
    question = form(**FIELDS).question(NATIVE)
    inquiries = {inquiry.id: inquiry for inquiry in question.inquiries}
    assert (question.kind, question.title) == ("question", "Please.")
    assert question.choices == ["approve", "deny", "cancel"]
    assert [*inquiries] == ["name", "age", "height", "sure", "colour", "sizes", "days"]
    assert (inquiries["name"].header, inquiries["name"].text) == ("Name", "What is your name?")
    assert inquiries["name"].other
    assert [option.label for option in inquiries["sure"].options] == ["true", "false"]
    colours = [(option.label, option.description) for option in inquiries["colour"].options]
    assert colours == [("Red", "warm"), ("Blue", "")]
    assert not inquiries["colour"].other
    assert inquiries["sizes"].multiple


def test_a_form_is_filled_in() -> None:
    answers: dict[str, str | list[str]] = {
        "name": "Ada",
        "age": "36",
        "height": "1.65",
        "sure": "Yes",
        "colour": "Red",
        "sizes": ["s", "l"],
        "days": "Monday",
        "nonsense": "x",
    }
    result = form(**FIELDS).result(Answer(decision="approve", answers=answers))
    assert result == {
        "action": "accept",
        "content": {
            "name": "Ada",
            "age": 36,
            "height": 1.65,
            "sure": True,
            "colour": "r",
            "sizes": ["s", "l"],
            "days": [1],
        },
    }


@pytest.mark.parametrize(("name", "given"), [("age", "old"), ("sure", "perhaps")])
def test_an_answer_of_the_wrong_kind(name: str, given: str) -> None:
    with pytest.raises(BadField) as refused:
        form(**FIELDS).result(Answer(decision="approve", answers={name: given}))
    assert refused.value.details == {"field": f"answers.{name}"}


def test_words_may_be_several() -> None:
    answer = Answer(decision="approve", answers={"name": ["Ada", "Eve"]})
    assert form(**FIELDS).result(answer)["content"] == {"name": "Ada, Eve"}


@pytest.mark.parametrize(("decision", "action"), [("deny", "decline"), ("cancel", "cancel")])
def test_a_form_is_not_filled_in(decision: str, action: str) -> None:
    ask = form(**FIELDS)
    answer = Answer(decision=decision)
    assert ask.result(answer) == {"action": action}
    assert not ask.stops_turn(answer)
    assert not ask.declines_tool(answer)
    with pytest.raises(BadField):
        ask.result(Answer(decision="whatever"))


def test_an_address_to_visit() -> None:
    ask = ElicitationForm(
        7, "e1", ElicitationParams("url", "Log in.", url="https://example.org")
    )
    assert ask.question(NATIVE).detail == {"url": "https://example.org"}
    assert ask.result(Answer(decision="approve")) == {"action": "accept"}


VALUES = st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5)
NAMES = st.sampled_from(["title", "description", "enum", "oneOf", "anyOf", "items", "type"])


@given(st.dictionaries(NAMES, VALUES))
def test_any_schema_makes_a_question(schema: dict[str, Any]) -> None:
    fields = {"a": schema, "b": {**schema, "type": "array", "items": schema, "enum": [None]}}
    asked = ElicitationParams("form", requested_schema={"properties": fields})
    question = ElicitationForm(1, "k", asked).question(NATIVE)
    assert len(question.inquiries) == 2


def test_a_schema_without_fields() -> None:
    asked = ElicitationParams("form", requested_schema={"properties": []})
    assert ElicitationForm(1, "k", asked).question(NATIVE).inquiries == []
