"""Real agents at a terminal, as people run them: hooked, seen, told and answered elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agents.real_agents import FakeModel, RealAgents
from tests.support.hooked_agents import (
    TOUCH,
    Bench,
    hooked_claude,
    hooked_codex,
    on_a_terminal,
    words_of_users,
)
from tests.support.hosts import PATIENCE, Host, until
from tests.support.leftovers import no_leftovers

WORK = "RUN: while ! test -e sent; do sleep 0.05; done"
MANUAL = ("--permission-mode", "manual")


@pytest.fixture
def claude(real_agents: RealAgents, agent_home: Path, running_host: Host) -> Bench:
    return hooked_claude(real_agents, agent_home, running_host)


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_claude_at_a_terminal_is_answered_from_the_host(claude: Bench, decision: str) -> None:
    with on_a_terminal(claude, *MANUAL, TOUCH):
        claude.decide(decision)
        claude.until_told("complete" if decision == "approve" else "tool-start")
        (closed,) = claude.ask("/approvals?all=1")
        assert closed["state"] == "answered"
    assert (claude.agent.cwd / "made").exists() is (decision == "approve")


def is_seen_and_told(bench: Bench, model: FakeModel, words: str, *options: str) -> None:
    """Check that its work is told as it goes, and that a message is heard at its end."""
    with on_a_terminal(bench, *options, WORK):
        session = bench.session
        bench.until_told("started", "user-message", "tool-start")
        bench.sxhost("send", session, words, "--mode", "queue")
        (bench.agent.cwd / "sent").touch()
        names = bench.until_told("tool-done", "user-message", "user-message", "complete")
    assert names.index("tool-start") < names.index("tool-done") < names.index("complete")
    assert words_of_users(model, words)


def test_claude_at_a_terminal_is_seen_and_gets_messages(
    claude: Bench, real_agents: RealAgents
) -> None:
    options = (*MANUAL, "--allowedTools", "Bash", "--")
    is_seen_and_told(claude, real_agents.model, "SAY: heard-4713", *options)
    assert ("message", {"text": "heard-4713"}) in claude.events()


def test_user_of_claude_may_answer_first(claude: Bench) -> None:
    with on_a_terminal(claude, *MANUAL, TOUCH) as terminal:
        until(lambda: claude.ask("/approvals"))
        terminal.press_until(b"\r", lambda: not claude.ask("/approvals"))
        until((claude.agent.cwd / "made").exists)
    (closed,) = claude.ask("/approvals?all=1")
    assert closed["resolution"]["reason"] == "answered at the terminal"


# Codex.

ESCALATED = """CALL: exec_command {"cmd": "touch made", \
"sandbox_permissions": "require_escalated", "justification": "the tests want it"}"""
OPTIONS = ("--no-daemon", "--dangerously-bypass-hook-trust")
ASKING = (*OPTIONS, "--ask-for-approval", "on-request", "--sandbox", "read-only")
FREE = (*OPTIONS, "--ask-for-approval", "never", "--sandbox", "danger-full-access")


@pytest.fixture
def codex(real_agents: RealAgents, agent_home: Path, running_host: Host) -> Iterator[Bench]:
    yield hooked_codex(real_agents, agent_home, running_host)
    no_leftovers(agent_home, PATIENCE)  # it does not wait for what it notifies


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_codex_at_a_terminal_is_answered_from_the_host(
    codex: Bench, real_agents: RealAgents, decision: str
) -> None:
    with on_a_terminal(codex, *ASKING, ESCALATED) as terminal:
        (asked,) = until(lambda: codex.ask("/approvals"))
        until(lambda: b"waiting 60 s for an answer in sxhost" in terminal.shown)
        assert (asked["kind"], asked["title"]) == ("command", "Bash: touch made")
        reason = codex.decide(decision)
        codex.until_told("complete")
    assert (codex.agent.cwd / "made").exists() is (decision == "approve")
    assert bool(real_agents.model.notes("request", reason)) is (decision == "deny")


def test_undecided_permission_of_codex_is_asked_at_its_terminal(codex: Bench) -> None:
    codex.sxhost("hook", "install", "codex", "--wait", "1")
    with on_a_terminal(codex, *ASKING, ESCALATED) as terminal:
        until(lambda: codex.ask("/approvals"))
        until(lambda: b"run the following command" in terminal.shown)
        (left,) = codex.ask("/approvals")
        assert left["at_terminal_ms"] >= left["opened_ms"]
        assert codex.ask(f"/sessions/{codex.session}")["detail_state"] == "waiting"
        assert "only at its terminal, since" in codex.sxhost("approvals")
        terminal.press_until(b"y", lambda: "complete" in codex.names())
    (closed,) = codex.ask("/approvals?all=1")
    how = closed["resolution"]
    assert (how["by"], how["decision"]) == ("terminal", "approve")
    assert (codex.agent.cwd / "made").exists()


def test_codex_at_a_terminal_is_seen_and_gets_messages(
    codex: Bench, real_agents: RealAgents
) -> None:
    is_seen_and_told(codex, real_agents.model, "SAY: heard-4714", *FREE)
