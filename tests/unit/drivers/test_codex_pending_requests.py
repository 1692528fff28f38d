"""Requests of codex that wait."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.drivers.codex.approvals import REQUEST_FORMS
from sxhost.drivers.codex.pending_requests import PendingRequests
from sxhost.errors import BadField
from sxhost.model.approval import Answer
from tests.support.fake_children import FakeReports

COMMAND = "item/commandExecution/requestApproval"
APPROVE = Answer(decision="approve")


class Asking:
    def __init__(self) -> None:
        self.reports = FakeReports()
        self.asks = PendingRequests(self.reports, lambda _: [])

    def ask(self, number: int | str, method: str = COMMAND, **params: Any) -> bool:
        return self.asks.request_received(number, method, Raw(json.dumps(params).encode()))

    @property
    def keys(self) -> list[str]:
        return [question.key for question in self.reports.questions]


def test_an_answer_goes_to_the_request_that_asked() -> None:
    asking = Asking()
    assert asking.ask(7, itemId="a", command="ls")
    assert asking.ask("eight", itemId="b", command="rm")
    deny = Answer(decision="deny")
    assert asking.asks.take_answer("b", deny) == ("eight", {"decision": "decline"})
    assert asking.asks.take_answer("a", APPROVE) == (7, {"decision": "accept"})


def test_the_request_goes_along_whole() -> None:
    asking = Asking()
    asking.ask(7, itemId="a", command="ls", extra=1)
    native = json.loads(msgspec.json.encode(asking.reports.questions[0].native))
    assert native == {
        "method": COMMAND,
        "id": 7,
        "params": {"itemId": "a", "command": "ls", "extra": 1},
    }


def test_what_is_closed_has_no_answer() -> None:
    asking = Asking()
    asking.ask(7, itemId="a", command="ls")
    asking.asks.take_answer("a", APPROVE)
    assert asking.asks.take_answer("a", APPROVE) is None
    assert asking.asks.take_answer("unknown", APPROVE) is None


def test_a_strange_decision_leaves_it_open() -> None:
    asking = Asking()
    asking.ask(7, itemId="a", command="ls")
    with pytest.raises(BadField, match="approve, approve_session, deny, cancel"):
        asking.asks.take_answer("a", Answer(decision="shrug"))
    assert asking.asks.take_answer("a", APPROVE) is not None


def test_what_codex_gives_up_is_settled() -> None:
    asking = Asking()
    asking.ask(7, itemId="a", command="ls")
    asking.asks.request_resolved(8)
    asking.asks.request_resolved(7)
    assert [told[:2] for told in asking.reports.told[1:]] == [("settled", "a")]
    assert asking.asks.take_answer("a", APPROVE) is None


def test_what_was_answered_is_not_settled_too() -> None:
    asking = Asking()
    asking.ask(7, itemId="a", command="ls")
    asking.asks.take_answer("a", APPROVE)
    asking.asks.request_resolved(7)
    assert len(asking.reports.told) == 1


def test_a_key_says_what_it_is_about() -> None:
    asking = Asking()
    asking.ask(1, itemId="item", approvalId="sub", command="ls")
    asking.ask(2, itemId="item", command="ls")
    asking.ask(3, "execCommandApproval", callId="call", command=["ls"])
    dialog = "mcpServer/elicitation/request"
    asking.ask(4, dialog, serverName="s", elicitationId="e", mode="url", message="m")
    assert asking.keys == ["sub", "item", "call", "e"]


def test_without_a_name_the_words_make_the_key() -> None:
    first, again = Asking(), Asking()
    params = {"serverName": "s", "threadId": "t", "mode": "form", "message": "Who?"}
    for asking in (first, again):
        asking.ask(4, "mcpServer/elicitation/request", **params)
    again.ask(5, "mcpServer/elicitation/request", **params)
    assert first.keys[0] == again.keys[0]
    assert again.keys[1] != again.keys[0]


def test_asked_again_under_its_number_it_is_the_same() -> None:
    asking = Asking()
    asking.ask(7, itemId="a", command="ls")
    asking.ask(7, itemId="a", command="ls")
    assert asking.keys == ["a", "a"]
    assert asking.asks.take_answer("a", APPROVE) is not None
    assert asking.asks.take_answer("a", APPROVE) is None


def test_a_second_question_about_an_item_is_another_one() -> None:
    asking = Asking()
    asking.ask(7, itemId="a", command="ls")
    asking.ask(8, itemId="a", command="ls with more rights")
    asking.asks.take_answer("a", APPROVE)
    asking.ask(9, itemId="a", command="ls as root")
    assert asking.keys == ["a", "a:2", "a:3"]
    assert asking.asks.take_answer("a:2", APPROVE) == (8, {"decision": "accept"})
    assert asking.asks.take_answer("a:3", APPROVE) == (9, {"decision": "accept"})


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("item/unheard/of", {"itemId": "a"}),
        (COMMAND, {"itemId": 5}),
        (COMMAND, {"itemId": "a", "command": {"ls": 1}}),
        ("item/tool/requestUserInput", {"itemId": "a", "questions": [5]}),
    ],
)
def test_what_makes_no_sense_is_refused(method: str, params: dict[str, Any]) -> None:
    asking = Asking()
    assert not asking.ask(1, method, **params)
    assert not asking.reports.told


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = (
    *("itemId", "command", "availableDecisions", "permissions", "fileChanges", "questions"),
    *("requestedSchema", "networkApprovalContext", "autoResolutionMs", "mode", "message"),
)
SCHEMAS = st.dictionaries(st.just("properties"), st.dictionaries(st.text(max_size=3), JSON))


@given(
    st.sampled_from(sorted(REQUEST_FORMS)),
    st.dictionaries(st.sampled_from(FIELDS), JSON | SCHEMAS | st.lists(JSON, max_size=3))
    | JSON,
)
def test_nothing_that_is_asked_breaks_it(method: str, params: Any) -> None:
    asking = Asking()
    if not asking.asks.request_received(1, method, Raw(json.dumps(params).encode())):
        assert not asking.reports.questions
        return
    (question,) = asking.reports.questions
    msgspec.json.encode(question)
    answer = Answer(decision=question.choices[0])
    assert asking.asks.take_answer(question.key, answer) is not None
