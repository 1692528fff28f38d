"""A day with twelve agents: a host, what they do on it, and the page that tells of it.

The page, ``docs/a-day-with-twelve-agents.md``, shows commands with what they print at a
terminal.  A test plays the day and compares; ``.ci/day`` plays it and writes what it has seen.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.daemons import SXHOST, clean_environ
from tests.support.feeds import Asking, Feed
from tests.support.fork_server import fork
from tests.support.hosts import PATIENCE, Host, run, until
from tests.support.places import TOP

__all__ = ["COLUMNS", "PAGE", "Day", "Step", "played", "steady", "steps"]

PAGE: Final = TOP / "docs" / "a-day-with-twelve-agents.md"
COLUMNS: Final = 100

HOST: Final = """
import sys, time
from pathlib import Path
from sxhost import tap
behind = Path(sys.argv.pop(1))
tap.wall_ms = lambda: time.time_ns() // 1_000_000 - 1000 * int(behind.read_text())
from twisted.scripts.twistd import run
run()
"""
"""A host whose wall clock is behind by the seconds in a file: its day began hours ago."""

DIFF: Final = """--- a/auth.py
+++ b/auth.py
@@ -12,3 +12,3 @@ def login(token, stored):
-    if token == stored:
+    if decode_token(token) == stored:
         return True
     raise Refused
"""

ANSWER: Final = """The token is compared **before** it is decoded, so each login with `+` fails.

- `decode_token` is called first now
- a test has such a token
"""


class Agent(NamedTuple):
    """An agent of the day."""

    name: str
    agent: str
    model: str
    title: str
    project: str
    branch: str


AGENTS: Final = (
    Agent("api-tests", "claude", "opus", "Make the API tests pass", "api", "feat/auth"),
    Agent("login-fix", "codex", "gpt-5-codex", "Fix logins with a plus", "site", "fix/login"),
    Agent("clean-up", "claude", "sonnet", "Remove what nobody imports", "site", "main"),
    Agent("report", "claude", "sonnet", "Report of the week", "report", "main"),
    Agent("crawler", "pi", "qwen3-coder", "Crawl the old wiki", "wiki", "main"),
    Agent("django-6", "codex", "gpt-5-codex", "Upgrade to Django 6", "shop", "django-6"),
    Agent("dutch", "gemini", "gemini-3-pro", "Translate the shop into Dutch", "shop", "i18n"),
    Agent("flaky", "codex", "gpt-5-codex", "Find the flaky test", "api", "main"),
    Agent("schema", "claude", "opus", "Split the users table", "api", "users"),
    Agent("bench", "pi", "qwen3-coder", "Measure the cache", "cache", "main"),
    Agent("icons", "gemini", "gemini-3-pro", "Draw the icons again", "shop", "icons"),
)
"""Those that run in terminals of their own; the twelfth is run by the host."""

QUESTION: Final = "SAY: Two blues would do.\nQUESTION: Which blue is the button? | Navy | Sky"


class Step(NamedTuple):
    """A command of the page, and what the page says that it prints."""

    command: str
    output: str


class Day:
    """The twelve agents' host, and somebody at a terminal with their commands."""

    def __init__(self, home: Path, host: Host, behind: Path) -> None:
        self.host = host
        self.home = home
        self._behind = behind
        self._feed = Feed(host)
        self._asking: list[Asking] = []

    def begin(self) -> None:
        """Let the agents work, up to the moment when somebody looks."""
        for place, agent in enumerate(AGENTS):
            self._ago(181.5 - 8 * place)
            self._register(agent)
        for play in (self._finish, self._fail, self._work, self._ask):
            play()
        self._ago(0)

    def _ago(self, minutes: float) -> None:
        """Have what is fired next so many minutes ago."""
        self._behind.write_text(str(round(60 * minutes)))

    def _register(self, agent: Agent) -> None:
        cwd = str(self.home / agent.project)
        self._feed.register(
            agent.name,
            agent=agent.agent,
            model=agent.model,
            title=agent.title,
            git_branch=agent.branch,
            cwd=cwd,
            labels={"project": agent.project},
        )
        self._feed.fire(agent.name, "user-message", text=f"{agent.title}, please.", by="prompt")

    def _finish(self) -> None:
        fire = self._feed.fire
        self._ago(61.2)
        for name, words in (("bench", "The cache answers in 40 µs."), ("icons", "24 icons.")):
            fire(name, "message", text=words)
            fire(name, "complete")
            fire(name, "ended", reason="it was left")
        self._ago(35.2)
        fire("report", "message", text="Wrote report.md; two points are open.")
        fire("report", "usage", input_tokens=91_000, output_tokens=3_100, cost_usd=0.41)
        fire("report", "complete")
        self._ago(22.2)
        fire("schema", "message", text="The table is split; the refresh token has its own.")
        fire("schema", "usage", input_tokens=240_000, output_tokens=9_800, cost_usd=1.92)
        fire("schema", "complete")
        self._ago(15.2)
        fire("flaky", "message", text="It is test_refresh_token: it fails at midnight.")
        fire("flaky", "complete")

    def _fail(self) -> None:
        self._ago(12.2)
        self._feed.fire("django-6", "error", reason="no room is left in the context")

    def _work(self) -> None:
        fire = self._feed.fire
        for minutes, name, tool in (
            (9.2, "crawler", "Bash: ./crawl --depth 4"),
            (3.2, "dutch", "Edit: locale/nl.po"),
        ):
            self._ago(minutes)
            fire(name, "tool-start", tool=tool.partition(":")[0], item="1", title=tool)
        self._ago(8.2)
        fire("login-fix", "thinking", text="The failing test is about a plus sign.")
        fire("login-fix", "tool-start", tool="Bash", item="1", title="Bash: pytest -q")
        self._ago(7.9)
        fire(
            "login-fix", "tool-done", tool="Bash", item="1", status="failed", output="1 failed"
        )
        fire("login-fix", "diff", diff=DIFF, path="auth.py")
        self._ago(6.2)
        fire("login-fix", "message", text=ANSWER)
        fire("login-fix", "usage", input_tokens=18_200, output_tokens=410, cost_usd=0.05)
        self._ago(5.2)
        fire("login-fix", "tool-start", tool="Bash", item="2", title="Bash: pytest tests")

    def _ask(self) -> None:
        self._ago(4.2)
        push = {"command": "git push --force origin feat/auth\nmake deploy STAGE=test"}
        self._permission("api-tests", "api", **push)
        self._ago(2.2)
        self._permission("clean-up", "site", command="rm -r src/legacy")
        self._ago(1.2)
        launch = {
            "agent": "echo",
            "id": "palette",
            "title": "Choose the shop's colours",
            "cwd": str(self.home),
            "prompt": QUESTION,
        }
        self._feed.ask("/sessions", launch)
        until(lambda: len(self._feed.ask("/approvals")) == 3)

    def _permission(self, name: str, project: str, **given: str) -> None:
        known = len(self._feed.ask("/approvals"))
        cwd = str(self.home / project)
        self._asking.append(self._feed.permission(name, cwd, **given))
        until(lambda: len(self._feed.ask("/approvals")) > known)

    def run(self, command: str, **environ: str) -> str:
        """Return what a command line prints at the terminal, with its looks."""
        ours, theirs = pty.openpty()
        env = {
            **clean_environ(self.home),
            "SXHOST_URL": self.host.url,
            "TERM": "xterm-256color",
            "TZ": "UTC",
            "COLUMNS": str(COLUMNS),
            "PAGER": "cat",
            "LC_ALL": "C.UTF-8",
            **environ,
        }
        words = shlex.split(command)
        assert words[0] == "sxhost"
        printed = b""
        with fork([SXHOST, *words[1:]], self.home, env, (theirs, theirs, theirs)) as process:
            os.close(theirs)
            with suppress(OSError):  # so ends a terminal
                while data := os.read(ours, 1 << 16):
                    printed += data
            process.wait(PATIENCE)
        os.close(ours)
        return printed.decode().replace("\r\n", "\n").replace(str(self.home), "/home/ada")

    def read(self, command: str) -> str:
        """Return the words that a command line prints."""
        shown = re.sub(r"\x1b\[[0-9;]*m", "", self.run(command, NO_COLOR="1"))
        shown = re.sub(r"\buser \d+ at ", "user 1000 at ", shown)
        return "".join(f"{line.rstrip()}\n" for line in shown.splitlines())

    def end(self) -> None:
        """Let the hooks that still wait have their answer."""
        for approval in self._feed.ask("/approvals"):
            path = f"/sessions/{approval['session']}/approvals/{approval['id']}"
            self._feed.ask(path, {"decision": "deny"})


