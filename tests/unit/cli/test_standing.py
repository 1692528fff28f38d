"""Which session needs somebody, and what each does now."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sxhost.cli.standing import by_need, now_text, oldest_by_session, standing
from sxhost.model.approval import Approval, Inquiry
from sxhost.model.session import Summary
from tests.unit.cli.test_terminal import SUMMARY

NOW = 1_000_000


def session(name: str = "s", **fields: Any) -> Summary:
    return replace(SUMMARY, id=name, **{"detail_state": "idle", "reason": "", **fields})


def approval(number: int = 1, name: str = "s", **fields: Any) -> Approval:
    given: dict[str, Any] = {
        "kind": "command", "title": "make test", "detail": {}, "choices": ["approve"],
        "opened_ms": NOW - 120_000, "expires_ms": None, "native": None, "key": str(number),
        **fields,
    }  # fmt: skip
    return Approval(id=number, session=name, **given)


ASKING = session(detail_state="waiting", pending_approvals=1)
QUESTION = approval(title="", inquiries=[Inquiry(id="1", text="Which?")])


@pytest.mark.parametrize(
    ("one", "asked", "stands"),
    [
        (ASKING, None, "approval"),
        (ASKING, approval(), "approval"),
        (ASKING, QUESTION, "question"),
        (session(detail_state="waiting"), None, "waiting"),
        (session(detail_state="stalled"), None, "stalled"),
        (session(reason="error"), None, "failed"),
        (session(reason="error: no model"), None, "failed"),
        (session(reason="errors: none"), None, "idle"),
        (session(detail_state="working"), None, "working"),
        (session(rest="asleep"), None, "asleep"),
        (session(rest="ended", reason="error"), None, "ended"),
        (session(detail_state="lost"), None, "lost"),
        (session(detail_state="ended"), None, "ended"),
    ],
)
def test_how_a_session_stands(one: Summary, asked: Approval | None, stands: str) -> None:
    assert standing(one, asked) == stands


def test_who_needs_somebody_comes_first_and_who_has_waited_longest_of_them() -> None:
    sessions = [
        session("over", detail_state="ended"),
        session("quiet", last_seen_ms=5),
        session("heard", last_seen_ms=9),
        session("works", detail_state="working"),
        session("failed", reason="error"),
        session("late", detail_state="waiting", pending_approvals=1, since_ms=9),
        session("early", detail_state="waiting", pending_approvals=1, since_ms=5),
        session("wonders", detail_state="waiting", pending_approvals=1),
    ]
    asked = oldest_by_session([replace(QUESTION, session="wonders"), approval(name="late")])
    assert [one.id for one in by_need(sessions, asked)] == [
        *("early", "late", "wonders", "failed", "works", "heard", "quiet", "over")
    ]


def test_oldest_approval_of_a_session_counts() -> None:
    older, newer = approval(1, opened_ms=1), approval(2, opened_ms=2)
    assert oldest_by_session([newer, older, approval(3, "b")]) == {
        "s": older,
        "b": approval(3, "b"),
    }


@pytest.mark.parametrize(
    ("one", "asked", "text"),
    [
        (ASKING, approval(), "make test · 2 min"),
        (ASKING, QUESTION, "Which? · 2 min"),
        (session(detail_state="waiting", activity="rm", since_ms=NOW), None, "rm · now"),
        (
            session(detail_state="stalled", activity="make", last_seen_ms=NOW - 600_000),
            None,
            "silent in make · 10 min",
        ),
        (
            session(detail_state="working", activity="make", activity_since_ms=NOW - 9000),
            None,
            "make · 9 s",
        ),
        (session(detail_state="working", turn_since_ms=NOW - 9000), None, "thinking · 9 s"),
        (
            session(detail_state="working", reason="background", since_ms=NOW - 60_000),
            None,
            "in the background · 1 min",
        ),
        (
            session(detail_state="working", reason="tool-start: Bash: ls", since_ms=NOW),
            None,
            "Bash: ls · now",
        ),
        (session(reason="error: no model"), None, "no model"),
        (session(reason="complete", preview="All is well."), None, "All is well."),
        (session(detail_state="ended", reason="ended"), None, ""),
    ],
)  # fmt: skip
def test_what_a_session_does_now(one: Summary, asked: Approval | None, text: str) -> None:
    assert now_text(one, asked, NOW) == text
