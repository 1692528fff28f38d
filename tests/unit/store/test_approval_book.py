"""One session's approvals, beside a model of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.errors import AlreadyAnswered, HostError, UnknownApproval
from sxhost.model.approval import Approval, Question, Resolution
from sxhost.model.limits import Limits
from sxhost.store.approvals import ApprovalBook

END = Resolution(decision="deny", by="own", at_ms=9)
KEYS = ["a", "b", "c", "d"]


def book(closed: int = 2) -> ApprovalBook:
    return ApprovalBook("s", Limits(closed_approvals=closed))


def ask(book: ApprovalBook, number: int, key: str) -> Approval:
    question = Question(key=key, kind="tool", title=key, choices=["deny"])
    return book.open_approval(number, question, number, None)[0]


def test_a_copy_changes_alone() -> None:
    first = book()
    ask(first, 1, "a")
    second = first.copy()
    second.close_approval(1, "answered", END)
    ask(second, 2, "b")
    assert [approval.state for approval in first.all] == ["pending"]


def test_what_was_kept_is_restored() -> None:
    first, second = book(), book()
    for number, key in enumerate(KEYS, 1):
        ask(first, number, key)
    first.close_approval(2, "expired", END)
    second.restore(first.all)
    assert second.all == first.all
    assert [approval.key for approval in second.pending] == ["a", "c", "d"]


def test_of_large_ones_fewer_are_remembered() -> None:
    it = ApprovalBook("s", Limits(closed_approvals=10, closed_approvals_size=3000))
    for number in range(1, 6):
        question = Question(
            key=str(number), kind="tool", title="x" * 1000, choices=["deny"], native="y" * 9000
        )
        it.open_approval(number, question, number, None)
        assert it.close_approval(number, "answered", END).native is None
    assert [approval.id for approval in it.all] == [4, 5]
    assert it.forgotten == [1, 2, 3]
    last = ask(it, 6, "z" * 5000)
    it.close_approval(last.id, "answered", END)
    assert [approval.id for approval in it.all] == [6]


ACTS = st.tuples(st.sampled_from(["ask", "settle"]), st.integers(0, 3))


@given(st.lists(ACTS, max_size=40))
def test_it_does_as_a_simple_model_does(acts: list[tuple[str, int]]) -> None:
    it, numbers = book(2), 0
    model: dict[str, list[Any]] = {}
    for act, which in acts:
        key = KEYS[which]
        if act == "ask":
            numbers += 1
            approval = ask(it, numbers, key)
            model.setdefault(key, [numbers, "pending"])[1] = "pending"
            assert approval.id == model[key][0]
        else:
            number: Any = model.get(key, [999])[0]
            expected = _refusal(model.get(key))
            if expected is not None:
                with pytest.raises(expected):
                    it.close_approval(number, "answered", END)
                continue
            it.close_approval(number, "answered", END)
            model[key][1] = "answered"
            closed = sorted(n for n, state in model.values() if state == "answered")
            model = {k: v for k, v in model.items() if v[0] not in closed[:-2]}
        assert [[a.id, a.state] for a in it.all] == sorted(model.values())


def _refusal(known: list[Any] | None) -> type[HostError] | None:
    if known is None:
        return UnknownApproval
    return AlreadyAnswered if known[1] == "answered" else None
