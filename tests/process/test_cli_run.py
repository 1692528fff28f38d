"""``sxhost run`` at a terminal and without one, against a real host."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from sxhost.cli.approval_prompts import ApprovalPrompt
from sxhost.cli.terminal import HostLink
from sxhost.cli.turns import TurnFollower
from sxhost.model.approval import Approval, Inquiry, Option, Resolution
from sxhost.testing import result_of
from tests.host.faces.test_readers import Asked, Stream, event
from tests.process.test_cli import SXHOST, Shell, ask, is_refused, shell
from tests.support.hosts import PATIENCE, until

__all__ = ["shell"]


# What is asked, and what keys mean.


def asking(choices: list[str], inquiries: list[Inquiry] | None = None) -> ApprovalPrompt:
    return ApprovalPrompt(
        Approval(
            id=1,
            session="a",
            kind="command",
            title="t",
            detail={},
            choices=choices,
            opened_ms=0,
            expires_ms=None,
            native=None,
            inquiries=inquiries or [],
            key="k",
        )
    )


ALL = ["approve", "approve_session", "deny", "cancel"]


def test_only_possible_choices_are_offered() -> None:
    assert asking(ALL).prompt == "  [y]es [a]lways [n]o [c]ancel > "
    assert asking(["approve", "later", "deny"]).prompt == "  [y]es [n]o 1 later > "


@pytest.mark.parametrize(
    ("words", "decision"),
    [
        ("y", "approve"),
        ("Yes", "approve"),
        ("a", "approve_session"),
        ("no", "deny"),
        ("c", "cancel"),
        ("approve_session", "approve_session"),
        ("", None),
        ("x", None),
    ],
)
def test_key_or_word_decides(words: str, decision: str | None) -> None:
    answer = asking(ALL).parse_line(words)
    assert (answer and answer.decision) == decision


def test_unknown_choice_is_refused() -> None:
    assert asking(["approve", "deny"]).parse_line("a") is None
    later = asking(["approve", "later"]).parse_line("later")
    assert later is not None
    assert later.decision == "later"


def test_inquiries_are_asked_one_by_one() -> None:
    inquiries = [
        Inquiry(id="colour", text="Which?", options=[Option("red"), Option("blue")]),
        Inquiry(id="why", text="Why?"),
    ]
    ask_ = asking(["approve", "cancel"], inquiries)
    assert ask_.prompt == "  Which? 1 red / 2 blue > "
    assert ask_.parse_line("red") is None
    assert ask_.prompt == "  Why? > "
    assert ask_.parse_line("") is None, "nothing is no answer"
    answer = ask_.parse_line("it is warm")
    assert answer is not None
    assert answer.answers == {"colour": "red", "why": "it is warm"}


# What is asked is what the host says, whatever an event does.


def test_shown_approval_has_what_the_host_knows(capsys: pytest.CaptureFixture[str]) -> None:
    first = replace(asking(ALL).approval, title="rm -rf /")
    second = replace(first, id=2, title="make test")
    decided = Resolution(decision="deny", by="policy tests", at_ms=0)
    closed = replace(first, id=3, title="git push", state="answered", resolution=decided)
    ride = TurnFollower(HostLink("http://x", json=False), "a", background=True)
    forged = event("approval-requested", {**asdict(first), "title": "ls -la"})
    of_nothing = event("approval-requested", {"id": 9, "title": "ls -la"})
    stream: Any = Stream(forged, of_nothing, event("complete", "a text"))
    host: Any = Asked(first, second, closed)
    assert result_of(ride.follow(host, stream)) == "failed"
    assert capsys.readouterr().out.splitlines() == [
        "? command: git push",
        "deny (policy tests)",
        "? command: rm -rf /",
        "  sxhost approve 1",
        "? command: make test",
        "  sxhost approve 2",
    ]


TASKS = [{"id": "b1", "kind": "command", "title": "npm test"}]
ENDED = {"turn": 1, "status": "completed"}


@pytest.mark.parametrize(
    "more",
    [
        [("background", {"tasks": []})],
        [("turn-started", {"turn": 2}), ("background", {"tasks": []}), ("complete", ENDED)],
        [("ended", {"reason": "it was stopped"})],
    ],
    ids=["ends", "ends in a turn", "dies"],
)
def test_run_waits_for_what_runs_in_the_background(
    more: list[tuple[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    ride = TurnFollower(HostLink("http://x", json=False), "a", background=True)
    begun = [event("background", {"tasks": TASKS}), event("complete", ENDED)]
    told = [event(name, data) for name, data in more]
    stream: Any = Stream(*begun, *told, event("message-delta", {"text": "too late"}))
    host: Any = Asked()
    status = result_of(ride.follow(host, stream))
    assert status == ("failed" if more[0][0] == "ended" else "completed")
    shown = capsys.readouterr()
    assert "(in the background: npm test)" in shown.err
    assert "too late" not in shown.out


# The command.


def test_run_prints_the_answer_and_ends_with_the_turn(shell: Shell) -> None:
    done = shell.run("run", "--agent", "echo", "--id", "poem", "Roses are red.")
    assert (done.returncode, done.stdout) == (0, "Roses are red.\n")
    assert done.stderr == "poem: echo echo\n(completed)\n"
    assert shell.json("show", "poem")["turn"]["status"] == "completed"


def test_run_whose_output_nobody_reads_ends_quietly(shell: Shell) -> None:
    with shell.start("run", "--agent", "echo", "x") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 1
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_run_of_a_failed_turn_exits_nonzero(shell: Shell) -> None:
    done = shell.run("run", "--agent", "echo", "--rm", "FAIL the model is gone")
    assert done.returncode == 1
    assert "(the model is gone)" in done.stderr


def test_run_fails_if_the_agent_does_not_start(shell: Shell) -> None:
    done = shell.run("run", "--agent", "echo", "--native", '{"start":"fail"}', "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not to start" in done.stderr


def test_run_fails_if_the_agent_dies(shell: Shell) -> None:
    done = shell.run("run", "--agent", "echo", "--rm", "CRASH")
    assert done.returncode == 1
    assert "(the agent's process has ended in the middle of it)" in done.stderr


def test_run_ends_the_agent_and_keeps_its_log(shell: Shell) -> None:
    shell.run("run", "--agent", "echo", "--id", "over", "hello")
    assert shell.json("show", "over")["rest"] == "ended"
    assert shell.lines("events", "over")[-1]["event"] == "ended"
    assert shell.json("turn", "over", "again")["turn"]["id"] == 2


def test_run_keep_leaves_the_agent_running(shell: Shell) -> None:
    shell.run("run", "--agent", "echo", "--id", "kept", "--keep", "hello")
    assert shell.json("show", "kept")["last_event"] == "complete"
    assert shell.run("run", "--agent", "echo", "--keep", "--rm", "hello").returncode == 2


def test_run_ends_an_agent_that_refuses_its_turn(shell: Shell) -> None:
    done = shell.run("run", "--agent", "echo", "--id", "bare", "")
    assert done.returncode != 0
    assert shell.json("show", "bare")["rest"] == "ended"


def test_end_ends_an_agent_and_prune_forgets_what_is_over(shell: Shell) -> None:
    shell.output("register", "lives", "--label", "room:prune")
    shell.output("register", "over-a", "--label", "room:prune")
    shell.output("fire", "over-a", "ended", '{"reason":"it was done"}', "--raw")
    for session in ("over-b", "works"):
        shell.output("new", "--agent", "echo", "--id", session, "--label", "room:prune")
    assert shell.output("end", "over-b") == "over-b ended\n"
    assert shell.run("end", "lives").returncode == 1
    only = ("prune", "--label", "room:prune")
    would = "over-a would be forgotten\nover-b would be forgotten\n"
    assert shell.output(*only, "--dry-run") == would
    done = shell.run(*only)
    assert sorted(done.stdout.splitlines()) == ["over-a forgotten", "over-b forgotten"]
    assert (done.returncode, done.stderr) == (0, "2 forgotten.\n")
    left = shell.lines("sessions", "--label", "room:prune")
    assert [session["id"] for session in left] == ["lives", "works"]
    assert shell.run(*only).stderr == "No session matches.\n"


@pytest.mark.parametrize("command", ["run", "new"])
def test_slow_start_says_at_a_terminal_what_is_waited_for(shell: Shell, command: str) -> None:
    slow = ("--native", '{"start":"slow","slow_ms":1000}')
    terminal = Terminal(shell, command, "--agent", "echo", *slow, "hello")
    terminal.until("Waiting until the agent is ready for its first turn ...")
    terminal.until("(completed)")
    assert terminal.close() == 0
    done = shell.run(command, "--agent", "echo", *slow, "hello")
    assert (done.returncode, "Waiting" in done.stderr) == (0, False)


def test_slow_wake_says_at_a_terminal_what_is_waited_for(shell: Shell) -> None:
    slow = ("--native", '{"start":"slow","slow_ms":1000}')
    shell.run("run", "--agent", "echo", "--id", "sleepy", *slow, "hello")
    terminal = Terminal(shell, "turn", "sleepy", "again")
    terminal.until("Waiting until the agent of sleepy runs ...")
    terminal.until("(completed)")
    assert terminal.close() == 0


def test_a_start_that_is_interrupted_leaves_nothing(shell: Shell) -> None:
    slow = ("--native", '{"start":"slow","slow_ms":60000}')
    terminal = Terminal(shell, "run", "--agent", "echo", "--id", "never", *slow, "hello")
    terminal.until("Waiting until")
    terminal.process.send_signal(signal.SIGINT)
    terminal.until("Its start was given up: no agent goes on.")
    assert terminal.close() == 130
    until(lambda: shell.run("show", "never").returncode == 1)


def test_run_rm_forgets_the_session(shell: Shell) -> None:
    shell.run("run", "--agent", "echo", "--id", "brief", "--rm", "hello")
    assert shell.run("show", "brief").returncode == 1


def test_run_json_prints_events(shell: Shell) -> None:
    done = shell.run("run", "--agent", "echo", "--json", "-", stdin=b"RUN: make")
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events[0] == "started"
    assert events[-1] == "complete"
    assert "tool-done" in events


def test_run_escapes_control_characters_of_the_agent(shell: Shell) -> None:
    done = shell.run("run", "--agent", "echo", "--rm", "SAY: \x1b[31mred\x07")
    assert "\x1b" not in done.stdout
    assert "red" in done.stdout


def test_run_without_a_terminal_prints_how_to_answer(shell: Shell) -> None:
    words = ("run", "--agent", "echo", "--id", "asks", "ASK: make test")
    with shell.start(*words) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        hint = next(line for line in lines if "sxhost approve" in line)
        shell.output(*hint.split()[-2:])
        assert process.wait(PATIENCE) == 0


def test_run_without_a_terminal_prints_how_to_answer_a_question(shell: Shell) -> None:
    with shell.start("run", "--agent", "echo", "QUESTION: Which? | red | blue") as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert next(line for line in lines if "1 red" in line) == "  Which? 1 red / 2 blue\n"
        words = next(lines).split()
        assert (words[:2], words[3]) == (["sxhost", "answer"], "CHOICE")
        refused = shell.run("approve", words[2])
        assert refused.returncode == 1
        assert "no answer: Which? (1 red, 2 blue)." in refused.stderr
        assert f"sxhost answer {words[2]} CHOICE" in refused.stderr
        shell.output("answer", words[2], "2")
        assert process.stdout.read() == "approve (own)\nanswer: blue\n"
        assert process.wait(PATIENCE) == 0


class Terminal:
    """Someone who types at a command that runs."""

    def __init__(
        self, shell: Shell, *words: str, command: Sequence[str] = (SXHOST,), **environ: str
    ) -> None:
        self._master, slave = pty.openpty()
        given = {"SXHOST_URL": shell.url, "HOME": "/nonexistent", **environ}
        self.process = subprocess.Popen(
            [*command, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, **given},
        )
        os.close(slave)
        self.seen = ""

    def until(self, words: str) -> None:
        while words not in self.seen:
            came, _, _ = select.select([self._master], [], [], PATIENCE)
            assert came, f"{words!r} has not come, but: {self.seen!r}"
            self.seen += os.read(self._master, 4096).decode()
        self.seen = self.seen.partition(words)[2]

    def type(self, words: str) -> None:
        self.press(f"{words}\n".encode())

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> int:
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            os.close(self._master)


def test_run_at_a_terminal_asks_for_the_decision(shell: Shell) -> None:
    script = "ASK: make test\nQUESTION: Which? | red | blue"
    terminal = Terminal(shell, "run", "--agent", "echo", "--id", "typed", script)
    terminal.until("[y]es")
    terminal.type("what?")
    terminal.until("[y]es")
    terminal.type("y")
    terminal.until("1 red / 2 blue > ")
    terminal.type("2")
    terminal.until("(completed)")
    assert terminal.close() == 0
    closed = shell.lines("approvals", "--all")
    decided = [one["resolution"]["decision"] for one in closed if one["session"] == "typed"]
    assert decided == ["approve", "approve"]
    (answers,) = (
        a["resolution"].get("answers")
        for a in closed
        if a["session"] == "typed" and a["inquiries"]
    )
    assert answers == {"answer": "blue"}


def test_run_accepts_a_decision_from_elsewhere(shell: Shell) -> None:
    terminal = Terminal(shell, "run", "--agent", "echo", "--id", "slow", "ASK: make test")
    terminal.until("[y]es")
    (one,) = (a for a in shell.lines("approvals") if a["session"] == "slow")
    ask(f"{shell.url}/sessions/slow/approvals/{one['id']}", {"decision": "deny"})
    terminal.until("deny (own)")
    terminal.until("(completed)")
    assert terminal.close() == 0


# A session that is there goes on.


@pytest.mark.parametrize("state", ["idle", "ended", "kept running"])
def test_run_goes_on_with_a_session(shell: Shell, state: str) -> None:
    name = shell.session()
    shell.run("run", "--agent", "echo", "--id", name, "hello", "--keep")
    if state == "ended":
        shell.output("end", name)
    words = ("run", "--agent", "echo", "--title", "T") if state == "idle" else ("run",)
    done = shell.run(*words, "--id", name, "again")
    assert (done.returncode, done.stdout) == (0, "again\n")
    assert done.stderr.endswith(f"{name}: echo echo\n(completed)\n")
    told = f"{name} goes on; --title would be for a new session.\n"
    assert (told in done.stderr) == (state == "idle")
    shown = shell.json("show", name)
    assert shown["turn"]["id"] == 2
    assert shown["rest"] == ("ended" if state == "ended" else "")  # it ends what it began


def test_run_says_why_a_session_does_not_go_on(shell: Shell) -> None:
    attached, hosted = shell.session(), shell.session()
    shell.output("register", attached)
    shell.output("new", "--agent", "echo", "--id", hosted)
    is_refused(shell.run("run", "hi"), 2, "Missing option '--agent', or '--id' of a session")
    is_refused(shell.run("run", "--id", "none-such", "hi"), 2, "name that with --agent.")
    other = shell.run("run", "--id", hosted, "--agent", "codex", "hi")
    is_refused(other, 2, f"{hosted} is a session of echo, not of codex.")
    done = shell.run("run", "--id", attached, "hi")
    assert (done.returncode, "is not run by this host" in done.stderr) == (1, True)
    shell.output("turn", hosted, "HANG")
    busy = shell.run("run", "--id", hosted, "hi")
    assert (busy.returncode, f"A turn is running in '{hosted}'" in busy.stderr) == (1, True)
    assert shell.json("show", hosted)["turn"]["status"] == "running"


# `turn` and `new` wait at a terminal.


def test_new_and_turn_show_the_answer_at_a_terminal(shell: Shell) -> None:
    name = shell.session()
    terminal = Terminal(shell, "new", "--agent", "echo", "--id", name, "ASK: make test")
    terminal.until(f"{name}: echo echo")
    terminal.until("[y]es")
    terminal.type("y")
    terminal.until("(completed)")
    assert terminal.close() == 0
    terminal = Terminal(shell, "turn", name, "FAIL no")
    terminal.until("(no)")
    assert terminal.close() == 1
    terminal = Terminal(shell, "turn", name, "--no-wait", "hello")
    terminal.until(f"{name} turn 3: ")
    assert terminal.close() == 0
    terminal = Terminal(shell, "new", "--agent", "echo", "--id", f"{name}-2")
    terminal.until(f"{name}-2")
    assert terminal.close() == 0


def test_wait_shows_the_answer_without_a_terminal(shell: Shell) -> None:
    name = shell.session()
    done = shell.run("new", "--wait", "--agent", "echo", "--id", name, "hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")
    done = shell.run("turn", name, "--wait", "FAIL no")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "(no)\n")
    events = shell.lines("turn", name, "--wait", "again")
    assert (events[0]["event"], events[-1]["event"]) == ("turn-started", "complete")


def test_interrupting_a_turn_that_is_waited_for_leaves_it_running(shell: Shell) -> None:
    name = shell.session()
    words = ("new", "--wait", "--agent", "echo", "--id", name, "RUN: make\nHANG")
    with shell.start(*words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "$ make\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        told = f"The turn goes on; to stop it: sxhost interrupt {name}\n"
        assert process.stderr.read().endswith(told)
    assert shell.json("show", name)["turn"]["status"] == "running"


@pytest.mark.parametrize(
    ("option", "rest", "told"),
    [
        ("--rm", None, "{} was ended and deleted."),
        ("--keep", "", "The agent of {0} goes on: sxhost log {0} -f"),
        ("", "ended", "The agent of {} was ended."),
    ],
)
def test_interrupting_run_interrupts_the_turn_and_says_what_is_so(
    shell: Shell, option: str, rest: str | None, told: str
) -> None:
    name = shell.session()
    words = ("run", *filter(None, [option]), "--agent", "echo", "--id", name)
    with shell.start(*words, "RUN: make\nHANG") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "$ make\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read().endswith(f"\n{told.format(name)}\n")
    if rest is None:
        assert shell.run("show", name).returncode == 1
    else:
        shown = shell.json("show", name)
        assert (shown["turn"]["status"], shown["rest"]) == ("interrupted", rest)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_run_that_is_ended_ends_its_agent(shell: Shell, how: signal.Signals) -> None:
    words = ("run", "--agent", "echo", "--id", how.name.lower(), "RUN: make\nHANG")
    with shell.start(*words) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "$ make\n"
        process.send_signal(how)
        process.wait(PATIENCE)
    assert shell.json("show", how.name.lower())["rest"] == "ended"
