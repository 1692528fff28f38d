"""A host in a process of its own, a client without frills, and the host's own bill."""

from __future__ import annotations

import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
NDJSON = "application/x-ndjson"


STOP_WITHIN = 20.0
"""Seconds that a host gets to end."""

TROUBLE = re.compile("Traceback|Unhandled")
"""What no line of a host's log may have."""


class Host:
    """A running host: its port, its CPU seconds and its memory in bytes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.port = 0
        self.trouble: list[str] = []
        """What its log says from the first sign of trouble on."""
        self.last = ""
        """The last words of its log."""
        self._reader = Thread(target=self._read_on, daemon=True)
        self._begin()

    def _begin(self) -> None:
        """Wait until it listens; then read on, since a pipe that is full would stop it."""
        said = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said.append(line)
            self.port = _port(line)
            if self.port:
                self._reader.start()
                return
        raise AssertionError(f"the host did not start:\n{''.join(said)}")

    def _read_on(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.last = (self.last + line)[-2000:]
            if (self.trouble or TROUBLE.search(line)) and len(self.trouble) < 60:
                self.trouble.append(line)

    def stop(self) -> int:
        """Ask it to end; wait until it has, and all that it said is read."""
        self.process.terminate()
        self._reader.join(STOP_WITHIN)
        return self.process.wait(STOP_WITHIN)

    def cpu(self) -> float:
        """Return the CPU seconds spent so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def files(self) -> int:
        """Return how many files, sockets and pipes it has open."""
        return open_files(self.process.pid)

    def children(self) -> list[int]:
        """Return the processes that it has started and that still run."""
        return children_of(self.process.pid)

    def memory(self) -> int:
        """Return the resident set, in bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE


OPEN = ("--allow-host=127.0.0.1", "--allow-host=x", "--limit=connections=20000")
"""What lets our clients in: they name no port, and there are many of them."""


@contextmanager
def running_host(
    *options: str, home: Path | None = None, port: int = 0, program: Sequence[str] = ()
) -> Iterator[Host]:
    """Start a host on a free port with a state directory of its own; end it at the end.

    :param program: what is run in place of ``twistd``.
    """
    twistd = program or (str(Path(sys.executable).with_name("twistd")),)
    with ExitStack() as stack:
        place = home or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = [*twistd, "-n", "--pidfile=", "sxhost", f"--port={port}", *OPEN]
        process = stack.enter_context(
            subprocess.Popen(
                [*command, f"--state-dir={place}", *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=place,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        )
        stack.callback(process.kill)
        host = Host(process)
        stack.callback(host.stop)
        yield host


def _port(line: str) -> int:
    found = re.search(r"Listening on http://\S+:(\d+)", line)
    return int(found[1]) if found else 0


def children_of(pid: int) -> list[int]:
    """Return the processes that one has started and that still run."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def open_files(pid: int) -> int:
    """Return how many files, sockets and pipes a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def raise_files(count: int) -> None:
    """Let this process, and those that it starts, hold `count` files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))


class Client:
    """One kept-alive connection; sends prepared requests and reads whole answers."""

    def __init__(self, port: int, patience: float = 60.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, request: bytes) -> None:
        """Send `request` and leave its answer alone."""
        self._socket.sendall(request)

    def exchange(self, request: bytes) -> bytes:
        """Send `request`; return the body of its answer, which must be a 200."""
        status, body = self.ask(request)
        assert status == 200, (status, body[:500])
        return body

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send `request`; return the answer's status and body."""
        self._socket.sendall(request)
        data = self._more()
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)content-length: (\d+)", head)
        if found is None:
            assert b"chunked" in head, head
            return int(head[9:12]), self._unchunked(body)
        parts, left = [body], int(found[1]) - len(body)
        while left:
            parts.append(self._more())
            left -= len(parts[-1])
        return int(head[9:12]), b"".join(parts)

    def _unchunked(self, data: bytes) -> bytes:
        """Read on to the last chunk; return what the chunks hold (JSON, which has no CR)."""
        while not data.endswith(b"0\r\n\r\n"):
            data += self._more()
        whole = []
        while data:
            size, _, data = data.partition(b"\r\n")
            whole.append(data[: int(size, 16)])
            data = data[int(size, 16) + 2 :]
        return b"".join(whole)

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the host hung up")
        return data


def request(method: str, path: str, body: bytes = b"", media_type: str = "") -> bytes:
    """Return a request's bytes."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if body:
        head += f"Content-Type: {media_type or 'application/json'}\r\n"
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
