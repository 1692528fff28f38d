"""Questions over ACP: what is offered, and what an answer says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.drivers.acp.approvals import (
    DECISIONS,
    ToolPermission,
    elicitation_request,
    permission_request,
)
from sxhost.drivers.acp.messages import (
    ElicitationParams,
    PermissionOption,
    PermissionParams,
    ToolCall,
)
from sxhost.drivers.acp.tools import OpenToolCall
from sxhost.drivers.kit.pending_questions import AgentRequest
from sxhost.model.approval import Answer, Question

NATIVE = Raw(b"{}")


def leave(*kinds: str) -> ToolPermission:
    offers = [PermissionOption(f"id-{number}", kind) for number, kind in enumerate(kinds)]
    return ToolPermission.of(PermissionParams(ToolCall("c1"), offers))


def asked(call: OpenToolCall) -> Question:
    """Return the question about a tool call."""
    wanted = PermissionParams(ToolCall("c1"), [PermissionOption("y", "allow_once")])
    return permission_request(7, wanted, call, NATIVE).question


def form(**fields: Any) -> AgentRequest:
    wanted = ElicitationParams("form", "Please.", {"properties": fields})
    return elicitation_request(7, wanted, NATIVE)


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


def test_an_option_that_is_called_cancel_rejects() -> None:
    offers = [
        PermissionOption("cancel", "reject_once"),
        PermissionOption("approve", "allow_once"),
    ]
    ask = ToolPermission.of(PermissionParams(ToolCall("c1"), offers))
    assert picked(ask, "deny") == "cancel"
    assert ask.is_rejected_by(Answer(decision="deny"))
    assert not ask.is_rejected_by(Answer(decision="cancel"))


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
    assert asked(tool(kind=kind)).kind == ours


def test_what_a_question_tells() -> None:
    known = tool(
        kind="execute",
        title="run it",
        raw_input={"command": ["sh", "-c", "a b"], "cwd": "/w"},
        locations=[{"path": "/w/x"}, {}, 3],
    )
    question = asked(known)
    assert question.title == "run it"
    assert question.detail == {
        "tool": "execute",
        "command": "sh -c 'a b'",
        "cwd": "/w",
        "paths": ["/w/x"],
        "title": "run it",
    }


def test_a_tool_call_of_which_nothing_is_known() -> None:
    question = asked(OpenToolCall("c1"))
    assert (question.title, question.detail) == ("other", {"tool": "other"})


# Forms.


def test_a_form_is_a_question_with_inquiries() -> None:
    question = form(name={"title": "Name"}, broken=5).question
    assert (question.kind, question.title) == ("question", "Please.")
    assert question.choices == ["approve", "deny", "cancel"]
    assert [inquiry.id for inquiry in question.inquiries] == ["name"]


def test_a_form_is_filled_in() -> None:
    answer = Answer(decision="approve", answers={"age": "36"})
    result = form(age={"type": "integer"}).encode_answer(answer)
    assert result == {"action": "accept", "content": {"age": 36}}


@pytest.mark.parametrize(("decision", "action"), [("deny", "decline"), ("cancel", "cancel")])
def test_a_form_is_not_filled_in(decision: str, action: str) -> None:
    assert form().encode_answer(Answer(decision=decision)) == {"action": action}


def test_an_address_to_visit() -> None:
    wanted = ElicitationParams("url", "Log in.", url="https://example.org")
    request = elicitation_request(7, wanted, NATIVE)
    assert request.question.detail == {"url": "https://example.org"}
    assert request.encode_answer(Answer(decision="approve")) == {"action": "accept"}
