"""What the host says of real agents at a terminal is true, whatever their users do there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.agents.real_agents import RealAgents
from tests.support.hooked_agents import (
    TOUCH,
    Bench,
    Terminal,
    hooked_claude,
    hooked_codex,
    on_a_terminal,
)
from tests.support.hosts import PATIENCE, Host, until
from tests.support.leftovers import no_leftovers

MANUAL = ("--permission-mode", "manual")
LONG = "RUN: touch began; while ! test -e over; do sleep 0.05; done"
FREE = (*MANUAL, "--allowedTools", "Bash", "--")
ESCAPE, ENTER = b"\x1b", b"\r"


@pytest.fixture
def claude(real_agents: RealAgents, agent_home: Path, running_host: Host) -> Bench:
    return hooked_claude(real_agents, agent_home, running_host)


def state(bench: Bench) -> tuple[str, str]:
    """Return the newest session's state and the reason for it."""
    session = max(bench.ask("/sessions"), key=lambda one: one["since_ms"])
    return session["detail_state"], session["reason"]


def dialog(bench: Bench, terminal: Terminal) -> None:
    """Wait for a permission dialog."""
    until(lambda: bench.ask("/approvals"))
    until(lambda: b"proceed" in terminal.shown)
    assert state(bench)[0] == "waiting"


def closed(bench: Bench) -> str:
    """Return what `sxhost approvals --all` says of the only one."""
    return bench.sxhost("approvals", "--all").strip()


def test_a_yes_at_the_terminal_is_known_while_the_command_runs(claude: Bench) -> None:
    with on_a_terminal(claude, *MANUAL, LONG) as terminal:
        dialog(claude, terminal)
        terminal.press_until(ENTER, lambda: not claude.ask("/approvals"))
        assert state(claude)[0] == "working"
        assert closed(claude).endswith("(answered at the terminal)")
        assert "tool-done" not in claude.names()
        (claude.agent.cwd / "over").touch()
        claude.until_told("complete")
    assert claude.names().count("tool-done") == 1


@pytest.mark.parametrize("keys", [b"4", ESCAPE], ids=["no", "escape"])
def test_a_no_at_the_terminal_is_known(claude: Bench, keys: bytes) -> None:
    with on_a_terminal(claude, *MANUAL, TOUCH) as terminal:
        dialog(claude, terminal)
        terminal.press_until(keys, lambda: state(claude) == ("idle", "interrupted"))
        until(lambda: closed(claude).endswith("(denied at the terminal)"))
    assert not (claude.agent.cwd / "made").exists()


def test_a_dialog_that_no_hook_can_answer_any_more_is_waited_for(claude: Bench) -> None:
    claude.sxhost("hook", "install", "claude", "--wait", "1")
    with on_a_terminal(claude, *MANUAL, LONG) as terminal:
        dialog(claude, terminal)
        until(lambda: "only at its terminal, since" in claude.sxhost("approvals"))
        assert state(claude) == ("waiting", "approval-requested")
        terminal.press_until(ENTER, lambda: not claude.ask("/approvals"))
        assert state(claude)[0] == "working"
        (claude.agent.cwd / "over").touch()
        claude.until_told("complete")


def test_escape_while_the_answer_streams_is_known(
    claude: Bench, real_agents: RealAgents
) -> None:
    with on_a_terminal(claude, *MANUAL, "SLOW 401 50") as terminal:
        claude.until_told("user-message")
        until(lambda: real_agents.model.notes("request", "SLOW 401"))
        assert state(claude)[0] == "working"
        terminal.press_until(ESCAPE, lambda: state(claude) == ("idle", "interrupted"))
        names = claude.until_told("message")
    assert names.count("complete") == 1


def test_escape_while_a_command_runs_is_known(claude: Bench) -> None:
    with on_a_terminal(claude, *FREE, LONG) as terminal:
        claude.until_told("tool-start")
        terminal.press_until(ESCAPE, lambda: state(claude) == ("idle", "interrupted"))
        claude.until_told("tool-done")
    (done,) = [data for name, data in claude.events() if name == "tool-done"]
    assert done["status"] == "cut"


def test_what_only_the_transcript_has_is_told(claude: Bench) -> None:
    prompt = "RUN: echo one\nTHINK: deep\nSAY: spoken-8841\nUSAGE 120 30"
    with on_a_terminal(claude, *FREE, prompt):
        names = claude.until_told("complete", "thinking", "usage", "usage")
    assert names.count("message") == names.count("user-message") == 1
    assert names.count("tool-start") == names.count("tool-done") == 1
    session = claude.ask(f"/sessions/{claude.session}")
    assert session["usage"]["total_tokens"] == 300
    assert session["title"].startswith("RUN: echo one THINK: deep")


def type_line(terminal: Terminal, line: bytes, done: Callable[[], Any]) -> None:
    """Type a line and enter it once it is shown: before, a terminal may take it for pasted."""
    terminal.press(line)
    until(lambda: line in terminal.shown)
    terminal.press_until(ENTER, done)


def test_a_cleared_conversation_goes_on_in_a_new_session(claude: Bench) -> None:
    with on_a_terminal(claude, *MANUAL, "SAY: one") as terminal:
        claude.until_told("complete")
        old = claude.session
        claude.sxhost("register", old, "--title", "Mine")
        type_line(terminal, b"/clear", lambda: len(claude.ask("/sessions")) == 2)
        (new,) = [one["id"] for one in claude.ask("/sessions") if one["id"] != old]
        until(lambda: claude.ask(f"/sessions/{old}")["continued_by"] == new)
        detail = claude.ask(f"/sessions/{new}")
        assert (detail["continues"], detail["title"]) == (old, "Mine")


