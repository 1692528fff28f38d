"""What an agent asks and is told, as it goes over the wire."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sxhost.model.approval import Answer, Approval, Inquiry, Option, Resolution


def test_an_approval_is_read_as_it_was_written() -> None:
    approval = Approval(
        id=7,
        session="a",
        kind="question",
        title="Which?",
        detail={"reason": "why"},
        choices=["approve", "cancel"],
        opened_ms=1,
        expires_ms=None,
        native={"id": 0, "x": [None]},
        inquiries=[Inquiry(id="q", text="Which?", options=[Option("red", "warm")])],
        key="k",
        state="answered",
        resolution=Resolution(decision="approve", by="own", at_ms=2, answers={"q": ["red"]}),
    )
    assert msgspec.json.decode(msgspec.json.encode(approval), type=Approval) == approval


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"decision": ""},
        {"decision": None},
        {"decision": "x" * 513},
        {"decision": "deny", "reason": 7},
        {"decision": "approve", "answers": ["red"]},
        {"decision": "approve", "answers": {"q": {"red": True}}},
    ],
)
def test_what_is_no_answer_is_refused(given: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, Answer)
