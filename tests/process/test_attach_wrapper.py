"""Any program as a session: what it is, does and gets is as if nobody looked."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from sxhost.attach.agent import AgentSession
from sxhost.attach.terminal import LINE_MOST, PROGRESS_S, OutputLines
from sxhost.attach.wrapper import Wrapped
from tests.support.daemons import clean_environ
from tests.support.hosts import PATIENCE, Host, StartHost, until

NOBODY = "http://127.0.0.1:9"
COMMAND = [sys.executable, "-m", "sxhost", "attach", "--id", "a"]


def environ(home: Path, url: str) -> dict[str, str]:
    return {**clean_environ(home), "SXHOST_URL": url, "LC_ALL": "C.UTF-8"}


def run(home: Path, url: str, *words: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *words],
        env=environ(home, url),
        capture_output=True,
        timeout=60,
        check=False,
        **how,
    )


def events(host: Host) -> list[tuple[str, Any]]:
    with urlopen(f"{host.url}/sessions/a/events") as answer:
        found = [json.loads(line) for line in answer.read().splitlines()]
    return [(event["event"], event["data"]) for event in found]


def is_there(host: Host, name: str) -> Callable[[], bool]:
    def look() -> bool:
        with urlopen(f"{host.url}/sessions") as answer:
            sessions = json.loads(answer.read())
        return bool(sessions) and name in dict(events(host))

    return look


def test_line_that_is_drawn_again_is_told_in_pieces() -> None:
    clock, told = Clock(), list[str]()
    whole: list[str] = []
    lines = OutputLines(whole.extend, told.append, clock)
    lines.receive_data(b"begin\n10%\r")
    assert told == []
    lines.receive_data(b"20%\r")
    clock.advance(PROGRESS_S)
    clock.advance(60)
    assert told == ["20%"]
    lines.receive_data(b"\r\xe2\x9c")
    lines.receive_data(b"\x93 30%")
    clock.advance(PROGRESS_S)
    assert told == ["20%", "\u2713 30%"]
    lines.receive_data(b"\r40%\rdone\r\nnext\r")
    assert whole == ["begin", "10%\r20%\r\r\u2713 30%\r40%\rdone"]
    lines.receive_data(b"\n")
    clock.advance(PROGRESS_S)
    assert told == ["20%", "\u2713 30%"]
    lines.receive_data(b"x\r")
    lines.flush()
    assert not clock.getDelayedCalls()


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_output_is_split_into_lines_however_it_arrives(pieces: list[bytes]) -> None:
    reported: list[str] = []
    lines = OutputLines(reported.extend, lambda _text: None, Clock())
    for piece in pieces:
        lines.receive_data(piece)
    lines.flush()
    whole = b"".join(pieces).split(b"\n")
    wanted = [each.rstrip(b"\r").decode("utf-8", "replace") for each in whole]
    assert reported == (wanted if whole[-1] else wanted[:-1])


def test_unterminated_line_is_bounded() -> None:
    reported: list[str] = []
    lines = OutputLines(reported.extend, lambda _text: None, Clock())
    for _ in range(100):
        lines.receive_data(b"x" * 10_000)
    lines.flush()
    assert [len(line) for line in reported] == [LINE_MOST]


def test_program_reports_its_start_and_its_exit_code(
    running_host: Host, tmp_path: Path
) -> None:
    done = run(
        tmp_path, running_host.url, "--", "sh", "-c", "cat; echo bad >&2; exit 7", input=b"in"
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, b"in", b"bad\n")
    assert events(running_host) == [
        ("started", {"command": ["sh", "-c", "cat; echo bad >&2; exit 7"]}),
        ("error", {"code": 7}),
        ("ended", {"code": 7, "signal": None, "reason": "the program ended with code 7"}),
    ]
    with urlopen(f"{running_host.url}/sessions/a") as answer:
        assert json.loads(answer.read())["agent"] == "sh"


def state(host: Host) -> tuple[str, str]:
    with urlopen(f"{host.url}/sessions") as answer:
        (session,) = json.loads(answer.read()) or [{"detail_state": "", "reason": ""}]
    return session["detail_state"], session["reason"]


def test_what_is_over_has_ended(running_host: Host, tmp_path: Path) -> None:
    run(tmp_path, running_host.url, "--", "true")
    assert state(running_host) == ("ended", "ended")
    assert events(running_host)[-1] == (
        "ended",
        {"code": 0, "signal": None, "reason": "the program ended with code 0"},
    )


def test_wrapper_that_is_killed_has_ended(running_host: Host, tmp_path: Path) -> None:
    command = [*COMMAND, "--", "sh", "-c", "read _"]
    env = environ(tmp_path, running_host.url)
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE) as wrapper:
        until(is_there(running_host, "started"))
        wrapper.kill()
        until(lambda: state(running_host)[0] == "ended")
    name, data = events(running_host)[-1]
    assert name == "ended"
    assert data["reason"] in ("its process was killed by SIGKILL", "its process is gone")


def test_output_is_reported_and_passed_on_untouched(running_host: Host, tmp_path: Path) -> None:
    script = r"printf 'one\ntwo\377'; printf 'three\r\n' >&2"
    done = run(tmp_path, running_host.url, "--detail", "lines", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"one\ntwo\xff", b"three\r\n")
    reported = [data for name, data in events(running_host) if name == "output"]
    texts = {"stdout": "", "stderr": ""}
    for data in reported:
        texts[data["stream"]] += data["text"] + "\n"
    assert texts == {"stdout": "one\ntwo\ufffd\n", "stderr": "three\n"}
    assert events(running_host)[-2] == ("complete", {"code": 0})


def test_messages_become_standard_input(running_host: Host, tmp_path: Path) -> None:
    command = [*COMMAND, "--stdin", "--", "sh", "-c", "read line; echo got $line"]
    with subprocess.Popen(
        command,
        env=environ(tmp_path, running_host.url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        until(is_there(running_host, "started"))
        send = [sys.executable, "-m", "sxhost", "send", "a", "hello there"]
        subprocess.run(
            send, env=environ(tmp_path, running_host.url), check=True, capture_output=True
        )
        output, _ = process.communicate(timeout=PATIENCE)
    assert output == b"got hello there\n"


def test_signals_reach_the_program_and_its_exit_code_is_passed_on(
    running_host: Host, tmp_path: Path
) -> None:
    script = "trap 'exit 3' USR1; echo ready; while :; do sleep 0.05; done"
    for number, code in ((signal.SIGUSR1, 3), (signal.SIGTERM, -signal.SIGTERM)):
        with subprocess.Popen(
            [*COMMAND, "--", "sh", "-c", script],
            env=environ(tmp_path, running_host.url),
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(number)
            assert process.wait(PATIENCE) == code


def test_signal_during_the_start_is_not_lost() -> None:
    with subprocess.Popen(["sleep", "600"]) as started:
        program = Wrapped(cast(AgentSession, None), Clock())
        program.signal(signal.SIGTERM)
        program.makeConnection(cast(Any, SimpleNamespace(pid=started.pid)))
        assert started.wait(PATIENCE) == -signal.SIGTERM


def test_program_runs_without_a_host(tmp_path: Path) -> None:
    for detail in ("none", "lines"):
        done = run(tmp_path, NOBODY, "--detail", detail, "--", "sh", "-c", "echo x; exit 5")
        assert (done.returncode, done.stdout, done.stderr) == (5, b"x\n", b"")


@pytest.mark.parametrize("url", [NOBODY, "ftp://nowhere", "unix:/nowhere"])
def test_verbose_says_why_the_host_was_not_reached(tmp_path: Path, url: str) -> None:
    done = run(tmp_path, url, "--verbose", "--", "sh", "-c", "echo x; exit 5")
    assert (done.returncode, done.stdout) == (5, b"x\n")
    assert done.stderr.startswith(b"sxhost attach: ")
    assert done.stderr.count(b"\n") == 1


def test_verbose_is_silent_if_the_host_was_reached(running_host: Host, tmp_path: Path) -> None:
    done = run(tmp_path, running_host.url, "--verbose", "--", "true")
    assert (done.returncode, done.stderr) == (0, b"")


COUNT = "n=0; while ! test -e enough; do n=$((n+1)); echo $n; echo $n >at; sleep 0.05; done"


def test_killed_and_restarted_host_gets_all_output_once_and_in_order(
    start_host: StartHost, tmp_path: Path
) -> None:
    host = start_host("--port", "0")
    command = [*COMMAND, "--detail", "lines", "--", "sh", "-c", COUNT]
    with subprocess.Popen(
        command,
        env=environ(tmp_path, host.url),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    ) as process:
        until(is_there(host, "output"))
        host.process.kill()
        host.wait()
        gone = int((tmp_path / "at").read_text() or 0)
        until(lambda: int((tmp_path / "at").read_text() or 0) > gone + 10)
        host = start_host("--port", str(host.port))
        until(lambda: int(lines_of(host)[-1]) > gone)
        (tmp_path / "enough").touch()
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert lines_of(host) == output.decode().splitlines()
    assert lines_of(host) == [str(n) for n in range(1, len(lines_of(host)) + 1)]


def lines_of(host: Host) -> list[str]:
    reported = [data["text"] for name, data in events(host) if name == "output"]
    return "\n".join(reported).splitlines()


def test_missing_program_is_an_error(tmp_path: Path) -> None:
    done = run(tmp_path, NOBODY, "--", "no-such-program")
    assert (done.returncode, done.stdout) == (127, b"")
    assert done.stderr.count(b"\n") == 1


class Screen:
    """A terminal with a program, `rows` high."""

    def __init__(self, words: list[str], env: dict[str, str], rows: int = 24) -> None:
        self.shown = b""
        self.read = 0
        """How much of it was waited for."""
        self._child, self.terminal = pty.fork()
        if not self._child:
            termios.tcsetwinsize(0, (rows, 99))
            os.execvpe(words[0], words, env)

    def until(self, wanted: bytes) -> None:
        """Wait until it shows this, after what was waited for before."""
        while wanted not in self.shown[self.read :]:
            self.shown += os.read(self.terminal, 1000)
        self.read = self.shown.index(wanted, self.read) + len(wanted)

    def press(self, keys: bytes) -> None:
        os.write(self.terminal, keys)

    def end(self) -> int:
        _, status = os.waitpid(self._child, 0)
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(status)


def attached(host: Host, home: Path, *words: str, rows: int = 24) -> Screen:
    return Screen([*COMMAND, *words], environ(home, host.url), rows)


DETAILS = pytest.mark.parametrize("detail", ["none", "lines"])


@DETAILS
def test_program_at_a_terminal_has_the_terminal(
    running_host: Host, tmp_path: Path, detail: str
) -> None:
    script = "test -t 0 && test -t 1 && test -t 2 && stty size <&1; read x; echo got $x"
    screen = attached(
        running_host, tmp_path, "--detail", detail, "--", "sh", "-c", script, rows=33
    )
    screen.until(b"33 99")
    screen.press(b"words\n")
    screen.until(b"got words\r\n")
    assert screen.end() == 0


@DETAILS
def test_terminal_resize_reaches_the_program(
    running_host: Host, tmp_path: Path, detail: str
) -> None:
    script = (
        "trap 'stty size <&1; stty size <&2' WINCH; echo ready; while :; do sleep 0.1; done"
    )
    screen = attached(running_host, tmp_path, "--detail", detail, "--", "sh", "-c", script)
    screen.until(b"ready")
    termios.tcsetwinsize(screen.terminal, (50, 111))
    screen.until(b"50 111\r\n50 111\r\n")
    screen.press(b"\x03")
    assert screen.end() == -signal.SIGINT


RAW = """
import os, termios, tty
before = termios.tcgetattr(1)
tty.setraw(1)
os.write(1, b"raw\\n")
os.write(1, b"key " + os.read(0, 1) + b"\\n")
termios.tcsetattr(1, termios.TCSADRAIN, before)
print("cooked", input("line? "))
"""


@DETAILS
def test_full_screen_program_gets_each_key(
    running_host: Host, tmp_path: Path, detail: str
) -> None:
    words = ("--detail", detail, "--", sys.executable, "-c", RAW)
    screen = attached(running_host, tmp_path, *words)
    screen.until(b"raw\n")
    screen.press(b"\x03")
    screen.until(b"key \x03")
    screen.until(b"line? ")
    screen.press(b"words\n")
    screen.until(b"cooked words\r\n")
    assert screen.end() == 0
    assert b"^C" not in screen.shown


@DETAILS
def test_program_can_be_suspended_and_resumed(
    running_host: Host, tmp_path: Path, detail: str
) -> None:
    """A shell with job control runs it, as a person's does."""
    words = ["--detail", detail, "--", "sh", "-c", "echo ready $$.; read x; echo got $x"]
    env = {**environ(tmp_path, running_host.url), "PS1": "your turn> "}
    screen = Screen(["bash", "--norc", "--noediting"], env)
    screen.until(b"your turn> ")
    screen.press(f"{shlex.join([*COMMAND, *words])}\n".encode())
    screen.until(b"\nready ")
    begun = screen.read
    screen.until(b".")
    program = int(screen.shown[begun : screen.read - 1])
    screen.press(b"\x1a")
    screen.until(b"Stopped")
    screen.until(b"your turn> ")
    # The shell waits for us alone: until it stops as well, it reads what is typed now.
    until(lambda: state_of(program) == "T")
    screen.press(b"fg\n")
    screen.until(b"got $x")
    screen.press(b"words\n")
    screen.until(b"got words\r\n")
    screen.press(b"exit\n")
    assert screen.end() == 0


def state_of(process: int) -> str:
    """Return the letter that says what a process does."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def test_interrupt_key_reaches_the_program_once(running_host: Host, tmp_path: Path) -> None:
    script = "trap 'n=x$n; echo caught $n' INT; echo ready; read a; read b; echo end"
    screen = attached(running_host, tmp_path, "--", "sh", "-c", script)
    for wanted, keys in ((b"ready", b"\x03"), (b"caught x", b"\n\n\n")):
        screen.until(wanted)
        screen.press(keys)
    screen.until(b"end")
    assert screen.end() == 0
    assert b"xx" not in screen.shown
