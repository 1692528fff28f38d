"""The peers: each a process of its own on a free port, and what CPU it has used."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.stress.host_process import OPEN, STOP_WITHIN, TICKS, children_of

__all__ = ["SERVERS", "Server", "missing"]

HERE = Path(__file__).parent
LISTENING = re.compile(r"Listening on http://\S+:(\d+)")

NGINX = """
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr;
events { worker_connections 1024; }
http {
    access_log access.log;
    keepalive_requests 1000000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:PORT;
        location = /health { default_type application/json; return 200 '{"status":"ok"}'; }
    }
}
"""


class Server(NamedTuple):
    """A running server."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Return the CPU seconds that it has used, user and system, with its children."""
        return sum(map(_cpu, [self.pid, *children_of(self.pid)]))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def host(*options: str) -> Iterator[Server]:
    """Run a host of ours; its log goes to a file, as a daemon's does."""
    twistd = str(Path(sys.executable).with_name("twistd"))
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        log = Path(place, "log")
        command = [twistd, "-n", "--pidfile=", f"--logfile={log}", "sxhost", "--port=0", *OPEN]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        process = stack.enter_context(
            subprocess.Popen([*command, f"--state-dir={place}", *options], env=environ)
        )
        stack.callback(process.wait, STOP_WITHIN)
        stack.callback(process.terminate)
        while not (log.exists() and (found := LISTENING.search(log.read_text()))):
            assert process.poll() is None, "the host has ended"
            time.sleep(0.05)
        yield Server(int(found[1]), process.pid)


@contextmanager
def program(*command: str) -> Iterator[Server]:
    """Run a program that says on its first line at which port it listens."""
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        found = re.search(r"listening on (\d+)", process.stdout.readline())
        assert found is not None, command
        yield Server(int(found[1]), process.pid)


@contextmanager
def nginx() -> Iterator[Server]:
    """Run nginx, which answers from its configuration."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        Path(place, "nginx.conf").write_text(NGINX.replace("PORT", str(port)))
        command = ["nginx", "-p", place, "-c", "nginx.conf"]
        process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        stack.callback(process.terminate)
        while True:
            assert process.poll() is None, "nginx has ended"
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                continue
            break
        yield Server(port, process.pid)


def klein() -> AbstractContextManager[Server]:
    """Run plain Twisted and Klein."""
    return program(sys.executable, "-m", "benchmarks.peers.klein_http")


def node() -> AbstractContextManager[Server]:
    """Run Node's `http`."""
    return program("node", str(HERE / "node_http.js"))


SERVERS: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "node": node,
    "nginx": nginx,
    "klein": klein,
    "host, memory": lambda: host("--store=memory:"),
    "host, durable": lambda: host("--store=sqlite"),
}
"""How each is started; what others are compared with comes first."""

PROGRAMS = {"node": "node", "nginx": "nginx"}


def missing(names: Sequence[str]) -> list[str]:
    """Return those of these servers whose program is not on this machine."""
    return [name for name in names if name in PROGRAMS and not shutil.which(PROGRAMS[name])]