@contextmanager
def played(place: Path) -> Iterator[Day]:
    """Play the day up to now, on a host of its own below `place`."""
    home, behind = place / "ada", place / "behind"
    for project in {"", *(agent.project for agent in AGENTS)}:
        (home / project).mkdir(parents=True, exist_ok=True)
    behind.write_text("0")
    command = [sys.executable, "-c", HOST, str(behind), "--nodaemon", "--pidfile=", "sxhost"]
    state = ["--port", "0", "--state-dir", str(place / "state")]
    with run([*command, *state], place, {}) as host:
        day = Day(home, host, behind)
        day.begin()
        yield day
        day.end()


def steps(text: str) -> list[Step]:
    """Return the commands of a page in order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    parts = (
        part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    )
    return [Step(command, output) for command, _, output in (p.partition("\n") for p in parts)]


def rewritten(text: str, printed: Callable[[str], str]) -> str:
    """Return a page with what its commands print now."""

    def block(found: re.Match[str]) -> str:
        commands = [step.command for step in steps(found[0])]
        shown = "".join(f"$ {command}\n{printed(command)}" for command in commands)
        return f"```console\n{shown}```"

    return re.sub(r"^```console\n.*?^```$", block, text, flags=re.MULTILINE | re.DOTALL)


VARIES: Final = (
    (re.compile(r"\b\d+(\.\d)? (s|min|h|d)\b|\bnow\b"), "AGE"),
    (re.compile(r"\b\d\d:\d\d(:\d\d)?\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DATE"),
    (re.compile(r" +|─+"), " "),
)


def steady(text: str) -> str:
    """Return a text in which what is another each time is the same: ages and times of day."""
    for pattern, name in VARIES:
        text = pattern.sub(name, text)
    return text
