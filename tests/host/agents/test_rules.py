"""The policy in use: read again, shown, and a rule for it that is tried on the past."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sxhost.agents.rules import Rules
from sxhost.errors import BadField
from sxhost.model.approval import Approval, Question, Resolution
from sxhost.model.policy import PolicyRule
from sxhost.model.session import Session, State
from sxhost.model.turn import Launch

SESSION = Session(
    id="a", start_ms=0, last_seen_ms=0, state=State("idle", "", 0), agent="codex", cwd="/w"
)


def approval(number: int = 1, **detail: Any) -> Approval:
    return Approval(
        id=number,
        session="a",
        key=str(number),
        kind="command",
        title="x",
        detail=detail,
        choices=["approve", "deny"],
        opened_ms=number,
        expires_ms=None,
        native=None,
    )


def rule(decision: str) -> str:
    return f'[default]\ndecision = "{decision}"\n'


def test_rules_reload_and_stay_if_the_file_is_invalid(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(rule("deny"))
    rules = Rules(file)
    session = Session(id="a", start_ms=0, last_seen_ms=0, state=State("idle", "", 0))
    question = Question(key="1", kind="command", title="x", choices=["approve", "deny"])
    for text, decision in ((None, "deny"), (rule("ask"), None), ("rubbish", None)):
        if text is not None:
            file.write_text(text)
            rules.reload()
        assert rules(session, question).decision == decision


def test_hits_are_counted_until_the_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[[rule]]\nname = "lists"\ncommand = "ls"\ndecision = "allow"\n')
    rules = Rules(file)
    for command in ("ls", "ls", "rm x"):
        asked = approval(command=command)
        question = Question(
            key="1", kind="command", title="x", detail=asked.detail, choices=asked.choices
        )
        rules(SESSION, question)
    shown = rules.view()
    assert (shown.file, shown.default, shown.hits) == (str(file), "ask", 1)
    conditions = {"command": "ls"}
    assert shown.rules == [
        PolicyRule(name="lists", decision="allow", conditions=conditions, hits=2)
    ]
    rules.reload()
    assert [rule.hits for rule in rules.view().rules] == [0]
    assert rules.view().hits == 0


def test_without_a_file_a_person_is_asked_and_nothing_is_read_again() -> None:
    rules = Rules()
    rules.reload()
    assert (rules.view().file, rules.view().rules, rules.view().default) == (None, [], "ask")


def test_proposed_rule_is_tried_on_the_past(tmp_path: Path) -> None:
    found = Rules().propose(SESSION, approval(command="ls -l"))
    assert found.above is None
    past = [
        (SESSION, approval(3, command="ls -l")),
        (SESSION, approval(2, command="ls -la")),
        (SESSION, approval(1, command="ls -l", cwd="/elsewhere")),
    ]
    matches = [match for some in Rules().matches(found, past) for match in some]
    assert [(match.id, match.decision) for match in matches] == [(3, None)]


def test_what_a_person_once_denied_is_seen_among_the_matches() -> None:
    rules, asked = Rules(), approval(command="make")
    denied = Resolution(decision="deny", by="own", at_ms=1)
    end = Approval(
        **{f: getattr(asked, f) for f in asked.__struct_fields__} | {"resolution": denied}
    )
    found = rules.propose(SESSION, asked)
    ((match,),) = rules.matches(found, [(SESSION, end)])
    assert match.decision == "deny"


@pytest.mark.parametrize("decision", ["ask", "deny", "allow"])
def test_rule_has_to_stand_above_the_one_that_matches_already(
    tmp_path: Path, decision: str
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(
        f'[[rule]]\nname = "makes"\ncommand = "make( .*)?"\ndecision = "{decision}"\n'
    )
    rules = Rules(file)
    found = rules.propose(SESSION, approval(command="make deploy"))
    assert found.above == "makes"
    past = [(SESSION, approval(2, command="make deploy"))]
    assert [len(some) for some in rules.matches(found, past)] == [1]
    file.write_text(found.text + file.read_text())
    rules.reload()
    asked = approval(command="make deploy")
    question = Question(
        key="1", kind="command", title="", detail=asked.detail, choices=["approve"]
    )
    assert rules(SESSION, question).decision == "approve"
    assert rules(SESSION, question).rule == "no. 1 of a"


def test_rule_for_a_hosted_session_is_about_its_launch() -> None:
    launch = Launch(agent="pi", cwd="/launched")
    hosted = Session(
        id="a",
        start_ms=0,
        last_seen_ms=0,
        state=State("idle", "", 0),
        agent="x",
        cwd="/x",
        kind="hosted",
        launch=launch,
    )
    found = Rules().propose(hosted, approval(command="ls"))
    assert (found.rule.agent, found.rule.cwd) == ("pi", "/launched")


def test_question_that_no_rule_can_answer_is_refused_with_the_reason() -> None:
    with pytest.raises(BadField, match="no command, file or tool"):
        Rules().propose(SESSION, approval())
