"""The commands for hosted agents, against a real host."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import urlopen

import pytest

from sxhost.cli.agents import launch_from_options
from tests.process.test_cli import Shell, ask, shell
from tests.support.hosts import PATIENCE

__all__ = ["shell"]

NOTHING: dict[str, Any] = {
    "agent": "echo", "cwd": None, "command": None, "native": None, "env": (), "labels": (),
}  # fmt: skip


@pytest.fixture
def session(shell: Shell) -> str:
    """Return the id of a hosted session."""
    name = shell.session()
    ask(f"{shell.url}/sessions", {"agent": "echo", "id": name})
    return name


def wait_for(shell: Shell, session: str, types: str) -> None:
    """Wait for an event of some types."""
    url = f"{shell.url}/sessions/{session}/events?follow=1&after=0&types={types}"
    with urlopen(url, timeout=PATIENCE) as lines:
        next(line for line in lines if "frame" not in json.loads(line))


def ended(shell: Shell, session: str) -> str:
    """Wait for the end of a turn; return how it ended."""
    wait_for(shell, session, "complete,error")
    return str(ask(f"{shell.url}/sessions/{session}")["turn"]["status"])


def asked(shell: Shell, session: str, script: str) -> str:
    """Have an agent ask; return the number of the approval."""
    ask(f"{shell.url}/sessions/{session}/turns", {"input": script})
    wait_for(shell, session, "approval-requested")
    (approval,) = ask(f"{shell.url}/sessions/{session}/approvals")
    return str(approval["id"])


def test_launch_options_become_the_launch() -> None:
    launch = launch_from_options(
        "hello",
        {
            **NOTHING,
            "env": ("A=b=c", "D="),
            "labels": ("team:x:y",),
            "command": "codex 'app server'",
            "native": '{"x": [1]}',
        },
    )
    assert launch.env == {"A": "b=c", "D": ""}
    assert launch.labels == {"team": "x:y"}
    assert launch.command == ["codex", "app server"]
    assert (launch.native, launch.prompt) == ({"x": [1]}, "hello")
    assert launch.cwd is not None
    assert launch.cwd.startswith("/")


@pytest.mark.parametrize("wrong", [("--command", "'"), ("--native", "{"), ("--native", "[]")])
def test_malformed_launch_options_are_refused(shell: Shell, wrong: tuple[str, str]) -> None:
    done = shell.run("new", "--agent", "echo", *wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be understood" in done.stderr


def test_new_starts_an_agent_in_the_given_directory(shell: Shell) -> None:
    name = shell.session()
    words = ("--agent", "echo", "--id", name, "--label", "team:x", "--title", "A demo")
    shell.output("new", *words, "hello")
    view = shell.json("show", name)
    assert (view["kind"], view["title"], view["labels"]) == ("hosted", "A demo", {"team": "x"})
    assert ended(shell, name) == "completed"


def test_a_first_turn_may_come_from_a_pipe(shell: Shell) -> None:
    name = shell.session()
    shell.output("new", "--agent", "echo", "--id", name, "-", stdin=b"SAY: piped")
    assert ended(shell, name) == "completed"
    assert "piped" in shell.output("events", name)


def test_turn_steer_interrupt(shell: Shell, session: str) -> None:
    assert f"{session} turn 1: " in shell.output("turn", session, "HANG")
    assert shell.run("turn", session, "more").returncode == 1
    assert shell.output("steer", session, "SAY: left\nHANG") == f"{session} steered\n"
    assert shell.output("interrupt", session) == f"{session} interrupted\n"
    assert ended(shell, session) == "interrupted"
    refused = shell.run("interrupt", session)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "No turn" in refused.stderr


def test_approve_decides_once_and_a_later_deny_is_refused(shell: Shell, session: str) -> None:
    number = asked(shell, session, "ASK: make test")
    assert "make test" in shell.output("approvals")
    output = shell.output("approve", session, number, "--reason", "fine")
    assert output == f"{session} approval {number}: approve\n"
    assert ended(shell, session) == "completed"
    late = shell.run("deny", session, number)
    assert late.returncode == 1


def test_deny_cancel_decides_cancel(shell: Shell, session: str) -> None:
    number = asked(shell, session, "ASK: make test")
    assert ": cancel" in shell.output("deny", session, number, "--cancel")
    ended(shell, session)


def test_approve_sends_answers_to_inquiries(shell: Shell, session: str) -> None:
    number = asked(shell, session, "QUESTION: Which? | red | blue")
    (one,) = (a for a in shell.lines("approvals") if a["session"] == session)
    name = one["inquiries"][0]["id"]
    shell.output("approve", session, number, "--answer", f"{name}=blue")
    assert ended(shell, session) == "completed"
    assert "blue" in shell.output("events", session, "--types", "message")


def test_approvals_all_lists_closed_ones_too(shell: Shell, session: str) -> None:
    number = asked(shell, session, "ASK: make test")
    shell.output("approve", session, number, "--session")
    (line,) = (x for x in shell.output("approvals", "--all").splitlines() if session in x)
    assert line.split()[:3] == [session, number, "approve_session"]


def test_words_may_begin_with_a_dash(shell: Shell) -> None:
    """Of every command that takes some; the values of options may, too."""
    words = "- fix this"
    attached, hosted = shell.session(), shell.session()
    shell.json("register", attached, "--title", words)
    assert shell.json("show", attached)["title"] == words
    shell.json("send", attached, words)
    shell.json("fire", attached, "note", words)
    shell.json("fire", attached, "number", "-5", "--raw")
    assert [message["content"] for message in shell.lines("pull", attached)] == [words]
    shown = shell.lines("events", attached, "--types", "note,number")
    assert [event["data"] for event in shown] == [words, -5]
    shell.json("new", "--agent", "echo", "--id", hosted, words)
    assert ended(shell, hosted) == "completed"
    shell.json("turn", hosted, words)
    assert shell.run("steer", hosted, words).returncode in (0, 1)
    assert words in shell.run("run", "--agent", "echo", words, "--rm").stdout
    asker = shell.session()
    ask(f"{shell.url}/sessions", {"agent": "echo", "id": asker})
    number = asked(shell, asker, "ASK: make test")
    denied = shell.json("deny", asker, number, "--reason", words)
    assert denied["resolution"]["reason"] == words
