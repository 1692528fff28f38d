"""A real agent's conversation goes from the host to a terminal and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.support.agents.real_agents import RealAgents
from tests.support.daemons import SXHOST
from tests.support.hooked_agents import (
    Bench,
    Terminal,
    hooked_claude,
    on_a_terminal,
)
from tests.support.hosts import Host, until

ENTER, CTRL_C, CLEAR_LINE = b"\r", b"\x03", b"\x15"


def session(bench: Bench) -> Any:
    return bench.ask("/sessions/mine")


def said(bench: Bench) -> list[str]:
    """Return what the agent has said, in order."""
    found = bench.ask("/sessions/mine/events")
    return [event["data"]["text"] for event in found if event["event"] == "message"]


def turn(bench: Bench, words: str) -> None:
    """Have the host give its agent a turn, and wait for the answer."""
    bench.ask("/sessions/mine/turns", {"input": f"SAY: {words}"})
    until(lambda: said(bench)[-1:] == [words])
    until(lambda: session(bench)["detail_state"] == "idle")


def type_line(terminal: Terminal, line: bytes, done: Callable[[], Any]) -> None:
    """Type a line and enter it once its last word is shown; anew where it was not heard."""
    terminal.press_until(CLEAR_LINE + line, lambda: line.split()[-1] in terminal.shown)
    terminal.press_until(ENTER, done)


def test_a_conversation_goes_to_a_terminal_and_back(
    real_agents: RealAgents, agent_home: Path, running_host: Host
) -> None:
    bench = hooked_claude(real_agents, agent_home, running_host)
    launch = bench.agent.launch(id="mine")
    bench.ask("/sessions", msgspec.to_builtins(launch))
    turn(bench, "one-4711")
    with on_a_terminal(bench, "take", "mine", program=str(SXHOST)) as terminal:
        until(lambda: b"one-4711" in terminal.shown)
        assert session(bench)["kind"] == "attached"
        type_line(terminal, b"SAY: zzz", lambda: said(bench)[-1:] == ["zzz"])
        terminal.press_until(CTRL_C, lambda: session(bench)["kind"] == "hosted")
    turn(bench, "three")
    assert said(bench) == ["one-4711", "zzz", "three"]
    names = [event["event"] for event in bench.ask("/sessions/mine/events")]
    assert names.count("handed-over") == 2
    assert [one["id"] for one in bench.ask("/sessions")] == ["mine"]
