"""Approvals at a terminal: a key for each, and many at once."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sxhost.cli.approval_desk import UNSEEN
from tests.process.test_cli import SXHOST, Shell, ask, is_refused, shell
from tests.process.test_cli_agents import asked
from tests.support.hosts import PATIENCE

__all__ = ["shell"]


@pytest.fixture
def session(shell: Shell) -> Iterator[str]:
    name = shell.session()
    ask(f"{shell.url}/sessions", {"agent": "echo", "id": name, "title": "Deploy"})
    yield name
    shell.run("rm", name)


def decision(shell: Shell, session: str, number: str) -> Any:
    known = ask(f"{shell.url}/sessions/{session}/approvals?all=1")
    (one,) = (one for one in known if one["id"] == int(number))
    return one["resolution"]


class Desk:
    """Somebody who answers what agents ask, a key for each."""

    def __init__(self, shell: Shell, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [SXHOST, "approvals", "-f", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "SXHOST_URL": shell.url, "COLUMNS": "80", "TERM": "dumb"},
        )
        os.close(theirs)
        self.seen = ""

    def until(self, words: str) -> str:
        while words not in self.seen:
            self.seen += os.read(self._ours, 4096).decode()
        before, _, self.seen = self.seen.partition(words)
        return before

    def press(self, key: str, until: str) -> str:
        """Press a key once, as late after a question as it counts: so would a second one."""
        time.sleep(UNSEEN)
        os.write(self._ours, key.encode())
        return self.until(until)

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    @property
    def terminal(self) -> int:
        return self._ours

    def rest(self) -> str:
        """Return what comes until the end, which has come."""
        try:
            while data := os.read(self._ours, 4096):
                self.seen += data.decode()
        except OSError:  # so ends a terminal
            os.close(self._ours)
        return self.seen

    def close(self) -> int:
        try:
            os.write(self._ours, b"q")
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            os.close(self._ours)


def test_a_key_answers_what_waits_and_what_comes(shell: Shell, session: str) -> None:
    first = asked(shell, session, "ASK: make one\nASK: make two")
    desk = Desk(shell)
    assert "Deploy" in desk.until("[q]uit > ")
    assert f"{session} {first}: approved by you" in desk.press("y", "[q]uit > ")
    desk.press("b", "because > ")
    desk.type("not today")
    desk.until("denied by you: not today")
    desk.until("Nobody waits for you.")
    assert desk.close() == 0
    assert decision(shell, session, first)["decision"] == "approve"


def test_what_others_decide_is_said(shell: Shell, session: str) -> None:
    number = asked(shell, session, "ASK: make one")
    desk = Desk(shell)
    desk.until("[q]uit > ")
    shell.output("deny", number, "somebody", "was faster")
    desk.until("denied by you: somebody was faster")
    desk.until("Nobody waits for you.")
    assert desk.close() == 0


def test_interrupt_leaves_the_terminal_as_it_was(shell: Shell, session: str) -> None:
    asked(shell, session, "ASK: make one")
    desk = Desk(shell)
    desk.until("[q]uit > ")
    assert not termios.tcgetattr(desk.terminal)[3] & termios.ICANON
    desk.process.send_signal(signal.SIGINT)
    assert desk.process.wait(PATIENCE) == 130
    assert termios.tcgetattr(desk.terminal)[3] & termios.ICANON
    assert "cannot" not in desk.rest()


def test_reason_of_a_denial_is_given_in_words(shell: Shell, session: str) -> None:
    number = asked(shell, session, "ASK: make one")
    shell.output("deny", session, number, "- use the test stage")
    assert decision(shell, session, number)["reason"] == "- use the test stage"


@pytest.mark.parametrize(
    "words",
    ["{n} --session", "--session {n}", "--session {s} {n}", "{s} --session {n}"],
)
def test_session_may_stand_before_or_behind_the_name(
    shell: Shell, session: str, words: str
) -> None:
    number = asked(shell, session, "ASK: make one")
    given = words.format(n=number, s=session).split()
    assert "approve_session" in shell.output("approve", *given)


def test_all_of_a_session_are_approved(shell: Shell, session: str) -> None:
    number = asked(shell, session, "ASK: make one")
    done = shell.output("approve", "--all", "--session", session)
    assert done == f"{session} approval {number}: approve\n"


def test_all_of_a_session_are_denied_with_a_reason(shell: Shell, session: str) -> None:
    number = asked(shell, session, "ASK: make two")
    shell.output("deny", "--all", "--session", session, "not", "now")
    assert decision(shell, session, number)["reason"] == "not now"


def test_question_is_not_among_all(shell: Shell, session: str) -> None:
    number = asked(shell, session, "QUESTION: Which?|a|b")
    done = shell.run("approve", "--all", "--session", session)
    is_refused(done, 1, f"{session} approval {number} is a question: answer it.")
    shell.output("answer", number, "2")


def test_all_wants_a_session(shell: Shell) -> None:
    is_refused(shell.run("approve", "--all"), 2, "name it with --session ID")
    is_refused(shell.run("deny", "--all", "no"), 2, "name it with --session ID")
    is_refused(shell.run("approve"), 2, "Missing argument")
    is_refused(shell.run("deny"), 2, "Missing argument")
