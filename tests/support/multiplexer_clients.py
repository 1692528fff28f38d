"""Clients of the multiplexer over real transports, which wait for frames, never for time."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.support.daemons import clean_environ
from tests.support.hosts import PATIENCE, Host
from tests.support.places import TOP
from tests.support.websocket_clients import CLOSE, PING, PONG, TEXT, masked, request

Object = dict[str, Any]


class Wire(Protocol):
    """One connection."""

    def write(self, text: bytes) -> None:
        """Send a frame."""

    def read(self) -> bytes | None:
        """Return the next frame; None at the end."""


class WebSocket:
    """A connection to a host's WebSocket."""

    def __init__(self, port: int, path: str = "/") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._socket.sendall(request(path=path, Host=f"127.0.0.1:{port}"))
        self._file = self._socket.makefile("rb")
        assert b" 101 " in self._file.readline()
        while self._file.readline().strip():
            pass

    def write(self, text: bytes) -> None:
        self._socket.sendall(masked(TEXT, text))

    def read(self) -> bytes | None:
        while True:
            opcode, payload = self._frame()
            if opcode == CLOSE:
                return None
            if opcode == PING:
                self._socket.sendall(masked(PONG, payload))
            if opcode == TEXT:
                return payload

    def _frame(self) -> tuple[int, bytes]:
        head = self._file.read(2)
        if len(head) < 2:
            return CLOSE, b""
        size = head[1]
        if size >= 126:
            form = "!H" if size == 126 else "!Q"
            (size,) = struct.unpack(form, self._file.read(struct.calcsize(form)))
        return head[0] & 0x0F, self._file.read(size)

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Piped:
    """``sxhost stdio`` in a process of its own."""

    def __init__(self, home: Path, environ: Mapping[str, str], *words: str) -> None:
        code = "from sxhost.cli.main import main; main()"
        with (home / "stdio.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, "stdio", *words],
                cwd=home,
                env={**clean_environ(home), "PYTHONPATH": str(TOP), **environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def write(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + b"\n")
        self.process.stdin.flush()

    def read(self) -> bytes | None:
        assert self.process.stdout is not None
        return self.process.stdout.readline() or None

    def close(self) -> int:
        """Say no more; return how it ends."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Talk:
    """A client of the multiplexer; `frames` is all that it has received."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.frames: list[Object] = []
        self._number = 0

    def say(self, kind: str, session: str | None = None, **fields: Any) -> str:
        """Send a command; return its id."""
        self._number += 1
        number = f"c{self._number}"
        target = {} if session is None else {"sessionId": session}
        command = {"id": number, "type": kind, **target, **fields}
        self.wire.write(json.dumps(command).encode())
        return number

    def until(self, wanted: Callable[[Object], bool]) -> list[Object]:
        """Return what comes next, up to what is wanted."""
        found: list[Object] = []
        while True:
            output = self.wire.read()
            assert output is not None, f"it ended; last: {self.frames[-3:]}"
            found.append(json.loads(output))
            self.frames.append(found[-1])
            if wanted(found[-1]):
                return found

    def until_answer(self, number: str) -> list[Object]:
        """Return what comes next, up to the answer to a command."""
        return self.until(lambda one: _answers(one, number))

    def answer(self, number: str) -> Object:
        """Return the answer to a command, once it is there."""
        known = [one for one in self.frames if _answers(one, number)]
        return known[0] if known else self.until(lambda one: _answers(one, number))[-1]

    def ask(self, kind: str, session: str | None = None, **fields: Any) -> Any:
        """Return the data of the answer to a command that works."""
        answer = self.answer(self.say(kind, session, **fields))
        assert answer["success"], answer
        return answer.get("data")

    def refused(self, kind: str, session: str | None = None, **fields: Any) -> str:
        """Return why a command does not work."""
        answer = self.answer(self.say(kind, session, **fields))
        assert not answer["success"], answer
        return str(answer["error"])

    def event(self, kind: str, inner: str = "") -> Object:
        """Return the next event of a kind."""

        def wanted(one: Object) -> bool:
            event = one.get("event", {})
            step = event.get("assistantMessageEvent", {}).get("type", "")
            return bool(event.get("type") == kind and inner in ("", step))

        return dict(self.until(wanted)[-1]["event"])


def _answers(one: Object, number: str) -> bool:
    return one["type"] == "response" and one.get("id") == number


@contextmanager
def over_websocket(host: Host) -> Iterator[Talk]:
    """Talk over a WebSocket."""
    wire = WebSocket(host.port)
    try:
        yield Talk(wire)
    finally:
        wire.close()


@contextmanager
def over_stdio(home: Path, environ: Mapping[str, str], *words: str) -> Iterator[Talk]:
    """Talk over two pipes."""
    wire = Piped(home, environ, *words)
    try:
        yield Talk(wire)
        assert wire.close() == 0
    finally:
        wire.kill()
