"""Questions of Claude Code and their answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from sxhost.drivers.claude.approvals import agent_request
from sxhost.drivers.claude.messages import ControlRequest, parse
from sxhost.errors import BadField
from sxhost.model.approval import Answer

RULE = {"type": "addRules", "rules": [{"toolName": "Bash", "ruleContent": "ls *"}]}
PLACE = {"type": "addDirectories", "directories": ["/x"]}
EDITS = {"type": "setMode", "mode": "acceptEdits"}


class Asking:
    """A request of Claude, and what it hears when that is decided."""

    def __init__(self, tool: str, given: dict[str, Any], **more: Any) -> None:
        request = {"subtype": "can_use_tool", "tool_name": tool, "input": given, **more}
        line = {"type": "control_request", "request_id": "r1", "request": request}
        text = json.dumps(line).encode()
        said = parse(text)
        assert isinstance(said, ControlRequest)
        self.request = agent_request(said, Raw(text))
        self.question = self.request.question

    def answer(self, decision: str, **more: Any) -> Any:
        """Decide, and return what Claude hears."""
        return self.request.encode_answer(Answer(decision=decision, **more))


@pytest.mark.parametrize(
    ("tool", "kind"),
    [
        ("Bash", "command"),
        ("Write", "file-change"),
        ("Edit", "file-change"),
        ("NotebookEdit", "file-change"),
        ("AskUserQuestion", "question"),
        ("ExitPlanMode", "permission"),
        ("WebFetch", "tool"),
        ("mcp__server__tool", "tool"),
        ("", "tool"),
    ],
)
def test_kinds(tool: str, kind: str) -> None:
    assert Asking(tool, {}).question.kind == kind


def test_what_it_is_about() -> None:
    more = {"tool_use_id": "t1", "blocked_path": "/y", "decision_reason": "outside"}
    question = Asking("Edit", {"file_path": "/x"}, description="x", **more).question
    assert (question.key, question.title) == ("t1", "Edit: /x")
    assert question.detail == {
        "tool": "Edit",
        "paths": ["/x", "/y"],
        "description": "x",
        "reason": "outside",
    }


def test_a_request_without_a_call_is_named_by_itself() -> None:
    assert Asking("Bash", {}).question.key == "r1"


@pytest.mark.parametrize(
    ("more", "title"),
    [
        ({}, "Bash"),
        ({"display_name": "Shell"}, "Shell"),
        ({"description": "list\nall"}, "Bash: list … (2 lines, 14 characters)"),
        ({"title": "May I?", "description": "list"}, "May I?"),
    ],
)
def test_titles(more: dict[str, str], title: str) -> None:
    assert Asking("Bash", {}, **more).question.title == title


def test_approving_repeats_the_input() -> None:
    given = {"command": "ls", "description": "look"}
    told = Asking("Bash", given).answer("approve")
    assert told == {"behavior": "allow", "updatedInput": given}


def test_approving_for_the_session_takes_the_rules_that_were_offered() -> None:
    rules = [{**RULE, "destination": "localSettings"}, PLACE]
    asking = Asking("Bash", {"command": "ls"}, permission_suggestions=rules)
    assert asking.question.detail["session"] == ["Bash(ls *)", "directory /x"]
    told = asking.answer("approve_session")
    assert told["updatedPermissions"] == [
        {**RULE, "destination": "session"},
        {**PLACE, "destination": "session"},
    ]


def test_a_command_does_not_let_all_edits_pass() -> None:
    asking = Asking("Bash", {}, permission_suggestions=[RULE, EDITS])
    assert asking.question.detail["session"] == ["Bash(ls *)"]
    assert asking.answer("approve_session")["updatedPermissions"] == [
        {**RULE, "destination": "session"}
    ]


def test_an_edit_does() -> None:
    asking = Asking("Write", {"file_path": "/x"}, permission_suggestions=[EDITS])
    assert asking.question.detail["session"] == ["mode acceptEdits"]
    assert "approve_session" in asking.question.choices


@pytest.mark.parametrize("rules", [None, [], [EDITS]])
def test_nothing_lasts_where_nothing_is_offered(rules: Any) -> None:
    asking = Asking("Bash", {}, permission_suggestions=rules)
    assert asking.question.choices == ["approve", "deny", "cancel"]
    with pytest.raises(BadField):
        asking.answer("approve_session")
    assert asking.answer("approve")["behavior"] == "allow"


def test_denying() -> None:
    told = Asking("Bash", {}).answer("deny", reason="no")
    assert told == {"behavior": "deny", "message": "no"}


def test_cancelling_stops_the_turn() -> None:
    told = Asking("Bash", {}).answer("cancel")
    assert told["interrupt"]
    assert told["message"]


QUESTIONS = [
    {
        "question": "Which color?",
        "header": "Color",
        "multiSelect": True,
        "options": [{"label": "Red", "description": "warm"}, {"label": "Blue"}, 7],
    },
    {"question": "Why?", "options": 7},
    {"header": "nothing is asked"},
    7,
]


def test_inquiries() -> None:
    color, why = Asking("AskUserQuestion", {"questions": QUESTIONS}).question.inquiries
    assert (color.id, color.header, color.multiple) == ("q1", "Color", True)
    assert [(o.label, o.description) for o in color.options] == [("Red", "warm"), ("Blue", "")]
    assert (why.id, why.text, why.options) == ("q2", "Why?", [])


def test_answers_stand_by_the_words_of_their_questions() -> None:
    answers = {"q1": ["Red", "Blue"], "q2": "because", "q3": "?"}
    told = Asking("AskUserQuestion", {"questions": QUESTIONS}).answer(
        "approve", answers=answers
    )
    assert told["updatedInput"]["questions"] == QUESTIONS
    assert told["updatedInput"]["answers"] == {"Which color?": "Red, Blue", "Why?": "because"}
