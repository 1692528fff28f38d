"""Real agents for tests, without a network: each in a home of its own, with a fake model.

The programs are those that ``.ci/agents`` installs (in ``SXHOST_AGENTS``, else ``.agents``); a
test that uses the fixture `real_agents` is skipped where they are not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sxhost.model.turn import Launch
from tests.support.leftovers import end_leftovers, no_leftovers
from tests.support.places import TOP

__all__ = [
    "MODEL",
    "FakeModel",
    "RealAgent",
    "RealAgents",
    "agent_home",
    "fake_model",
    "real_agents",
]

PLACE = Path(os.environ.get("SXHOST_AGENTS") or TOP / ".agents").absolute()
PROGRAMS = ("codex", "claude", "pi", "pi-earendil", "pi-acp")
"""`pi` is the old one, 0.73.1; `pi-earendil` its successor, 0.87.1."""
MODEL = "fake-model"
KEY = "none"

# The model.


@dataclass(frozen=True)
class FakeModel:
    """A model that does as it is told (see `tests.support.model.fake_model`), in a process of
    its own.
    """

    url: str
    """Without a slash at the end, and without ``/v1``."""
    log: Path

    def notes(self, event: str, saying: str = "") -> list[dict[str, Any]]:
        """Return what it noted of an event (``request``, ``answer``), where that says this."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        notes = [json.loads(line) for line in lines if saying in line]
        return [note for note in notes if note["event"] == event]


@contextmanager
def running_model(log: Path) -> Iterator[FakeModel]:
    """Run a model; it ends with the block, and with this process."""
    command = [
        sys.executable,
        "-m",
        "tests.support.model.fake_model",
        "--until-eof",
        "--log",
        str(log),
    ]
    with subprocess.Popen(
        command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with closing(process.stdin):
            port = process.stdout.readline().removeprefix("PORT ").strip()
            yield FakeModel(f"http://127.0.0.1:{port}", log)


@pytest.fixture(scope="session")
def fake_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeModel]:
    """Run one model for all tests: prompts must differ where requests are counted."""
    with running_model(tmp_path_factory.mktemp("model") / "log") as model:
        yield model


# The agents.


@dataclass(frozen=True)
class RealAgent:
    """A program that is ready to be run: it finds the fake model and nothing of the user's."""

    driver: str
    command: Sequence[str]
    """What to name to its driver."""
    options: Sequence[str]
    """What its driver adds to that; by hand it is ours to say."""
    home: Path
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    """What is added to the environment of whoever runs it."""

    @property
    def argv(self) -> list[str]:
        """The whole line."""
        return [*self.command, *self.options]

    def launch(self, **more: Any) -> Launch:
        """Return how a host is told to start it."""
        return Launch(
            agent=self.driver,
            command=list(self.command),
            cwd=str(self.cwd),
            env=dict(self.env),
            **more,
        )

    def environ(self) -> dict[str, str]:
        """Return a whole environment, with nothing of ours but the language."""
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        return {**kept, **self.env}


