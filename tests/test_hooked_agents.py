"""Real agents with our hooks in their settings, a real host and a fake model; offline."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import pytest

from .agents import RealAgent, RealAgents
from .hosts import PATIENCE, Host, StartHost
from .leftovers import no_leftovers

TOP = Path(__file__).parents[1]
NOBODY = "http://127.0.0.1:9"
TOUCH = "RUN: touch made"


@dataclass
class Bench:
    """An agent with hooks, and the host that they lead to."""

    agent: RealAgent
    host: Host

    def environ(self) -> Mapping[str, str]:
        mine = {"PYTHONPATH": str(TOP), "SXHOST_URL": self.host.url}
        return {**self.agent.environ(), **mine}

    def sxhost(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sxhost", *words],
            env=self.environ(),
            cwd=self.agent.cwd,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.agent.command[0], *words],
            env=self.environ(),
            cwd=self.agent.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str) -> str:
        with self.start(*words) as process:
            said, _ = process.communicate(timeout=PATIENCE)
        return said

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.host.url + path, data, {"Content-Type": "application/json"})
        with urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read().decode()
        return (
            [json.loads(line) for line in text.splitlines()]
            if "/events" in path
            else json.loads(text)
        )

    @property
    def session(self) -> str:
        (session,) = self.until(lambda: self.ask("/sessions"))
        return str(session["id"])

    def events(self) -> list[tuple[str, Any]]:
        found = self.ask(f"/sessions/{self.session}/events")
        return [(event["event"], event["data"]) for event in found]

    def names(self) -> list[str]:
        return [name for name, _ in self.events()]

    def until(self, look: Callable[[], Any]) -> Any:
        """Return what `look` finds, once it finds something."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.02)
        raise AssertionError("it has not come")

    def decide(self, decision: str) -> None:
        (approval,) = self.until(lambda: self.ask("/approvals"))
        path = f"/sessions/{approval['session']}/approvals/{approval['id']}"
        self.ask(path, {"decision": decision, "reason": "the tests say so"})


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
def test_claude_reports_what_it_does(claude: MakeBench, form: tuple[str, ...]) -> None:
    bench = claude(*form)
    said = bench.run(*prompt("RUN: echo one-$((1+1))", "--allowedTools", "Bash"))
    assert "result: one-2" in said
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
    told = dict(bench.events())
    assert told["tool-start"]["title"] == "Bash: echo one-$((1+1))"
    assert told["tool-done"]["output"].strip() == "one-2"


def test_a_message_reaches_the_model_as_the_users_words(claude: MakeBench) -> None:
    bench = claude()
    # The message is there before the turn ends: the command waits for it to be queued.
    with bench.start(
        *prompt("RUN: while ! test -e sent; do sleep 0.05; done", "--allowedTools", "Bash")
    ) as process:
        session = bench.session
        bench.until(lambda: "tool-start" in bench.names())
        bench.sxhost("send", session, "SAY: heard at the end", "--mode", "queue")
        (bench.agent.cwd / "sent").touch()
        said, _ = process.communicate(timeout=PATIENCE)
    assert "heard at the end" in said
    by = [data["by"] for name, data in bench.events() if name == "user-message"]
    assert by == ["prompt", "message"]
    assert bench.ask(f"/sessions/{session}/messages?peek=1")[0]["state"] == "delivered"


def test_a_message_reaches_the_model_at_work(
    claude: MakeBench, real_agents: RealAgents
) -> None:
    bench = claude()
    with bench.start(
        *prompt("RUN: while ! test -e sent; do sleep 0.05; done", "--allowedTools", "Bash")
    ) as process:
        session = bench.session
        bench.until(lambda: "tool-start" in bench.names())
        bench.sxhost("send", session, "mind the gap-4711")
        (bench.agent.cwd / "sent").touch()
        process.communicate(timeout=PATIENCE)
    assert bench.ask(f"/sessions/{session}/messages?peek=1")[0]["state"] == "delivered"
    assert real_agents.model.notes("request", "gap-4711")


@pytest.mark.parametrize("form", [("--http",), ()], ids=["http", "command"])
@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_a_permission_is_decided_elsewhere(
    claude: MakeBench, form: tuple[str, ...], decision: str
) -> None:
    bench = claude(*form)
    with bench.start(*prompt(TOUCH)) as process:
        bench.decide(decision)
        said, _ = process.communicate(timeout=PATIENCE)
    assert (bench.agent.cwd / "made").exists() is (decision == "approve")
    assert ("the tests say so" in said) is (decision == "deny")