def kill(bench: Bench) -> str:
    """Kill the agent of the only session; return how it is told to have ended."""
    session = f"/sessions/{bench.session}"
    os.kill(bench.ask(session)["os_process"]["pid"], signal.SIGKILL)
    until(lambda: bench.ask(session)["detail_state"] == "ended")
    (ended,) = [data for name, data in bench.events() if name == "ended"]
    return str(ended["reason"])


def test_an_idle_claude_is_woken_and_what_is_half_typed_stays(
    claude: Bench, real_agents: RealAgents
) -> None:
    with on_a_terminal(claude, *MANUAL, "SAY: ready-1187") as terminal:
        claude.until_told("complete")
        until(lambda: "idle" in state(claude))
        (session,) = claude.ask("/sessions")
        terminal.press(b"half-typed")
        until(lambda: b"half-typed" in terminal.shown)
        assert "woken for it" in claude.sxhost("send", session["id"], "SAY: awake-2291")
        until(lambda: claude.names().count("complete") == 2)
        said = [data for name, data in claude.events() if name == "user-message"]
        assert [(one["by"], one["text"]) for one in said] == [
            ("prompt", "SAY: ready-1187"),
            ("message", "SAY: awake-2291"),
        ]
        assert real_agents.model.notes("request", "awake-2291")
        terminal.press_until(ENTER, lambda: claude.names().count("complete") > 2)
        assert real_agents.model.notes("request", "half-typed")


def test_a_claude_that_is_killed_has_ended_and_comes_back(claude: Bench) -> None:
    with on_a_terminal(claude, *FREE, LONG):
        claude.until_told("tool-start", "usage")  # its file is there to be resumed
        told = kill(claude)
    assert told in ("its process was killed by SIGKILL", "its process is gone")
    (claude.agent.cwd / "over").touch()
    with on_a_terminal(claude, *MANUAL, "--resume", claude.session):
        until(lambda: state(claude)[0] == "idle")
    assert len(claude.ask("/sessions")) == 1


# Codex.

OPTIONS = ("--no-daemon", "--dangerously-bypass-hook-trust")
CODEX_FREE = (*OPTIONS, "--ask-for-approval", "never", "--sandbox", "danger-full-access")


@pytest.fixture
def codex(real_agents: RealAgents, agent_home: Path, running_host: Host) -> Iterator[Bench]:
    yield hooked_codex(real_agents, agent_home, running_host)
    no_leftovers(agent_home, PATIENCE)


def test_escape_while_codex_answers_is_known(codex: Bench, real_agents: RealAgents) -> None:
    with on_a_terminal(codex, *CODEX_FREE, "SLOW 402 50") as terminal:
        codex.until_told("started", "user-message")
        until(lambda: real_agents.model.notes("request", "SLOW 402"))
        assert state(codex)[0] == "working"
        terminal.press_until(ESCAPE, lambda: state(codex) == ("idle", "interrupted"))


def test_what_only_codexs_rollout_has_is_told(codex: Bench) -> None:
    prompt = "RUN: echo one\nTHINK: deep\nSAY: spoken-8842\nUSAGE 120 30"
    with on_a_terminal(codex, *CODEX_FREE, prompt):
        names = codex.until_told("complete", "thinking", "usage", "usage")
    assert names.count("message") == names.count("user-message") == 1
    assert names.count("tool-start") == names.count("tool-done") == 1
    assert codex.ask(f"/sessions/{codex.session}")["usage"]["total_tokens"] == 300


def test_a_codex_that_quits_has_ended(codex: Bench) -> None:
    with on_a_terminal(codex, *CODEX_FREE, "SAY: one") as terminal:
        codex.until_told("complete")
        assert state(codex)[0] == "idle"
        type_line(terminal, b"/quit", lambda: state(codex)[0] == "ended")
    (ended,) = [data for name, data in codex.events() if name == "ended"]
    assert ended["reason"] in ("its process ended with code 0", "its process is gone")


# Without hooks.


@pytest.mark.parametrize(
    ("name", "options"), [("claude", MANUAL), ("codex", CODEX_FREE), ("pi", ())]
)
def test_an_agent_without_hooks_is_discovered_and_read(
    real_agents: RealAgents,
    agent_home: Path,
    running_host: Host,
    name: str,
    options: tuple[str, ...],
) -> None:
    bench = Bench(real_agents.make(name, agent_home), running_host)
    if name == "codex":
        with (agent_home / ".codex" / "config.toml").open("a") as file:
            file.write(f'[projects."{bench.agent.cwd}"]\ntrust_level = "trusted"\n')

    def discovered() -> list[Any]:
        """Return what was found of ours: others may run agents on this machine, too.

        Before its first words an agent has no session.
        """
        found = bench.ask("/discover", {})
        return [one for one in found if one["cwd"] == str(bench.agent.cwd) and one["id"]]

    with on_a_terminal(bench, *options, f"SAY: spoken-{name}-8843"):
        (found,) = until(discovered)
        events = f"/sessions/{found['id']}/events"
        until(lambda: f"spoken-{name}-8843" in str(told(bench, events, "message")))
        assert discovered() == [found]
    assert (found["agent"], found["answerable"]) == (name, False)
    assert len(told(bench, events, "message")) == 1


def told(bench: Bench, events: str, name: str) -> list[Any]:
    return [event["data"] for event in bench.ask(events) if event["event"] == name]
