"""``sxhost chat``: a conversation line by line, at a terminal and over pipes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.process.test_cli import Shell, ask, shell
from tests.process.test_cli_run import Terminal
from tests.support.hosts import StartHost

__all__ = ["shell"]

CTRL_D = b"\4"


@pytest.fixture
def session(shell: Shell) -> str:
    """Return the id of a session of an agent that does what it is told."""
    name = shell.session()
    ask(f"{shell.url}/sessions", {"agent": "echo", "id": name, "cwd": "/"})
    return name


def prompts(shell: Shell, session: str) -> list[str]:
    return [
        event["data"]["text"]
        for event in shell.lines("events", session, "--types", "user-message")
    ]


def test_each_line_is_a_turn(shell: Shell, session: str) -> None:
    terminal = Terminal(shell, "chat", session)
    terminal.until(f"{session}: echo echo in /\r\n")
    terminal.until("> ")
    terminal.type("hello")
    terminal.until("hello\r\n")  # the terminal's echo
    terminal.until("hello\r\n")
    terminal.until("> ")
    terminal.type("FAIL the model is gone")
    terminal.until("(the model is gone)")
    terminal.until("> ")
    terminal.type("")
    terminal.until("> ")
    terminal.type("/quit")
    assert terminal.close() == 0
    assert prompts(shell, session) == ["hello", "FAIL the model is gone"]
    assert shell.json("show", session)["rest"] == ""


def test_what_the_agent_asks_is_asked_in_the_conversation(shell: Shell, session: str) -> None:
    terminal = Terminal(shell, "chat", session)
    terminal.until("> ")
    terminal.type("ASK: make test")
    terminal.until("[y]es")
    terminal.type("y")
    terminal.until("approve (own)")
    terminal.until("> ")
    terminal.type("/quit")
    assert terminal.close() == 0


def test_what_was_asked_before_is_asked_at_once(shell: Shell, session: str) -> None:
    shell.output("turn", session, "QUESTION: Which? | red | blue")
    shell.output("events", session, "-f", "--types", "approval-requested", "--limit", "1")
    terminal = Terminal(shell, "chat", session)
    terminal.until("1 red / 2 blue > ")
    terminal.type("2")
    terminal.until("answer: blue")
    terminal.until("> ")
    terminal.press(CTRL_D)
    assert terminal.close() == 0


def test_interrupt_stops_the_turn_and_leaves_the_second_time(
    shell: Shell, session: str
) -> None:
    terminal = Terminal(shell, "chat", session)
    terminal.until("> ")
    terminal.type("HANG")
    shell.output("events", session, "-f", "--types", "turn-started", "--limit", "1")
    terminal.process.send_signal(signal.SIGINT)
    terminal.until("(interrupted)")
    terminal.until("> ")
    terminal.process.send_signal(signal.SIGINT)
    terminal.until("(Ctrl-C again leaves, and so does /quit)")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.close() == 130


def test_leaving_in_a_turn_says_that_it_goes_on(shell: Shell, session: str) -> None:
    terminal = Terminal(shell, "chat", session)
    terminal.until("> ")
    terminal.type("HANG")
    shell.output("events", session, "-f", "--types", "turn-started", "--limit", "1")
    terminal.type("/quit")
    terminal.until(f"{session} goes on: sxhost chat {session} comes back.")
    assert terminal.close() == 0
    assert shell.json("show", session)["turn"]["status"] == "running"
    shell.output("interrupt", session)


def test_words_while_a_turn_runs_are_a_message(shell: Shell, session: str) -> None:
    terminal = Terminal(shell, "chat", session)
    terminal.until("> ")
    terminal.type("HANG")
    shell.output("events", session, "-f", "--types", "turn-started", "--limit", "1")
    terminal.type("and this")
    terminal.until("(given to its agent now)")
    terminal.until("> ")
    terminal.type("/quit")
    assert terminal.close() == 0
    assert prompts(shell, session) == ["HANG", "and this"]


def test_pasted_lines_are_one_turn(shell: Shell, session: str) -> None:
    terminal = Terminal(shell, "chat", session)
    terminal.until("> ")
    terminal.press(b"first\n\nsecond\nlast")
    terminal.until("(3 lines: Enter sends them, Ctrl-C drops them)")
    terminal.type("")
    terminal.until("> ")
    terminal.press(b"a\nb\n")
    terminal.until("(2 lines")
    terminal.process.send_signal(signal.SIGINT)
    terminal.until("(dropped)")
    terminal.until("> ")
    terminal.press(CTRL_D)
    assert terminal.close() == 0
    assert prompts(shell, session) == ["first\n\nsecond\nlast"]


def test_an_attached_agent_gets_messages_and_you_are_told_when(shell: Shell) -> None:
    name = shell.session()
    ask(f"{shell.url}/sessions/{name}/register", {"agent": "custom"})
    terminal = Terminal(shell, "chat", name)
    terminal.until("> ")
    terminal.type("how far are you?")
    terminal.until("(queued: heard when its agent asks for messages)")
    assert [one["content"] for one in shell.lines("pull", name)] == ["how far are you?"]
    terminal.until("> ")
    events = [
        {"event": "user-message", "data": {"text": "how far are you?", "by": "prompt"}},
        {"event": "user-message", "data": {"text": "typed elsewhere", "by": "prompt"}},
        {"event": "message", "data": {"text": "half way"}},
        {"event": "complete"},
    ]
    ask(f"{shell.url}/sessions/{name}/events", events)
    terminal.until("> typed elsewhere")
    terminal.until("half way\r\n")
    shell.output("rm", name)
    terminal.until("The end: ")
    assert terminal.close() == 1


def test_lines_of_a_pipe_are_turns_one_after_the_other(shell: Shell, session: str) -> None:
    done = shell.run("chat", session, stdin=b"SLOW 3 10\n\ntwo\nlast, without a line break")
    assert (done.returncode, done.stderr) == (0, f"{session}: echo echo in /\n")
    assert done.stdout == "piece-1 piece-2 piece-3 \ntwo\nlast, without a line break\n"
    assert prompts(shell, session) == ["SLOW 3 10", "two", "last, without a line break"]
    failed = shell.run("chat", session, stdin=b"FAIL no\n")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert shell.run("chat", session).returncode == 0


def test_chat_with_a_session_that_is_not_there(shell: Shell) -> None:
    done = shell.run("chat", "none-such", stdin=b"hello\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no session 'none-such'" in done.stderr


def test_the_conversation_goes_on_when_the_host_is_back(
    start_host: StartHost, tmp_path: Path
) -> None:
    host = start_host("--port", "0")
    port = str(host.port)
    shell = Shell(tmp_path, host.url)
    shell.output("new", "--agent", "echo", "--id", "s")
    terminal = Terminal(shell, "chat", "s")
    terminal.until("> ")
    os.kill(host.process.pid, signal.SIGKILL)
    host.wait()
    terminal.until("Lost the host")
    terminal.type("are you there?")
    terminal.until("Not sent: No host answers")
    start_host("--port", port).port  # noqa: B018 - waits until it listens
    terminal.until("Reconnected.")
    terminal.until("> ")
    terminal.type("and now?")
    terminal.until("and now?\r\n")
    terminal.until("and now?\r\n")
    terminal.press(CTRL_D)
    assert terminal.close() == 0