def test_each_use_of_a_tool_is_asked_for_if_that_is_wanted(claude: MakeBench) -> None:
    bench = claude("--ask")
    with bench.start(*prompt(TOUCH, "--allowedTools", "Bash")) as process:
        bench.decide("deny")
        process.communicate(timeout=PATIENCE)
    assert not (bench.agent.cwd / "made").exists()


def test_without_a_decision_claude_decides_itself(claude: MakeBench) -> None:
    bench = claude("--wait", "1")
    bench.run(*prompt(TOUCH))
    assert not (bench.agent.cwd / "made").exists()
    (closed,) = bench.ask("/approvals?all=1")
    assert closed["state"] == "withdrawn"


@pytest.mark.parametrize("form", [("--http",), ()], ids=["http", "command"])
def test_without_a_host_nobody_notices(
    real_agents: RealAgents, agent_home: Path, start_host: StartHost, form: tuple[str, ...]
) -> None:
    bench = Bench(real_agents.claude(agent_home), start_host("--port", "0"))
    bench.sxhost("hook", "install", "claude", *form)
    bench.host.stop()
    said = bench.run(*prompt(TOUCH, "--allowedTools", "Bash"))
    assert (bench.agent.cwd / "made").exists()
    assert said.strip() in ("result:", "result: (Bash completed with no output)")


def on_a_terminal(bench: Bench, *words: str) -> tuple[int, int]:
    """Start it as a person does; return its process and its terminal, which is read."""
    child, terminal = pty.fork()
    if not child:
        os.chdir(bench.agent.cwd)
        program = bench.agent.command[0]
        os.execve(program, [program, *words], {**bench.environ(), "TERM": "xterm"})
    Thread(target=_read, args=(terminal,), daemon=True).start()
    return child, terminal


def _read(terminal: int) -> None:
    with suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_claude_at_a_terminal_is_answered_from_elsewhere(
    claude: MakeBench, decision: str
) -> None:
    bench = claude()
    child, terminal = on_a_terminal(bench, "--permission-mode", "manual", TOUCH)
    try:
        bench.decide(decision)
        bench.until(lambda: {"complete", "tool-done"} & set(bench.names()))
        if decision == "approve":
            bench.until(lambda: "complete" in bench.names())
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        os.close(terminal)
    assert (bench.agent.cwd / "made").exists() is (decision == "approve")


def test_claudes_own_user_may_be_faster(claude: MakeBench) -> None:
    bench = claude()
    child, terminal = on_a_terminal(bench, "--permission-mode", "manual", TOUCH)
    try:
        bench.until(lambda: bench.ask("/approvals"))
        while bench.ask("/approvals"):  # it takes a moment until its dialog hears a key
            os.write(terminal, b"\r")
            time.sleep(0.5)
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        os.close(terminal)
    (closed,) = bench.ask("/approvals?all=1")
    assert closed["resolution"]["reason"] == "its own user has decided"
    assert (bench.agent.cwd / "made").exists()


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


def test_codex_reports_what_it_does(codex: Bench) -> None:
    said = codex.run(*execute("RUN: echo one-$((1+1))"))
    assert "one-2" in said
    names = codex.names()
    wanted = ["started", "user-message", "tool-start", "tool-done", "message", "complete"]
    assert [name for name in names if name in wanted] == wanted
    assert codex.ask(f"/sessions/{codex.session}")["agent"] == "codex"


def test_codex_goes_on_with_a_message(codex: Bench, real_agents: RealAgents) -> None:
    with codex.start(*execute("RUN: while ! test -e sent; do sleep 0.05; done")) as process:
        session = codex.session
        codex.until(lambda: "tool-start" in codex.names())
        codex.sxhost("send", session, "now the tests-4712", "--mode", "queue")
        (codex.agent.cwd / "sent").touch()
        process.communicate(timeout=PATIENCE)
    assert real_agents.model.notes("request", "tests-4712")


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_each_use_of_a_tool_of_codex_is_asked_for(codex: Bench, decision: str) -> None:
    codex.sxhost("hook", "install", "codex", "--ask")
    with codex.start(*execute(TOUCH)) as process:
        codex.decide(decision)
        process.communicate(timeout=PATIENCE)
    assert (codex.agent.cwd / "made").exists() is (decision == "approve")
