"""``sxhost top`` on a real terminal, before a real host; and where there can be no board."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import pytest

from tests.process.test_cli import SXHOST, Shell
from tests.support.daemons import clean_environ
from tests.support.hosts import PATIENCE, StartHost, until

RESTORED = (b"\x1b[?1049l", b"\x1b[?25h")
"""What leaves the screen for boards, and shows the cursor again."""

WITHOUT_TEXTUAL = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *given):
        return None if name == "textual" else self.finder.find_spec(name, *given)

sys.meta_path[:] = map(Without, sys.meta_path)
sys.argv = ["sxhost", "top"]
from sxhost.__main__ import main
main()
"""


class Terminal:
    """A program on a terminal of 100 columns."""

    def __init__(self, command: Sequence[str], environ: dict[str, str]) -> None:
        self.shown = b""
        self.number, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, 100))
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ,
            start_new_session=True,
        )  # fmt: skip
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self.number, 1 << 16):
                self.shown += data
        except OSError:
            pass

    def wait_for(self, text: bytes) -> None:
        """Wait until it has shown something."""
        until(lambda: text in self.shown or self.process.poll() is not None)
        assert text in self.shown, self.shown.decode(errors="replace")

    def press(self, keys: bytes) -> None:
        os.write(self.number, keys)

    def end(self) -> int:
        """Wait for its end; its exit status."""
        status = self.process.wait(PATIENCE)
        assert termios.tcgetattr(self.theirs) == self.before
        os.close(self.theirs)
        self.reader.join(PATIENCE)
        os.close(self.number)
        return status


@pytest.fixture
def shell(start_host: StartHost, tmp_path: Path) -> Shell:
    """Someone at a shell, whose host listens on ``::1``."""
    host = start_host("--host", "::1", "--port", "0")
    return Shell(tmp_path, f"http://[::1]:{host.port}")


def environ(home: Path, **more: str) -> dict[str, str]:
    return {**clean_environ(home), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **more}


def test_board_lives_and_leaves_the_terminal_as_it_was(shell: Shell, tmp_path: Path) -> None:
    shell.output("register", "s", "--title", "login fix")
    for leave in (b"q", b"\x03", signal.SIGTERM):
        top = Terminal([SXHOST, "top", "--url", shell.url], environ(tmp_path))
        top.wait_for(b"login fix")
        if leave == b"q":
            shell.output("fire", "s", "message", '{"text": "It is done."}')
            top.wait_for(b"It is done.")
        if isinstance(leave, bytes):
            top.press(leave)
        else:
            top.process.send_signal(leave)
        assert top.end() == 0
        assert all(word in top.shown for word in RESTORED)
        assert b"Traceback" not in top.shown


def test_without_utf_8_signs_are_as_wide_as_they_were(shell: Shell, tmp_path: Path) -> None:
    shell.output("register", "s", "--title", "login fix")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    top = Terminal([SXHOST, "top", "--url", shell.url], environ(tmp_path, **ascii_only))
    top.wait_for(b"login fix")
    top.press(b"q")
    assert top.end() == 0
    assert rb"\u2" not in top.shown


def test_without_a_host_there_is_no_board(tmp_path: Path) -> None:
    top = Terminal([SXHOST, "top", "--url", "http://127.0.0.1:1"], environ(tmp_path))
    assert top.end() == 3
    assert b"No host answers" in top.shown
    assert RESTORED[0] not in top.shown


def test_dumb_terminal_is_told_what_there_is(tmp_path: Path) -> None:
    top = Terminal([SXHOST, "top"], environ(tmp_path, TERM="dumb"))
    assert top.end() == 2
    assert (
        top.shown == b"This terminal can show no board (TERM=dumb); there is: sxhost tail\r\n"
    )


def test_without_textual_it_says_what_to_install(tmp_path: Path) -> None:
    top = Terminal([sys.executable, "-c", WITHOUT_TEXTUAL], environ(tmp_path))
    assert top.end() == 2
    assert b"pip install 'sxhost[top]'" in top.shown
