"""A hook ends in time, whatever it is that hangs: each of them hangs here for ever."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from sxhost.hooks.command import TIMEOUT
from sxhost.hooks.deadline import Deadline, OutOfTime
from tests.support.daemons import clean_environ

PATIENCE = 60
SAID = json.dumps({"session_id": "a", "hook_event_name": "Stop", "cwd": "/nowhere"}).encode()
MUCH = json.dumps({"session_id": "a", "cwd": ["x" * 40_000] * 22}).encode()
RESOLVES_FOR_EVER = """
import socket, threading, sys
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
from sxhost.hooks.command import main
sys.exit(main(["claude", "--verbose"]))
"""
HOOK = (sys.executable, "-m", "sxhost", "hook", "claude", "--verbose")


class Hanging:
    """Something that hangs: a host's address, what the environment says, and what is sent."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.url = "http://127.0.0.1:9"
        self.environ: dict[str, str] = {}
        self.stdin = SAID
        self.command: tuple[str, ...] = HOOK
        self.closes_stdin = True
        self.held = ExitStack()

    def listen(self, serve: Callable[[socket.socket], object]) -> None:
        """Begin to serve connections; they are held open."""
        ear = self.held.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.url = f"http://127.0.0.1:{ear.getsockname()[1]}"

        def accept() -> None:
            while True:
                try:
                    serve(self.held.enter_context(ear.accept()[0]))
                except OSError:
                    return

        thread = Thread(target=accept, daemon=True)
        thread.start()
        self.held.callback(thread.join)
        self.held.callback(ear.shutdown, socket.SHUT_RDWR)

    def fill(self, ear: socket.socket) -> None:
        """Let nobody else connect: those who are waiting are never accepted."""
        ear.listen(0)
        self.held.enter_context(ear)
        for _ in range(4):
            one = self.held.enter_context(socket.socket(ear.family))
            one.setblocking(False)
            one.connect_ex(ear.getsockname())

    def pipe(self, name: str) -> str:
        """Return the path of a pipe that nobody writes to."""
        path = self.place / name
        os.mkfifo(path)
        return str(path)


def nameserver(hanging: Hanging) -> None:
    hanging.url = "http://a.name.test:7432"
    hanging.command = (sys.executable, "-c", RESOLVES_FOR_EVER)


def connection(hanging: Hanging) -> None:
    ear = socket.create_server(("127.0.0.1", 0))
    hanging.url = f"http://127.0.0.1:{ear.getsockname()[1]}"
    hanging.fill(ear)


def unix_connection(hanging: Hanging) -> None:
    ear = socket.socket(socket.AF_UNIX)
    ear.bind(str(hanging.place / "socket"))
    hanging.url = f"unix:{hanging.place}/socket"
    hanging.fill(ear)


def host_that_reads_nothing(hanging: Hanging) -> None:
    hanging.listen(lambda link: link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096))
    hanging.stdin = MUCH


def host_that_says_nothing(hanging: Hanging) -> None:
    hanging.listen(lambda link: link.recv(1 << 16))


def host_that_speaks_slowly(hanging: Hanging) -> None:
    stop = Event()

    def drip(link: socket.socket) -> None:
        while not stop.wait(0.05):
            link.sendall(b"H")

    hanging.listen(drip)
    hanging.held.callback(stop.set)


def host_that_wants_a_token(hanging: Hanging) -> None:
    """And says nothing to the second request."""
    answers = iter([b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"])

    def refuse(link: socket.socket) -> None:
        link.recv(1 << 16)
        for answer in answers:
            link.sendall(answer)
            link.shutdown(socket.SHUT_WR)
            return

    hanging.listen(refuse)


def tls(hanging: Hanging) -> None:
    host_that_says_nothing(hanging)
    hanging.url = hanging.url.replace("http:", "https:")


def authorities(hanging: Hanging) -> None:
    tls(hanging)
    hanging.environ["SXHOST_CA"] = hanging.pipe("ca.pem")


def token(hanging: Hanging) -> None:
    hanging.environ["SXHOST_TOKEN_FILE"] = hanging.pipe("token")


def agent_that_goes_on(hanging: Hanging) -> None:
    hanging.closes_stdin = False


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Hanging]:
    something = Hanging(tmp_path)
    with something.held:
        yield something


def start(hanging: Hanging, **environ: str) -> subprocess.Popen[bytes]:
    known = {"SXHOST_URL": hanging.url, **hanging.environ, **environ}
    process = subprocess.Popen(
        hanging.command,
        env={**clean_environ(hanging.place), **known},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(hanging.stdin)
    process.stdin.flush()
    if hanging.closes_stdin:
        process.stdin.close()
    return process


@pytest.mark.parametrize(
    "hang",
    [
        *(nameserver, connection, unix_connection, host_that_reads_nothing, tls, authorities),
        *(host_that_says_nothing, host_that_speaks_slowly, host_that_wants_a_token, token),
        agent_that_goes_on,
    ],
)
def test_hook_does_not_wait_for_what_is_not_there(
    hanging: Hanging, hang: Callable[[Hanging], None]
) -> None:
    hang(hanging)
    with start(hanging, **{TIMEOUT: "0.4"}) as process:
        try:
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read() == b""
        late = {b"sxhost hook: it took longer than 0.4 s\n", b"sxhost hook: timed out\n"}
        assert process.stderr.read() in late


def test_interrupted_hook_is_silent(hanging: Hanging) -> None:
    asked = Event()

    def receive(link: socket.socket) -> None:
        link.recv(1 << 16)
        asked.set()

    hanging.listen(receive)
    with start(hanging, **{TIMEOUT: "60"}) as process:
        assert asked.wait(PATIENCE)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b"sxhost hook: KeyboardInterrupt\n"


def test_deadline_passes_on_what_the_work_returns_and_raises() -> None:
    assert Deadline(PATIENCE).run(lambda: b"done") == b"done"

    def fails() -> bytes:
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        Deadline(PATIENCE).run(fails)


def test_decision_puts_the_deadline_off() -> None:
    nobody: Any = Event()
    with pytest.raises(OutOfTime, match=r"longer than 0 s"):
        Deadline(0.0).run(nobody.wait)
    later = Deadline(0.0)
    later.extend(PATIENCE)
    assert later.run(lambda: b"decided") == b"decided"
    nobody.set()
