"""What an agent is called, by what starts it."""

from __future__ import annotations

import pytest

from sxhost.agents.launch_record import agent_name
from sxhost.model.turn import Launch


@pytest.mark.parametrize(
    ("agent", "command", "name"),
    [
        ("codex", None, "codex"),
        ("codex", ["/opt/other"], "codex"),
        ("opencode", None, "opencode"),
        ("acp", ["/opt/bin/opencode", "acp"], "opencode"),
        ("acp", ["gemini", "--acp"], "gemini"),
        ("acp", ["My Agent.sh"], "my-agent-sh"),
        ("acp", ["codex"], "codex-acp"),  # codexd's clients would take it for Codex
        ("acp", ["pi"], "pi-acp"),
        ("acp", ["npx", "-y", "@google/gemini-cli"], "acp"),
        ("acp", ["/usr/bin/python3.11", "agent.py"], "acp"),
        ("acp", ["node", "x.js"], "acp"),
        ("acp", ["/"], "acp"),
        ("acp", ["7zip"], "acp"),
        ("acp", ["a" * 5000], "a" * 48),
    ],
)
def test_agent_is_called_by_its_own_name(
    agent: str, command: list[str] | None, name: str
) -> None:
    assert agent_name(Launch(agent=agent, command=command)) == name
