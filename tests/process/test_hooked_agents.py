"""Real agents with our hooks in their settings, a real host and a fake model; offline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.agents.real_agents import RealAgents
from tests.support.hooked_agents import TOUCH, Bench, words_of_users
from tests.support.hosts import PATIENCE, Host, StartHost, until
from tests.support.leftovers import no_leftovers

MakeBench = Callable[..., Bench]


@pytest.fixture
def claude(real_agents: RealAgents, agent_home: Path, running_host: Host) -> MakeBench:
    def make(*options: str) -> Bench:
        bench = Bench(real_agents.claude(agent_home), running_host)
        bench.sxhost("hook", "install", "claude", *options)
        return bench

    return make


def prompt(words: str, *more: str) -> tuple[str, ...]:
    return ("-p", words, "--permission-mode", "default", *more)


@pytest.mark.parametrize("form", [("--http",), ()], ids=["http", "command"])
def test_claude_hooks_report_its_turn(claude: MakeBench, form: tuple[str, ...]) -> None:
    bench = claude(*form)
    output = bench.run(*prompt("RUN: echo one-$((1+1))", "--allowedTools", "Bash"))
    assert "result: one-2" in output
    names = bench.names()
    wanted = [
        "started",
        "user-message",
        "tool-start",
        "tool-done",
        "message",
        "complete",
        "ended",
    ]
    assert [name for name in names if name in wanted] == wanted
    about = bench.ask(f"/sessions/{bench.session}")
    assert (about["agent"], about["cwd"]) == ("claude", str(bench.agent.cwd))
    shown = dict(bench.events())
    assert shown["tool-start"]["title"] == "Bash: echo one-$((1+1))"
    assert shown["tool-done"]["output"].strip() == "one-2"


def test_message_reaches_the_model_as_user_input(
    claude: MakeBench, real_agents: RealAgents
) -> None:
    bench = claude()
    # The message is there before the turn ends: the command waits for it to be queued.
    with bench.start(
        *prompt("RUN: while ! test -e sent; do sleep 0.05; done", "--allowedTools", "Bash")
    ) as process:
        session = bench.session
        until(lambda: "tool-start" in bench.names())
        bench.sxhost("send", session, "SAY: heard at the end", "--mode", "queue")
        (bench.agent.cwd / "sent").touch()
        output, _ = process.communicate(timeout=PATIENCE)
    assert "heard at the end" in output
    assert words_of_users(real_agents.model, "SAY: heard at the end")
    by = [data["by"] for name, data in bench.events() if name == "user-message"]
    assert by == ["prompt", "message"]
    assert bench.ask(f"/sessions/{session}/messages?peek=1")[0]["state"] == "delivered"


def test_message_reaches_the_model_during_a_turn(
    claude: MakeBench, real_agents: RealAgents
) -> None:
    bench = claude()
    with bench.start(
        *prompt("RUN: while ! test -e sent; do sleep 0.05; done", "--allowedTools", "Bash")
    ) as process:
        session = bench.session
        until(lambda: "tool-start" in bench.names())
        bench.sxhost("send", session, "mind the gap-4711")
        (bench.agent.cwd / "sent").touch()
        process.communicate(timeout=PATIENCE)
    assert bench.ask(f"/sessions/{session}/messages?peek=1")[0]["state"] == "delivered"
    assert real_agents.model.notes("request", r"you were working:\n\nmind the gap-4711")


@pytest.mark.parametrize("form", [("--http",), ()], ids=["http", "command"])
@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_permission_of_claude_is_decided_at_the_host(
    claude: MakeBench, form: tuple[str, ...], decision: str
) -> None:
    bench = claude(*form)
    with bench.start(*prompt(TOUCH)) as process:
        reason = bench.decide(decision)
        output, _ = process.communicate(timeout=PATIENCE)
    assert (bench.agent.cwd / "made").exists() is (decision == "approve")
    assert (reason in output) is (decision == "deny")


def test_each_tool_use_of_claude_asks_if_so_installed(claude: MakeBench) -> None:
    bench = claude("--ask")
    with bench.start(*prompt(TOUCH, "--allowedTools", "Bash")) as process:
        bench.decide("deny")
        process.communicate(timeout=PATIENCE)
    assert not (bench.agent.cwd / "made").exists()


def test_undecided_permission_is_left_to_claude(claude: MakeBench) -> None:
    bench = claude("--wait", "1")
    bench.run(*prompt(TOUCH))
    assert not (bench.agent.cwd / "made").exists()
    (closed,) = bench.ask("/approvals?all=1")
    assert closed["at_terminal_ms"] is not None
    assert closed["resolution"]["by"] == "terminal"


@pytest.mark.parametrize("form", [("--http",), ()], ids=["http", "command"])
def test_claude_works_without_a_host(
    real_agents: RealAgents, agent_home: Path, start_host: StartHost, form: tuple[str, ...]
) -> None:
    bench = Bench(real_agents.claude(agent_home), start_host("--port", "0"))
    bench.sxhost("hook", "install", "claude", *form)
    bench.host.stop()
    output = bench.run(*prompt(TOUCH, "--allowedTools", "Bash"))
    assert (bench.agent.cwd / "made").exists()
    assert output.strip() in ("result:", "result: (Bash completed with no output)")


@pytest.mark.parametrize("form", [("--http",), ()], ids=["http", "command"])
def test_hook_sends_its_token_and_no_file_has_it(
    real_agents: RealAgents,
    agent_home: Path,
    start_host: StartHost,
    tmp_path: Path,
    form: tuple[str, ...],
) -> None:
    host = start_host("--port", "0", "--require-token")
    assert host.port
    token = (tmp_path / "state" / "token").read_text().strip()
    shown = {"SXHOST_TOKEN": token} if form else {"STATE_DIRECTORY": str(tmp_path / "state")}
    bench = Bench(real_agents.claude(agent_home), host, shown, token)
    bench.sxhost("hook", "install", "claude", *form)
    with bench.start(*prompt(TOUCH)) as process:
        bench.decide("approve")
        process.communicate(timeout=PATIENCE)
    assert (bench.agent.cwd / "made").exists()
    assert {"started", "user-message", "tool-done", "ended"} <= set(bench.names())
    settings = (agent_home / ".claude" / "settings.json").read_text()
    assert token not in settings
    assert ("Bearer $SXHOST_TOKEN" in settings) is bool(form)


# Codex.


@pytest.fixture
def codex(real_agents: RealAgents, agent_home: Path, running_host: Host) -> Iterator[Bench]:
    bench = Bench(real_agents.codex(agent_home), running_host)
    bench.sxhost("hook", "install", "codex")
    yield bench
    no_leftovers(agent_home, PATIENCE)  # it does not wait for what it notifies


def execute(words: str) -> tuple[str, ...]:
    trusting = ("--dangerously-bypass-hook-trust", "--skip-git-repo-check")
    return ("exec", *trusting, "--sandbox", "danger-full-access", words)


def test_codex_hooks_report_its_turn(codex: Bench) -> None:
    output = codex.run(*execute("RUN: echo one-$((1+1))"))
    assert "one-2" in output
    names = codex.names()
    wanted = ["started", "user-message", "tool-start", "tool-done", "message", "complete"]
    assert [name for name in names if name in wanted] == wanted
    assert codex.ask(f"/sessions/{codex.session}")["agent"] == "codex"


def test_codex_without_trusted_hooks_uses_notify(codex: Bench) -> None:
    trusting, *rest = execute("SAY: by notice")[1:]
    assert trusting.endswith("hook-trust")
    codex.run("exec", *rest)
    codex.until_told("complete")
    assert codex.names() == ["message", "complete"]
    assert ("message", {"text": "by notice"}) in codex.events()


def test_codex_works_without_a_host(codex: Bench) -> None:
    codex.host.stop()
    output = codex.run(*execute(TOUCH))
    assert (codex.agent.cwd / "made").exists()
    hooks = [line.split() for line in output.splitlines() if line.startswith("hook: ")]
    ended = [words[1] for words in hooks if words[2:] == ["Completed"]]
    assert ended == ["SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop"]
    assert len(hooks) == 2 * len(ended)


def test_message_continues_a_turn_of_codex(codex: Bench, real_agents: RealAgents) -> None:
    with codex.start(*execute("RUN: while ! test -e sent; do sleep 0.05; done")) as process:
        session = codex.session
        until(lambda: "tool-start" in codex.names())
        codex.sxhost("send", session, "now the tests-4712", "--mode", "queue")
        (codex.agent.cwd / "sent").touch()
        process.communicate(timeout=PATIENCE)
    assert words_of_users(real_agents.model, "tests-4712")


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_each_tool_use_of_codex_asks_if_so_installed(codex: Bench, decision: str) -> None:
    codex.sxhost("hook", "install", "codex", "--ask")
    with codex.start(*execute(TOUCH)) as process:
        codex.decide(decision)
        process.communicate(timeout=PATIENCE)
    assert (codex.agent.cwd / "made").exists() is (decision == "approve")
