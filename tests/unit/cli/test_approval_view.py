"""What agents wait for: whole, with whose it is, and how it is answered."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.cli.approval_view import approvals_view
from sxhost.cli.formats import columns_of
from sxhost.model.approval import Approval, Inquiry, Option, Resolution
from tests.unit.cli.test_standing import NOW, approval, session

SESSION = session("api", title="Deploy 漢字", agent="codex", cwd="/home/me/api")
DEPLOY = approval(
    7, "api", title="make deploy", detail={"command": "make deploy", "reason": "it is time"},
    choices=["approve", "approve_session", "deny", "cancel"], expires_ms=NOW + 40_000,
)  # fmt: skip
DIFF = approval(
    8, "api", kind="file-change", title="Edit x.py", choices=["approve", "later"],
    detail={"changes": [{"path": "x.py", "kind": "update", "diff": "@@ -1 +1 @@\n-a\n+b"}]},
)  # fmt: skip
QUESTION = approval(
    9, "b", kind="question", title="Which?", opened_ms=NOW,
    inquiries=[
        Inquiry(id="1", text="Which?", options=[Option("Red", "as fire"), Option("Blue")]),
        Inquiry(id="2", text="Why?"),
    ],
)  # fmt: skip


def shown(*approvals: Approval, width: int = 80) -> list[str]:
    lines = approvals_view(approvals, [SESSION], NOW, width)
    return ["".join(text for text, _ in line) for line in lines]


def test_command_is_shown_with_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert shown(DEPLOY) == [
        "7 command · api · Deploy 漢字",
        "    codex, ~/api, asked 2 min ago, expires in 40 s",
        "    command: make deploy",
        "    the agent's reason: it is time",
        '    sxhost approve 7   sxhost approve 7 --session   sxhost deny 7 "because …"',
    ]


def test_change_is_shown_as_a_coloured_diff() -> None:
    lines = approvals_view([DIFF], [SESSION], NOW, 80)
    assert [("    | +b", "green")] in lines
    assert [("    | -a", "red")] in lines
    assert [("    Edit x.py", "bold")] in lines
    assert [("    sxhost answer 8 CHOICE   1 later", "dim")] in lines


def test_question_is_shown_with_its_choices() -> None:
    assert shown(QUESTION) == [
        "9 question · b",
        "    asked just now",
        "    Which?",
        "      1 Red: as fire",
        "      2 Blue",
        "    Why?",
        "    sxhost answer 9 CHOICE CHOICE",
    ]


def test_what_can_only_be_answered_at_its_terminal_says_so() -> None:
    assert "    only at its terminal, for 3 min" in shown(
        approval(1, at_terminal_ms=NOW - 180_000)
    )


@pytest.mark.parametrize(
    ("resolution", "state", "text"),
    [
        (Resolution(decision="deny", by="token 7", at_ms=NOW, reason="no"), "answered",
         "denied by token 7: no"),
        (Resolution(decision="approve", by="policy reads", at_ms=NOW), "answered",
         "approved by the rule reads"),
        (Resolution(decision="approve", by="own", at_ms=NOW, answers={"1": ["Red", "Blue"]}),
         "answered", "answered by you: Red, Blue"),
        (Resolution(decision="cancel", by="agent", at_ms=NOW), "withdrawn", "withdrawn"),
    ],
)  # fmt: skip
def test_decided_ones_say_who_decided(resolution: Resolution, state: Any, text: str) -> None:
    heading, line = shown(approval(3, resolution=resolution, state=state))
    assert heading.split() == ["N", "KIND", "SESSION", "WHAT", "DECISION", "AGE"]
    assert text in line


def test_oldest_comes_first_and_a_blank_line_between() -> None:
    lines = shown(QUESTION, DEPLOY)
    assert lines.index("7 command · api · Deploy 漢字") < lines.index("9 question · b")
    assert "" in lines


def test_nobody_waits() -> None:
    assert shown() == ["Nobody waits for you."]


@pytest.mark.parametrize("width", [10, 20, 40])
def test_headings_are_no_wider_than_the_terminal(width: int) -> None:
    assert all(columns_of(line) <= width for line in shown(QUESTION, width=width)[:5])


def test_hidden_characters_are_shown() -> None:
    evil = approval(1, title="ls \x1b[8m\n rm", detail={"command": "ls \x1b[8m\n rm"})
    assert all("\x1b" not in line and "\n" not in line for line in shown(evil))
