"""A host in a process of its own, a client without frills, and the host's own bill."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


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
def running_host(*options: str) -> Iterator[Host]:
    """Start a host on a free port with a state directory of its own; end it at the end."""
    twistd = str(Path(sys.executable).with_name("twistd"))
    with tempfile.TemporaryDirectory() as home:
        command = [twistd, "-n", "--pidfile=", "sxhost", "--port=0", f"--state-dir={home}"]
        with subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, text=True, cwd=home
        ) as process:
            assert process.stdout is not None
            port = next(filter(None, map(_port, process.stdout)))
            # Each request is logged, and a pipe that nobody empties would stop the host.
            Thread(target=process.stdout.read, daemon=True).start()
            yield Host(process, port)
            process.terminate()


def _port(line: str) -> int:
    found = re.search(r"Listening on http://\S+:(\d+)", line)
    return int(found[1]) if found else 0


class Client:
    """One kept-alive connection; sends prepared requests and reads whole answers."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def exchange(self, request: bytes) -> bytes:
        """Send `request`; return the answer's body."""
        self._socket.sendall(request)
        data = self._socket.recv(1 << 16)
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(1 << 16)
        head, _, body = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), data[:500]
        found = re.search(rb"(?i)content-length: (\d+)", head)
        assert found is not None, head
        parts, left = [body], int(found[1]) - len(body)
        while left:
            parts.append(self._socket.recv(1 << 20))
            left -= len(parts[-1])
        return b"".join(parts)


def request(method: str, path: str, body: bytes = b"", media_type: str = "") -> bytes:
    """Return a request's bytes."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if body:
        head += f"Content-Type: {media_type or 'application/json'}\r\n"
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
