"""Commands on many sessions, against a real host."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.process.test_cli import SXHOST, Shell, ask, shell
from tests.support.daemons import clean_environ
from tests.support.hosts import PATIENCE

__all__ = ["shell"]


@pytest.fixture
def team(shell: Shell) -> list[str]:
    """Return the ids of four sessions of a label: two of the host's, two that are attached."""
    label = shell.session()
    names = [f"{label}-{letter}" for letter in "abcd"]
    for name in names[:2]:
        ask(f"{shell.url}/sessions", {"agent": "echo", "id": name, "labels": {"team": label}})
    for name in names[2:]:
        fields = {"agent": "claude", "cwd": f"/srv/{label}/x", "labels": {"team": label}}
        ask(f"{shell.url}/sessions/{name}/register", fields)
    return names


def label_of(team: list[str]) -> str:
    return f"team:{team[0][:-2]}"


def left(shell: Shell, team: list[str]) -> list[str]:
    return [one["id"] for one in shell.lines("sessions", "--label", label_of(team))]


def test_many_are_named_and_failures_do_not_stop_the_others(
    shell: Shell, team: list[str]
) -> None:
    done = shell.run("rm", team[0], "none-such", team[2], team[0][:-1])
    assert done.returncode == 1
    assert sorted(done.stdout.splitlines()) == [f"{team[0]} forgotten", f"{team[2]} forgotten"]
    assert sorted(done.stderr.splitlines()) == [
        "2 forgotten, 2 failed.",
        "none-such: There is no session 'none-such'; register it, or fire its first event.",
        f"{team[0][:-1]}: It may be any of {', '.join(team)}.",
    ]
    assert left(shell, team) == [team[1], team[3]]


def test_many_are_chosen_by_filters(shell: Shell, team: list[str]) -> None:
    chosen = ("--label", label_of(team))
    assert shell.run("end", *chosen).stderr == "2 ended.\n"  # the attached ones cannot be
    again = shell.run("end", *chosen)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "No session matches.\n")
    place = team[0][:-2]
    none = shell.run("rm", "--dir", f"/srv/{place}", "--project", "y")
    assert (none.returncode, none.stderr) == (0, "No session matches.\n")
    gone = shell.run("rm", "--agent", "claude", "--dir", f"/srv/{place}")
    assert (gone.returncode, gone.stderr) == (0, "2 forgotten.\n")
    assert left(shell, team) == team[:2]


def test_interrupt_by_filter_is_about_active_sessions(shell: Shell, team: list[str]) -> None:
    shell.output("turn", team[0], "HANG")
    done = shell.run("interrupt", "--label", label_of(team))
    assert (done.returncode, done.stdout) == (0, f"{team[0]} interrupted\n")


def test_json_has_a_line_for_each(shell: Shell, team: list[str]) -> None:
    done = shell.run("end", "--json", team[0], team[2], "none-such")
    assert (done.returncode, done.stderr) == (1, "")
    told = {one["session"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert told[team[0]] == {"session": team[0], "ok": True}
    assert told[team[2]]["error"]["code"] == "not_hosted"
    assert told["none-such"]["error"]["code"] == "unknown_session"


@pytest.mark.parametrize("words", [["rm"], ["end"], ["rm", "x", "--label", "a:b"]])
def test_sessions_are_either_named_or_chosen(shell: Shell, words: list[str]) -> None:
    done = shell.run(*words)
    assert done.returncode == 2
    assert "Name sessions, or choose them by --state" in " ".join(done.stderr.split())


def at_a_terminal(home: Path, url: str, *words: str, typed: bytes) -> tuple[int, str]:
    """Return the exit status of a command at a terminal, and what that shows."""
    ours, theirs = pty.openpty()
    environ = {**clean_environ(home), "SXHOST_URL": url}
    with subprocess.Popen(
        [SXHOST, *words], stdin=theirs, stdout=theirs, stderr=theirs, cwd=home, env=environ
    ) as process:
        os.close(theirs)
        shown = b""
        while b"[y/N] " not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, typed)
        status = process.wait(PATIENCE)
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # so ends a terminal
            pass
    os.close(ours)
    return status, shown.decode().replace("\r\n", "\n")


def test_rm_asks_before_it_deletes_many(shell: Shell, team: list[str], tmp_path: Path) -> None:
    words = ("rm", "--label", label_of(team))
    for typed in (b"n\n", b"\n", b"\4"):
        status, shown = at_a_terminal(tmp_path, shell.url, *words, typed=typed)
        assert (status, left(shell, team)) == (1, team), shown
        assert "Delete these 4 sessions with their logs? [y/N] " in shown
        assert shown.endswith("Nothing was done.\n")
    status, shown = at_a_terminal(tmp_path, shell.url, *words, typed=b"y\n")
    assert (status, left(shell, team)) == (0, []), shown
    assert shown.endswith("4 forgotten.\n")


# Lists.


def test_lists_are_filtered(shell: Shell, team: list[str]) -> None:
    here = ("--label", label_of(team))
    for name in team[:2]:
        shell.output("turn", name, "ASK: make test")
    shell.output("events", team[1], "-f", "--types", "approval-requested", "--limit", "1")
    mine = shell.lines("approvals", "--agent", "echo", *here)
    assert {one["session"] for one in mine} == set(team[:2])
    assert shell.lines("approvals", "--agent", "claude", *here) == []
    shell.output("fire", team[2], "thinking")
    place = ("--dir", f"/srv/{team[0][:-2]}", "--after", "0", "--types", "thinking")
    with shell.start("tail", "--json", *place) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["session"] == team[2]
        shell.output("fire", f"{team[0]}-else", "thinking")
        shell.output("register", f"{team[0]}-new", "--cwd", f"/srv/{team[0][:-2]}")
        shell.output("fire", f"{team[0]}-new", "thinking")
        assert json.loads(process.stdout.readline())["session"] == f"{team[0]}-new"


def test_events_since_a_time(shell: Shell) -> None:
    name = shell.session()
    old = [{"event": "old", "ts": 1_000_000_000}, {"event": "new"}]
    ask(f"{shell.url}/sessions/{name}/events", old)
    told = shell.lines("events", name, "--since", "1h")
    assert [event["event"] for event in told] == ["new"]
    assert len(shell.lines("events", name, "--since", "2001-09-08")) == 2
    first = shell.lines("events", name, "--since", "2001-09-08", "--limit", "1")
    assert [event["event"] for event in first] == ["old"]
    live = shell.lines("events", name, "--since", "today", "-f", "--limit", "1")
    assert [event["event"] for event in live] == ["new"]
    assert shell.lines("events", name, "--since", "1h", "--after", "2") == []
    refused = shell.run("events", name, "--since", "noon")
    assert refused.returncode == 2
    assert "'noon' is no time such as 2h, 12:00" in " ".join(refused.stderr.split())
