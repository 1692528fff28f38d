"""The narrowest rule for a question: it allows that, little else, and survives its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sxhost.model.approval import Inquiry, Question
from sxhost.policy.proposal import NoRule, narrowest_rule, reach_of, written_rule
from sxhost.policy.rules import AskingSession, Policy
from sxhost.policy.shell import MAX_COMMAND_LENGTH
from tests.process.test_shell import PLAIN, TRICKY

ABOUT = AskingSession(agent="codex", session="s-1", cwd="/work")


def question(kind: Any = "command", **detail: Any) -> Question:
    choices = ["approve", "approve_session", "deny"]
    return Question(key="k", kind=kind, title="t", detail=detail, choices=choices)


def proposed(asked: Question, about: AskingSession = ABOUT) -> Policy:
    """Return the policy of a file that has only the rule for a question."""
    return Policy.read(written_rule(narrowest_rule(asked, about, "mine")).encode())


def allows(policy: Policy, asked: Question, about: AskingSession = ABOUT) -> bool:
    return policy.decide(asked, about).decision == "approve"


def test_rule_for_a_command_is_written_as_a_person_would() -> None:
    rule = narrowest_rule(question(command="git log -3"), ABOUT, "no. 1 of s-1")
    assert written_rule(rule) == (
        "[[rule]]\n"
        'name = "no. 1 of s-1"\n'
        'agent = "codex"\n'
        'kind = "command"\n'
        'command = "git log -3"\n'
        'cwd = "/work"\n'
        'decision = "allow"\n'
    )
    assert reach_of(rule) == (
        "codex may run exactly this command in /work, whatever it does by then."
    )


OTHERS = (
    (question(command="git log -33"), ABOUT),
    (question(command="git log"), ABOUT),
    (question(command="git log -3; rm x"), ABOUT),
    (question(command="git log -3", cwd="/work/below"), ABOUT),
    (question(command="git log -3"), replace(ABOUT, cwd="/")),
    (question(command="git log -3"), replace(ABOUT, agent="pi")),
    (question("tool", command="git log -3"), ABOUT),
    (question(command="git log -3", network={"host": "evil.test"}), ABOUT),
)


def test_rule_for_a_command_allows_nothing_else() -> None:
    policy = proposed(question(command="git log -3"))
    assert [allows(policy, *other) for other in OTHERS] == [False] * len(OTHERS)


COMMANDS = [
    command
    for command in (*PLAIN, *TRICKY, "ls\n\trm 'x' \"y\"", "a\u202eb \x1b[0m", "\U000e0041")
    if command.strip() and len(command) <= MAX_COMMAND_LENGTH
]


@pytest.mark.parametrize("command", COMMANDS)
def test_rule_for_any_command_allows_it_and_no_longer_one(command: str) -> None:
    asked = question(command=command)
    policy = proposed(asked)
    assert allows(policy, asked)
    assert not allows(policy, question(command=f"{command} more"))
    assert not allows(policy, question(command=f"x{command}"))


@given(st.text(min_size=1, max_size=60).filter(str.strip))
def test_text_of_any_command_survives_the_file(command: str) -> None:
    asked = question(command=command)
    try:
        policy = proposed(asked)
    except NoRule:  # a lone surrogate stands in no file
        assert any("\ud800" <= char <= "\udfff" for char in command)
    else:
        assert allows(policy, asked)


def test_rule_for_a_shell_is_about_what_is_in_it() -> None:
    policy = proposed(question(command=["/bin/bash", "-lc", "git status"]))
    assert allows(policy, question(command="git status"))


def test_rule_for_files_names_each_where_it_really_is(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real.py")
    (tmp_path / "real.py").touch()
    about = replace(ABOUT, cwd=str(tmp_path))
    asked = question("file-change", paths=["link", "new.py"])
    policy = proposed(asked, about)
    assert allows(policy, asked, about)
    assert allows(policy, question("file-change", paths=["real.py"]), about)
    assert not allows(policy, question("file-change", paths=["other.py"]), about)
    rule = narrowest_rule(asked, about, "x")
    assert reach_of(rule) == "codex may change these files, in any way."


def test_rule_for_a_tool_says_how_far_it_reaches() -> None:
    asked = question("tool", tool="mcp__web__open", input={"url": "http://a"})
    policy = proposed(asked)
    assert allows(policy, question("tool", tool="mcp__web__open", input={"url": "http://b"}))
    assert not allows(policy, question("tool", tool="mcp__web__openx"))
    rule = narrowest_rule(asked, ABOUT, "x")
    assert reach_of(rule) == (
        "codex may use the tool mcp__web__open in /work, whatever it is given."
    )


HOPELESS = {
    "words": replace(question(), inquiries=[Inquiry(id="1", text="Which?")]),
    "no rule has any": question("dialog", tool="x"),
    "other permissions": question("permission", permissions={"network": True}),
    "the network": question(command="curl x", network={"host": "x"}),
    "cannot be approved": replace(question(command="ls"), choices=["deny"]),
    "4096 characters": question(command="x" * 4097),
    "no command, file or tool": question("permission"),
    "where its paths lead": question("file-change", paths=["~/x"]),
    "stand for other names": question("file-change", paths=["/work/*"]),
    "name 'x?' alone": question("tool", tool="x?"),
    "for certain": question(command="(" * 4096),
}


@pytest.mark.parametrize("why", HOPELESS)
def test_question_for_which_there_is_no_rule_is_told_why(why: str) -> None:
    with pytest.raises(NoRule, match=why.replace("?", r"\?")):
        narrowest_rule(HOPELESS[why], ABOUT, "x")
