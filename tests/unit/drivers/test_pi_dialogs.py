"""Dialogs of pi's extensions as questions, and decisions as their answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sxhost.drivers.kit.pending_questions import AgentRequest
from sxhost.drivers.pi.dialogs import SHOWS, agent_request
from sxhost.drivers.pi.messages import DialogRequest
from sxhost.model.approval import Answer


def ask(method: str, **fields: Any) -> AgentRequest:
    dialog = msgspec.convert({"id": "d", "method": method, **fields}, DialogRequest)
    request = agent_request(dialog, msgspec.Raw(b"{}"))
    assert request is not None
    return request


def answer(request: AgentRequest, decision: str, **answers: str | list[str]) -> Any:
    return request.encode_answer(Answer(decision=decision, answers=answers or None))


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        ("approve", {"confirmed": True}),
        ("deny", {"confirmed": False}),
    ],
)
def test_confirm(decision: str, told: Any) -> None:
    request = ask("confirm", title="Sure?", message="rm -r")
    question = request.question
    assert (question.kind, question.title, question.key) == ("dialog", "Sure?", "d")
    assert (question.choices, question.detail) == (["approve", "deny"], {"message": "rm -r"})
    assert answer(request, decision) == told


LONG = "x" * 600


@pytest.mark.parametrize(
    ("options", "choices", "decision", "told"),
    [
        (["Red", "Blue"], ["Red", "Blue", "cancel"], "Blue", {"value": "Blue"}),
        (["Red"], ["Red", "cancel"], "cancel", {"cancelled": True}),
        (["cancel", "go"], ["cancel", "go"], "cancel", {"value": "cancel"}),
        ([LONG, ""], [LONG[:512], "(nothing)", "cancel"], LONG[:512], {"value": LONG}),
        ([""], ["(nothing)", "cancel"], "(nothing)", {"value": ""}),
    ],
)
def test_select(options: list[str], choices: list[str], decision: str, told: Any) -> None:
    request = ask("select", title="Which?", options=options)
    assert request.question.choices == choices
    assert answer(request, decision) == told


@pytest.mark.parametrize("method", ["input", "editor"])
def test_words(method: str) -> None:
    request = ask(method, title="Name?", placeholder="you", prefill="me")
    assert request.question.detail == {"placeholder": "you", "prefill": "me"}
    assert [(i.id, i.text) for i in request.question.inquiries] == [("value", "Name?")]
    assert answer(request, "approve", value="Ann") == {"value": "Ann"}
    assert answer(request, "approve", value=["a", "b"]) == {"value": "a\nb"}
    assert answer(request, "cancel", value="Ann") == {"cancelled": True}
    assert answer(request, "approve") == {"cancelled": True}


def test_a_dialog_with_a_limit_expires() -> None:
    assert ask("confirm", title="Quick!", timeout=5000).question.expires_s == 5
    assert ask("confirm", title="Take your time").question.expires_s is None


def test_a_dialog_that_nobody_answers_is_cancelled() -> None:
    assert ask("confirm", title="a").cancelled == {"cancelled": True}


@pytest.mark.parametrize("method", [*sorted(SHOWS), "interview"])
def test_what_is_no_dialog_is_no_question(method: str) -> None:
    assert agent_request(DialogRequest("d", method), msgspec.Raw(b"{}")) is None
