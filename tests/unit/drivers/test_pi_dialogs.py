"""Dialogs of pi's extensions as questions, and decisions as their answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from twisted.internet.task import Clock

from sxhost.drivers.pi.dialogs import PendingDialogs
from sxhost.drivers.pi.messages import DialogRequest
from sxhost.model.approval import Answer, Question
from tests.support.fake_children import FakeReports


class Asking:
    """An extension that asks."""

    def __init__(self) -> None:
        self.reports, self.clock = FakeReports(), Clock()
        self.told: list[Any] = []
        self.dialogs = PendingDialogs(self.reports, self.clock, self.told.append)

    def ask(self, method: str, **fields: Any) -> Question:
        said = msgspec.convert({"id": "d", "method": method, **fields}, DialogRequest)
        assert self.dialogs.request_received(said, msgspec.Raw(b"{}"))
        return self.reports.questions[-1]

    def answer(self, decision: str, **answers: str | list[str]) -> Any:
        given = Answer(decision=decision, answers=answers or None)
        assert self.dialogs.answer("d", given)
        told = self.told[-1]
        assert (told.pop("type"), told.pop("id")) == ("extension_ui_response", "d")
        return told


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        ("approve", {"confirmed": True}),
        ("approve_session", {"confirmed": True}),
        ("deny", {"confirmed": False}),
        ("cancel", {"cancelled": True}),
        ("what?", {"confirmed": False}),
    ],
)
def test_confirm(decision: str, told: Any) -> None:
    asking = Asking()
    question = asking.ask("confirm", title="Sure?", message="rm -r")
    assert (question.kind, question.title, question.key) == ("dialog", "Sure?", "d")
    assert (question.choices, question.detail) == (["approve", "deny"], {"message": "rm -r"})
    assert asking.answer(decision) == told


LONG = "x" * 600


@pytest.mark.parametrize(
    ("options", "choices", "decision", "told"),
    [
        (["Red", "Blue"], ["Red", "Blue", "cancel"], "Blue", {"value": "Blue"}),
        (["Red"], ["Red", "cancel"], "cancel", {"cancelled": True}),
        (["Red"], ["Red", "cancel"], "Green", {"cancelled": True}),
        (["cancel", "go"], ["cancel", "go"], "cancel", {"value": "cancel"}),
        ([LONG, ""], [LONG[:512], "(nothing)", "cancel"], LONG[:512], {"value": LONG}),
        ([""], ["(nothing)", "cancel"], "(nothing)", {"value": ""}),
    ],
)
def test_select(options: list[str], choices: list[str], decision: str, told: Any) -> None:
    asking = Asking()
    assert asking.ask("select", title="Which?", options=options).choices == choices
    assert asking.answer(decision) == told


@pytest.mark.parametrize("method", ["input", "editor"])
def test_words(method: str) -> None:
    asking = Asking()
    question = asking.ask(method, title="Name?", placeholder="you", prefill="me")
    assert question.detail == {"placeholder": "you", "prefill": "me"}
    assert [(i.id, i.text) for i in question.inquiries] == [("value", "Name?")]
    assert asking.answer("approve", value="Ann") == {"value": "Ann"}
    asking.ask(method, title="Name?")
    assert asking.answer("approve", value=["a", "b"]) == {"value": "a\nb"}
    asking.ask(method, title="Name?")
    assert asking.answer("cancel", value="Ann") == {"cancelled": True}
    asking.ask(method, title="Name?")
    assert asking.answer("approve") == {"cancelled": True}


def test_patience() -> None:
    asking = Asking()
    assert asking.ask("confirm", title="Quick!", timeout=5000).expires_s == 5
    asking.clock.advance(5)
    assert asking.reports.told[-1] == ("settled", "d", "the extension waits no longer")
    assert asking.told == []
    assert not asking.dialogs.answer("d", Answer(decision="approve"))


def test_an_answer_in_time() -> None:
    asking = Asking()
    asking.ask("confirm", title="Quick!", timeout=5000)
    asking.answer("approve")
    assert not asking.clock.getDelayedCalls()


def test_cancelling() -> None:
    asking = Asking()
    asking.ask("confirm", title="a")
    asking.dialogs.cancel_all("over")
    asking.dialogs.cancel_all("over")
    assert asking.told == [{"type": "extension_ui_response", "id": "d", "cancelled": True}]
    assert asking.reports.told[1:] == [("settled", "d", "over")]


def test_what_is_only_shown() -> None:
    asking = Asking()
    for method in ("notify", "setStatus", "setWidget", "setTitle", "set_editor_text"):
        assert not asking.dialogs.request_received(
            DialogRequest("d", method), msgspec.Raw(b"{}")
        )
    assert asking.told == []


def test_what_nobody_knows_is_cancelled() -> None:
    asking = Asking()
    assert not asking.dialogs.request_received(
        DialogRequest("d", "interview"), msgspec.Raw(b"{}")
    )
    assert asking.told[0]["cancelled"] is True
    assert asking.reports.told == []
