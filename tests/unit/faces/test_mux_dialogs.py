"""Approvals as pi's extensions ask, and what is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.faces.pi.dialogs import (
    decision_of,
    extension_ui_request,
    has_request_id,
    with_server_names,
)
from sxhost.faces.pi.fields import DialogAnswer
from sxhost.model.approval import Answer, Approval, Inquiry


def approval(**fields: Any) -> Approval:
    given: dict[str, Any] = {
        "id": 7, "session": "s", "kind": "command", "title": "Run rm", "detail": {},
        "choices": ["approve", "deny", "cancel"], "opened_ms": 0, "expires_ms": None,
        "native": None, "key": "k",
    }  # fmt: skip
    return Approval(**{**given, **fields})


@pytest.mark.parametrize(
    ("said", "decision"),
    [
        (DialogAnswer(method="select", value="approve"), "approve"),
        (DialogAnswer(method="select"), "cancel"),
        (DialogAnswer(method="confirm", confirmed=True), "approve"),
        (DialogAnswer(method="confirm"), "deny"),
        (DialogAnswer(method="cancelled"), "cancel"),
    ],
)
def test_approval_becomes_a_select_dialog(said: DialogAnswer, decision: str) -> None:
    assert decision_of(said, approval()) == Answer(decision=decision)


def test_cancelled_dialog_denies_without_a_cancel_choice() -> None:
    confirm = approval(choices=["approve", "deny"])
    assert decision_of(DialogAnswer(method="cancelled"), confirm).decision == "deny"
    odd = approval(choices=["yes", "no"])
    assert decision_of(DialogAnswer(method="cancelled"), odd).decision == "no"


def test_text_inquiry_becomes_an_input_dialog() -> None:
    asked = approval(inquiries=[Inquiry(id="value", text="Your name?")])
    answer = decision_of(DialogAnswer(method="input", value="Ada"), asked)
    assert (answer.decision, answer.answers) == ("approve", {"value": "Ada"})
    answer = decision_of(DialogAnswer(method="interview", responses={"value": "Bob"}), asked)
    assert answer.answers == {"value": "Bob"}


def requested(**fields: Any) -> dict[str, Any]:
    told = extension_ui_request(Raw(encode(approval(**fields))))
    assert told is not None
    return told


def test_several_inquiries_become_an_interview() -> None:
    inquiries = [Inquiry(id="a", text="Which?")]
    told = requested(inquiries=inquiries)
    assert (told["method"], told["questions"]) == ("interview", inquiries)


def test_other_events_open_no_dialog() -> None:
    assert extension_ui_request(Raw(b'{"id":7,"title":"ls -la"}')) is None


def test_dialog_id_is_the_key_or_the_number() -> None:
    assert has_request_id(approval(), "k")
    assert has_request_id(approval(), "7")
    assert not has_request_id(approval(), "8")


def test_dialog_has_its_timeout() -> None:
    times: Any = {"opened_ms": 1000, "expires_ms": 61_000}
    dialog: Any = {
        "kind": "dialog",
        "native": {"method": "confirm", "title": "Sure?"},
        "key": "k",
    }
    assert requested(**times, **dialog)["timeout"] == 60_000
    own = {**dialog, "native": {"method": "confirm", "timeout": 5000}}
    assert requested(**times, **own)["timeout"] == 5000
    assert requested(**times)["timeout"] == 60_000
    assert "timeout" not in requested(**dialog)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"method": "notify", "message": "m", "notifyType": "info"}, {}),
        (
            {"method": "setStatus", "statusKey": "k", "statusText": "t"},
            {"key": "k", "text": "t"},
        ),
        (
            {
                "method": "setWidget",
                "widgetKey": "k",
                "widgetLines": ["a"],
                "widgetPlacement": "p",
            },
            {"key": "k", "content": ["a"], "placement": "p"},
        ),
        ({"method": "setTitle", "title": "t"}, {}),
    ],
    ids=lambda fields: str(fields.get("method")),
)
def test_notice_has_the_names_of_pi_app_server_too(fields: Any, named: Any) -> None:
    line = {"type": "extension_ui_request", "id": "u", **fields}
    found = json.loads(with_server_names(json.dumps(line).encode()))
    assert found == {**line, **named, "requestId": "u"}