@dataclass(frozen=True)
class RealAgents:
    """Prepares the agents of one place for one model; each wants a `home` that is empty."""

    place: Path
    model: FakeModel

    def make(self, name: str, home: Path) -> RealAgent:
        """Prepare one by its name (`PROGRAMS`)."""
        makers: dict[str, Callable[[Path], RealAgent]] = {
            "codex": self.codex,
            "claude": self.claude,
            "pi": self.pi,
            "pi-earendil": self.pi_earendil,
            "pi-acp": self.pi_acp,
        }
        return makers[name](home)

    def codex(self, home: Path, model: str = MODEL) -> RealAgent:
        """``codex app-server``; it warns in each turn that it does not know the model.

        `model` ``gpt-5.5`` avoids that, with the same tools and ``apply_patch`` beside them.
        """
        settings = CODEX_SETTINGS.format(model=model, url=self.model.url)
        write(home / ".codex" / "config.toml", settings)
        env = {"CODEX_HOME": str(home / ".codex")}
        return self._agent("codex", home, env, ["codex", "app-server"])

    def claude(self, home: Path) -> RealAgent:
        """Claude Code that speaks in lines and asks its host."""
        write(home / ".claude" / ".claude.json", json.dumps(self._claude_state(home)))
        env = {
            "ANTHROPIC_BASE_URL": self.model.url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CONFIG_DIR": str(home / ".claude"),
            "CLAUDE_CODE_MAX_RETRIES": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }
        return self._agent("claude", home, env, ["claude"], CLAUDE_OPTIONS)

    def _claude_state(self, home: Path) -> dict[str, Any]:
        """Return what spares an interactive claude its first questions."""
        return {
            "hasCompletedOnboarding": True,
            "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
            "projects": {str(home / "project"): {"hasTrustDialogAccepted": True}},
        }

    def pi(self, home: Path, *, asks: bool = False, program: str = "pi") -> RealAgent:
        """``pi --mode rpc``; if it `asks`, an extension has each call of a tool confirmed."""
        env = self._pi_home(home)
        if asks:
            write(home / ".pi" / "agent" / "extensions" / "asks.js", PI_ASKS)
        return self._agent("pi", home, env, [program], ["--mode", "rpc"])

    def pi_earendil(self, home: Path, *, asks: bool = False) -> RealAgent:
        """Return the new pi."""
        return self.pi(home, asks=asks, program="pi-earendil")

    def pi_acp(self, home: Path) -> RealAgent:
        """``pi-acp``: it runs the new pi behind ACP, and for ever waits for an old one."""
        # It asks npm at each start whether there is a newer pi, and waits for the answer.
        programs = {"npm": "/bin/false", "pi": self._program("pi-earendil")}
        for name, program in programs.items():
            (home / "bin").mkdir(parents=True, exist_ok=True)
            (home / "bin" / name).symlink_to(program)
        path = f"{home / 'bin'}{os.pathsep}{self._path()}"
        return self._agent("acp", home, {**self._pi_home(home), "PATH": path}, ["pi-acp"])

    def _pi_home(self, home: Path) -> dict[str, str]:
        place = home / ".pi" / "agent"
        models = {"fake": {**PI_PROVIDER, "baseUrl": f"{self.model.url}/v1"}}
        write(place / "models.json", json.dumps({"providers": models}))
        settings = {"quietStartup": True, "defaultProvider": "fake", "defaultModel": MODEL}
        write(place / "settings.json", json.dumps(settings))
        return {"PI_CODING_AGENT_DIR": str(place), "PI_OFFLINE": "1", "PI_TELEMETRY": "0"}

    def _agent(
        self,
        driver: str,
        home: Path,
        env: Mapping[str, str],
        command: Sequence[str],
        options: Sequence[str] = (),
    ) -> RealAgent:
        cwd = home / "project"
        for place in (cwd, home / "tmp"):
            place.mkdir(parents=True)
        words = [self._program(command[0]), *command[1:]]
        return RealAgent(driver, words, options, home, cwd, {**self._basics(home), **env})

    def _basics(self, home: Path) -> dict[str, str]:
        """Return what keeps any agent away from the user's files and from the network."""
        places = {"CACHE": ".cache", "CONFIG": ".config", "DATA": ".data", "STATE": ".state"}
        return {
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "PATH": self._path(),
            **{f"XDG_{name}_HOME": str(home / place) for name, place in places.items()},
            "NO_PROXY": "*",
            "no_proxy": "*",
        }

    def _program(self, name: str) -> str:
        return str(self.place / "bin" / name)

    def _path(self) -> str:
        return f"{self.place / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


CODEX_SETTINGS = """
model = "{model}"
model_provider = "fake"
check_for_update_on_startup = false
[features]
plugins = false
apps = false
[analytics]
enabled = false
[model_providers.fake]
name = "fake"
base_url = "{url}/v1"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
"""
"""Without the two features it would look up hosts of its vendor; retries would take long."""

CLAUDE_OPTIONS = (
    *("-p", "--verbose", "--include-partial-messages"),
    *("--input-format", "stream-json", "--output-format", "stream-json"),
    *("--permission-prompt-tool", "stdio"),
)

PI_PROVIDER: dict[str, Any] = {
    "api": "openai-completions",
    "apiKey": KEY,
    "models": [
        {
            "id": MODEL,
            "reasoning": True,
            "input": ["text"],
            "contextWindow": 100_000,
            "maxTokens": 8000,
            "cost": {"input": 1, "output": 2, "cacheRead": 0.1, "cacheWrite": 0},
        }
    ],
}

PI_ASKS = """
export default function (pi) {
  pi.on("tool_call", async (event, ctx) => {
    const what = JSON.stringify(event.input);
    if (await ctx.ui.confirm(`May it use ${event.toolName}?`, what)) return undefined;
    return { block: true, reason: "The user has said no." };
  });
}
"""


@pytest.fixture(scope="session")
def real_agents(request: pytest.FixtureRequest) -> RealAgents:
    """Prepare real agents; skip if they are not there."""
    absent = [name for name in PROGRAMS if not os.access(PLACE / "bin" / name, os.X_OK)]
    if absent:
        pytest.skip(f"no {', '.join(absent)} in {PLACE}: run .ci/agents")
    return RealAgents(PLACE, request.getfixturevalue("fake_model"))


# What they leave behind.


@pytest.fixture
def agent_home(tmp_path: Path) -> Iterator[Path]:
    """Give a home; the test fails if one of its processes is left at the end, and ends it."""
    home = tmp_path / "home"
    home.mkdir()
    try:
        yield home
        no_leftovers(home)
    finally:
        end_leftovers(home)
