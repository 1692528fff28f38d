"""Real hosts under a strain: connections by the thousand, and no descriptors left."""

from __future__ import annotations

import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.hosts import until
from tests.support.http_bytes import get, replies

if TYPE_CHECKING:
    from tests.support.hosts import Host

PATIENCE = 60.0
MIB = 1 << 20
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection, so that its port is free again."""

HEALTH = get(host=b"Host: localhost:%d")
BEGUN = (b"", b"GET / HT", b"POST /sessions/a/events HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")


def connect(host: Host) -> socket.socket:
    return socket.create_connection(("127.0.0.1", host.port), PATIENCE)


def is_healthy(client: socket.socket, host: Host) -> bool:
    """Ask over a connection; one that the host has closed or reset is not healthy."""
    got = b""
    with suppress(ConnectionError):
        client.sendall(HEALTH % host.port)
        while not got.endswith(b"}") and (piece := client.recv(4096)):
            got += piece
    if not got.endswith(b"}"):
        return False
    (reply,) = replies(got)
    return reply.status == 200


@pytest.fixture(name="running_host")
def _settled_host(running_host: Host) -> Host:
    """Return a host that has all files open that it ever has: also its index, soon."""
    until(lambda: "sxhost.db-search-shm" in open_files(running_host))
    return running_host


def open_files(host: Host) -> set[str]:
    names = set()
    for link in Path(f"/proc/{host.process.pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            names.add(link.readlink().name)
    return names


def descriptors(host: Host) -> int:
    return len(numbers(host))


def numbers(host: Host) -> list[int]:
    return [int(path.name) for path in Path(f"/proc/{host.process.pid}/fd").iterdir()]


def memory(host: Host) -> int:
    """Return the resident set in bytes."""
    pages = Path(f"/proc/{host.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def open_and_drop(host: Host, count: int) -> None:
    for number in range(count):
        with connect(host) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            client.sendall(BEGUN[number % len(BEGUN)])


def settled(host: Host) -> int:
    """Return how many descriptors there are, once all that were dropped are closed."""
    with connect(host) as client:
        assert is_healthy(client, host)
        least = descriptors(host)
        while is_healthy(client, host):
            now = descriptors(host)
            if now >= least:
                return now
            least = now
    raise AssertionError("the host does not answer")


def test_dropped_connections_leave_no_descriptor_and_no_memory(running_host: Host) -> None:
    open_and_drop(running_host, 2000)
    before, kept = settled(running_host), memory(running_host)
    open_and_drop(running_host, 8000)
    assert settled(running_host) <= before
    assert memory(running_host) - kept < 4 * MIB


@contextmanager
def at_most(host: Host, count: int) -> Iterator[None]:
    """Let the host have so many descriptors."""
    usual = resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE, (count, usual[1]))
    try:
        yield
    finally:
        resource.prlimit(host.process.pid, resource.RLIMIT_NOFILE, usual)


def coming(host: Host, before: socket.socket, stack: ExitStack) -> socket.socket:
    """Connect, and leave the host time to accept."""
    client = stack.enter_context(connect(host))
    assert is_healthy(before, host)
    return client


def test_connections_wait_when_descriptors_run_out(
    running_host: Host,
) -> None:
    with at_most(running_host, descriptors(running_host) + 40), ExitStack() as stack:
        first = stack.enter_context(connect(running_host))
        assert is_healthy(first, running_host)
        crowd = [coming(running_host, first, stack) for _ in range(60)]
        waiting = crowd[-1]
        waiting.sendall(HEALTH % running_host.port)
        assert is_healthy(first, running_host)
        for client in crowd[:-1]:
            client.close()
        assert waiting.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert is_healthy(first, running_host)
    assert "accepting pauses" in running_host.output()
    assert "Traceback" not in running_host.output()


def test_host_survives_without_a_free_descriptor(running_host: Host) -> None:
    with connect(running_host) as first:
        assert is_healthy(first, running_host)
        with ExitStack() as stack:
            with at_most(running_host, max(numbers(running_host)) + 1):
                second = stack.enter_context(connect(running_host))
                assert is_healthy(first, running_host)
                second.setblocking(False)
                with pytest.raises(BlockingIOError):
                    second.recv(1)
                second.settimeout(PATIENCE)
                assert is_healthy(first, running_host)
            assert is_healthy(second, running_host)
    assert "Traceback" not in running_host.output()
