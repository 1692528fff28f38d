"""Agents with our hooks in their settings, and the host that they lead to."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

from sxhost.hooks.command import TIMEOUT
from tests.support.agents.real_agents import FakeModel, RealAgent, RealAgents
from tests.support.daemons import SXHOST
from tests.support.fork_server import run_forked
from tests.support.hosts import PATIENCE, Host, until
from tests.support.places import TOP

__all__ = [
    "TOUCH",
    "Bench",
    "Terminal",
    "hooked_claude",
    "hooked_codex",
    "on_a_terminal",
    "words_of_users",
]

NOBODY = "http://127.0.0.1:9"
TOUCH = "RUN: touch made"
REPEAT = 0.5
"""How long, in seconds, a terminal is given to hear a key before it is pressed again."""


@dataclass
class Bench:
    """An agent with hooks, and the host that they lead to."""

    agent: RealAgent
    host: Host
    told: Mapping[str, str] = field(default_factory=dict)
    """What the agent's environment says besides."""
    token: str = ""
    """What we show to the host."""

    def environ(self) -> Mapping[str, str]:
        mine = {"PYTHONPATH": str(TOP), "SXHOST_URL": self.host.url, TIMEOUT: "60"}
        return {**self.agent.environ(), **mine, **self.told}

    def sxhost(self, *words: str) -> str:
        environ = {**self.agent.environ(), "SXHOST_URL": self.host.url, **self.told}
        done = run_forked((SXHOST, *words), self.agent.cwd, environ)
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
            output, _ = process.communicate(timeout=PATIENCE)
        return output

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = Request(self.host.url + path, data, headers)
        with urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read().decode()
        return (
            [json.loads(line) for line in text.splitlines()]
            if "/events" in path
            else json.loads(text)
        )

    @property
    def session(self) -> str:
        (session,) = until(lambda: self.ask("/sessions"))
        return str(session["id"])

    def events(self) -> list[tuple[str, Any]]:
        found = self.ask(f"/sessions/{self.session}/events")
        return [(event["event"], event["data"]) for event in found]

    def names(self) -> list[str]:
        return [name for name, _ in self.events()]

    def decide(self, decision: str) -> str:
        """Answer what is asked, ``approve`` or ``deny``, as a user does; return our reason."""
        (approval,) = until(lambda: self.ask("/approvals"))
        asked = approval["session"], str(approval["id"])
        reason = f"said in {self.agent.home.parent.name}"
        self.sxhost(decision, *asked, "--reason", reason)
        return reason

    def until_told(self, *names: str) -> list[str]:
        """Return the names of all events, once these are among them, each as often."""
        return list(until(lambda: _has_all(self.names(), names)))


def _has_all(found: list[str], wanted: Sequence[str]) -> list[str]:
    enough = all(found.count(name) >= wanted.count(name) for name in wanted)
    return found if enough else []


def words_of_users(model: FakeModel, words: str) -> list[str]:
    """Return what the model was told in its users' name and has these words in it."""
    bodies = [note["body"] for note in model.notes("request", words)]
    sent = [each for body in bodies for each in body.get("messages") or body["input"]]
    texts = [_text(each["content"]) for each in sent if each.get("role") == "user"]
    return [text for text in texts if words in text]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


class Terminal:
    """A program as a person starts it: what it shows is read, what it asks a terminal answered.

    Without an answer to where its cursor is, Codex does not begin.
    """

    def __init__(self, bench: Bench, *words: str, program: str = "") -> None:
        self.shown = b""
        self._child, self._number = pty.fork()
        if not self._child:
            termios.tcsetwinsize(0, (40, 120))
            os.chdir(bench.agent.cwd)
            path = program or bench.agent.command[0]
            os.execve(path, [path, *words], {**bench.environ(), "TERM": "xterm"})
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._number, keys)

    def press_until(self, keys: bytes, done: Callable[[], Any]) -> None:
        """Press keys until they are heard: a dialog that is shown does not hear at once."""
        pressed = -REPEAT

        def heard() -> Any:
            nonlocal pressed
            if found := done():
                return found
            if time.monotonic() - pressed >= REPEAT:
                self.press(keys)
                pressed = time.monotonic()
            return None

        until(heard)

    def close(self) -> None:
        """End it."""
        os.kill(self._child, signal.SIGTERM)
        os.waitpid(self._child, 0)
        self._reader.join(PATIENCE)
        os.close(self._number)

    def _read(self) -> None:
        with suppress(OSError):
            while output := os.read(self._number, 1 << 16):
                self.shown += output
                if b"\x1b[6n" in output:
                    self.press(b"\x1b[1;1R")


@contextmanager
def on_a_terminal(bench: Bench, *words: str, program: str = "") -> Iterator[Terminal]:
    """Run an agent, or another program, on a terminal, as long as the block runs."""
    terminal = Terminal(bench, *words, program=program)
    try:
        yield terminal
    finally:
        terminal.close()


def hooked_claude(agents: RealAgents, home: Path, host: Host) -> Bench:
    """Return Claude Code with our hooks in its settings."""
    bench = Bench(agents.claude(home), host)
    bench.sxhost("hook", "install", "claude")
    return bench


def hooked_codex(agents: RealAgents, home: Path, host: Host) -> Bench:
    """Return a Codex that trusts its directory, with our hooks in its settings."""
    bench = Bench(agents.codex(home), host)
    with (home / ".codex" / "config.toml").open("a") as file:
        file.write(f'[projects."{bench.agent.cwd}"]\ntrust_level = "trusted"\n')
    bench.sxhost("hook", "install", "codex")
    return bench
