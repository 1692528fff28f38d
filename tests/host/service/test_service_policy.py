"""The policy over HTTP: shown, and a rule for what was asked, which is tried on the past."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.model.caller import Caller
from sxhost.testing import HostInMemory, is_done, question, result_of, started


@pytest.fixture
def asked(lab: HostInMemory) -> HostInMemory:
    """A host whose two agents have asked for commands: no. 1 to 3."""
    for session, command in (("a", "ls -l"), ("b", "ls -l"), ("a", "rm x")):
        lab.request("POST", f"/sessions/{session}/register", {"agent": "codex", "cwd": "/w"})
        one = question(command, detail={"command": command})
        started(lab.service.ask(session, one, 60))
    return lab


def propose(lab: HostInMemory, session: str, approval: int) -> Any:
    answer = lab.begin("POST", "/policy/propose", {"session": session, "approval": approval})
    for _ in range(1000):
        if is_done(answer):
            break
        lab.clock.advance(0)
        lab.treq.flush()
    return result_of(answer)


def test_rule_for_a_question_names_the_others_that_it_would_have_answered(
    asked: HostInMemory,
) -> None:
    found = propose(asked, "a", 1).json()
    assert 'command = "ls -l"' in found["rule"]
    assert (found["file"], found["above"], found["looked_at"]) == (None, None, 3)
    assert [(match["session"], match["id"]) for match in found["matches"]] == [
        ("b", 2), ("a", 1),
    ]  # fmt: skip


def test_policy_without_a_file_asks_a_person_and_counts(asked: HostInMemory) -> None:
    shown = asked.request("GET", "/policy").json()
    assert shown == {"file": None, "default": "ask", "rules": [], "hits": 3}


@pytest.mark.parametrize(("session", "approval"), [("a", 2), ("a", 99), ("nobody", 1)])
def test_what_was_not_asked_there_has_no_rule(
    asked: HostInMemory, session: str, approval: int
) -> None:
    assert propose(asked, session, approval).status == 404


def test_forgotten_session_is_not_among_the_past(asked: HostInMemory) -> None:
    asked.request("DELETE", "/sessions/b")
    assert [match["id"] for match in propose(asked, "a", 1).json()["matches"]] == [1]


@pytest.mark.parametrize("caller", [
    Caller(frozenset({"read", "send"})), Caller(frozenset({"approve"}), session="a"),
])  # fmt: skip
def test_who_may_not_approve_everywhere_sees_no_rules(
    asked: HostInMemory, caller: Caller
) -> None:
    asked.caller = caller
    assert asked.request("GET", "/policy").status == 403
    assert propose(asked, "a", 1).status == 403
