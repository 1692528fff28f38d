"""A host in a process of its own, a client without frills, and the host's own bill."""

from __future__ import annotations

import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
NDJSON = "application/x-ndjson"


class Host:
    """A running host: its port, its CPU seconds and its memory in bytes."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def cpu(self) -> float:
        """Return the CPU seconds spent so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> int:
        """Return the resident set, in bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE


@contextmanager
def running_host(*options: str, home: Path | None = None, port: int = 0) -> Iterator[Host]:
    """Start a host on a free port with a state directory of its own; end it at the end."""
    twistd = str(Path(sys.executable).with_name("twistd"))
    with ExitStack() as stack:
        place = home or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = [twistd, "-n", "--pidfile=", "sxhost", f"--port={port}"]
        process = stack.enter_context(
            subprocess.Popen(
                [*command, f"--state-dir={place}", *options],
                stdout=subprocess.PIPE,
                text=True,
                cwd=place,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        )
        stack.callback(process.terminate)
        assert process.stdout is not None
        found = next(filter(None, map(_port, process.stdout)))
        # Each request is logged, and a pipe that nobody empties would stop the host.
        Thread(target=process.stdout.read, daemon=True).start()
        yield Host(process, found)


def _port(line: str) -> int:
    found = re.search(r"Listening on http://\S+:(\d+)", line)
    return int(found[1]) if found else 0


def raise_files(count: int) -> None:
    """Let this process, and those that it starts, hold `count` files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))


class Client:
    """One kept-alive connection; sends prepared requests and reads whole answers."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
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
        assert found is not None, head
        parts, left = [body], int(found[1]) - len(body)
        while left:
            parts.append(self._more())
            left -= len(parts[-1])
        return int(head[9:12]), b"".join(parts)

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


def exchanges(host: Host, client: Client, message: bytes, seconds: float) -> tuple[float, ...]:
    """Repeat an exchange; return how many a second, and the host's CPU µs for each."""
    cpu, start, count = host.cpu(), time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        client.exchange(message)
        count += 1
    return count / (time.perf_counter() - start), (host.cpu() - cpu) / count * 1e6


def spent(host: Host, work: Callable[[], object]) -> float:
    """Return the CPU seconds that the host spends while `work` runs."""
    cpu = host.cpu()
    work()
    return host.cpu() - cpu


def spread(figures: Sequence[float], form: str = ".2f") -> str:
    """Write figures as their least and their median: the machine is shared."""
    return f"min {min(figures):{form}}, median {statistics.median(figures):{form}}"
