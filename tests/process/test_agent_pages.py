"""The pages of `docs/agents.md`, run with the real agents: each line does what it says."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.house.test_docs import section
from tests.house.test_readme import BIN, blocks, lines
from tests.support.agents.real_agents import RealAgent, RealAgents
from tests.support.hosts import PATIENCE, StartHost
from tests.support.leftovers import no_leftovers
from tests.support.places import TOP

HELLO = "Say hello"


def commands_of(title: str) -> list[str]:
    """Return the lines of an agent's page that are to be typed."""
    page = section("docs/agents.md", f"## {title}")
    shown = "\n".join(blocks("docs/agents.md", "sh"))
    return [line for line in lines(shown) if line in page.splitlines()]


def typed(agent: RealAgent, url: str, line: str) -> str:
    """Return what a line prints that is typed where the agent is."""
    env = agent.environ()
    path = f"{BIN}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        line,
        shell=True,
        cwd=agent.cwd,
        env={**env, "PATH": path, "PYTHONPATH": str(TOP), "SXHOST_URL": url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize(
    ("title", "name"), [("Claude Code", "claude"), ("Codex", "codex"), ("pi", "pi")]
)
def test_each_line_of_an_agents_page_works(
    real_agents: RealAgents, agent_home: Path, start_host: StartHost, title: str, name: str
) -> None:
    agent = real_agents.make(name, agent_home)
    path = f"{real_agents.place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    host = start_host("--port", "0", environ={**agent.environ(), "PATH": path})
    commands = commands_of(title)
    outputs = {line: typed(agent, host.url, line) for line in commands}
    for line in commands:
        if HELLO in line and " new " not in line:
            assert HELLO in outputs[line], line
    for line in commands:
        if line.startswith("sxhost hook status"):
            assert f"{name:<7} {agent_home}" in outputs[line]
            assert "PermissionRequest" in outputs[line]
    assert any(" run --agent " in line for line in commands)
    left = [s["agent"] for s in json.loads(urlopen(f"{host.url}/sessions").read())]
    assert set(left) == {name}, "the page's own sessions are forgotten by rm"
    host.stop()
    no_leftovers(agent_home, PATIENCE)
