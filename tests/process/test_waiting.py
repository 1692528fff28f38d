"""Every command before a host that does not answer: what it says meanwhile, and at Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.process.test_output import LEAVES, LINKED, variants
from tests.support.daemons import PATIENCE, SXHOST, clean_environ
from tests.support.fork_server import ForkedProcess, fork

SAYS: Final = {
    "discover": "Looking for agents that run here ...",
    "new": "Waiting until the agent is ready for its first turn ...",
    "run": "Waiting until the agent is ready for its first turn ...",
    "search": "Searching, or making the index for it ...",
    "stop": "Waiting until the host stops ...",
}
"""What commands say; all others wait for the host's first answer."""

OF_A_SESSION: Final = {
    "end": "Waiting until the agent of s has ended ...",
    "rm": "Waiting until s has ended and is deleted ...",
    "pull": "Waiting for messages to s ...",
}
GOES_ON: Final = {
    "new": "Its start was given up: no agent goes on.",
    "run": "Its start was given up: no agent goes on.",
    "interrupt": "It goes on if the host has heard it: sxhost show s",
    "end": "It goes on if the host has heard it: sxhost show s",
    "rm": "It goes on if the host has heard it: sxhost show s",
    "stop": "It stops if it has heard it: sxhost status",
}
"""What interrupted commands say."""


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """The address of what takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


class Waiting:
    """A command that waits, at a terminal or over pipes."""

    def __init__(self, words: Sequence[str], place: Path, url: str, term: str) -> None:
        self.seen = ""
        ours, theirs = pty.openpty() if term else os.pipe()
        env = {
            **clean_environ(place),
            "SXHOST_URL": url,
            "XDG_STATE_HOME": str(place),
            "COLUMNS": "100",
            **({"TERM": term} if term else {}),
        }
        given = os.open(os.devnull, os.O_RDONLY)
        self._ours = ours
        self.process: ForkedProcess = fork(
            [SXHOST, *words], place, env, (theirs if term else given, theirs, theirs)
        )
        os.close(theirs)
        os.close(given)

    def until(self, words: str) -> None:
        while words not in self.seen and self.read():
            pass
        assert words in self.seen, self.seen

    def read(self) -> bool:
        came, _, _ = select.select([self._ours], [], [], PATIENCE)
        assert came, f"nothing more comes: {self.seen!r}"
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # so ends a terminal
            data = b""
        self.seen += data.decode()
        return bool(data)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        while self.read():
            pass
        os.close(self._ours)
        return self.process.wait(PATIENCE)


# `doctor` tells of a host that does not answer, as of all else.
COMMANDS: Final = [name for name in LINKED if name not in ("chat", "doctor")]


@pytest.mark.parametrize("term", ["xterm", "dumb", ""], ids=["terminal", "dumb", "pipe"])
def test_each_command_says_what_it_waits_for_and_leaves_at_ctrl_c(
    term: str, silent: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        waiting = {
            name: Waiting([*name.split(), *variants(LEAVES[name])[0]], tmp_path, silent, term)
            for name in (COMMANDS if term != "dumb" else ["sessions", "new", "tail"])
        }
        for one in waiting.values():
            stack.enter_context(one.process)
            stack.callback(one.process.kill)
        for name, one in waiting.items():
            said = {**SAYS, **OF_A_SESSION}.get(name, "")
            if term:
                one.until(said or " ...")
                assert ("\x1b" in one.seen) is (term != "dumb"), one.seen
            status = one.interrupt()
            assert status == 130, (name, one.seen)
            assert "Traceback" not in one.seen
            assert GOES_ON.get(name, "") in one.seen, (name, one.seen)
            if not term and name != "turn":  # which looks for the session first at a terminal
                assert one.seen.strip() == GOES_ON.get(name, ""), name
