"""How long a host keeps peers that vanish without a word: ``python -m benchmarks.halfopen``.

As root: host and clients run in two network namespaces that only have each other, until the
way back is cut.  What a client waits for, or was in the midst of, decides what notices that
it is gone; told is when the host closed the first and the last socket of each kind.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stress.host_process import NDJSON, Client, Host, request, running_host

OURS, THEIRS = "192.0.2.1", "192.0.2.2"
INSIDE = "SXHOST_BENCHMARK_INSIDE"
"""Set where the namespaces are ours already."""

COUNT, PROMISED, LONGEST = 20, 40, 90
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
SSE = "Accept: text/event-stream\r\n"
KINDS = {
    "a silent SSE stream": ("GET /sessions/quiet/events?after=now", SSE),
    "an SSE stream with events": ("GET /sessions/busy/events?after=now", SSE),
    "a WebSocket": ("GET /v1/stream?session=quiet&after=now", UPGRADE),
    "a pull that waits": ("GET /sessions/quiet/messages?wait=300", ""),
    "a next request": ("GET /health", ""),
    "half a body": ("POST /sessions/quiet/events", "Content-Length: 1000\r\n"),
    "half a header": ("GET /health HTTP/1.1", ""),
    "an answer of 0.5 MB": ("GET /sessions/full/events", ""),
}
SILENT = {"a pull that waits", "half a body", "half a header", "an answer of 0.5 MB"}
"""Kinds whose clients read nothing before the cut."""

CLIENT = """
import json, socket, sys
address, kinds = json.loads(sys.argv[1])
kept = []
for kind, asked, reads, count in kinds:
    for _ in range(count):
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(tuple(address))
        link.sendall(asked.encode())
        if reads:
            link.recv(65536)
        kept.append((link, kind))
print(json.dumps([(link.getsockname()[1], kind) for link, kind in kept]), flush=True)
sys.stdin.read()
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def apart() -> Iterator[list[str]]:
    """Join us to a second namespace; yield the command that runs others in it."""
    keeper = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
    there = ["nsenter", "-t", str(keeper.pid), "-n"]
    try:
        wait_for_namespace(keeper.pid)
        ip("link", "set", "lo", "up")
        ip(
            "link",
            "add",
            "here",
            "type",
            "veth",
            "peer",
            "name",
            "there",
            "netns",
            str(keeper.pid),
        )
        ip("addr", "add", f"{OURS}/30", "dev", "here")
        ip("link", "set", "here", "up")
        subprocess.run(
            [*there, "ip", "addr", "add", f"{THEIRS}/30", "dev", "there"], check=True
        )
        subprocess.run([*there, "ip", "link", "set", "there", "up"], check=True)
        yield there
    finally:
        keeper.kill()
        keeper.wait()


def wait_for_namespace(pid: int) -> None:
    """Wait until a process has a network of its own."""
    own = Path("/proc/self/ns/net").readlink()
    for _ in range(500):
        if Path(f"/proc/{pid}/ns/net").readlink() != own:
            return
        time.sleep(0.01)
    raise AssertionError("no namespace came to be")


@contextmanager
def clients(there: list[str], port: int, token: str, count: int) -> Iterator[dict[int, str]]:
    """Connect `count` clients of each kind; yield their ports and kinds."""
    kinds = [(kind, asked(kind, token), kind not in SILENT, count) for kind in KINDS]
    given = json.dumps(((OURS, port), kinds))
    command = [*there, sys.executable, "-c", CLIENT, given]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield dict(json.loads(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


def asked(kind: str, token: str) -> str:
    """Return what a client of a kind sends."""
    line, more = KINDS[kind]
    if kind == "half a header":
        return f"{line}\r\nHost: x\r\n"
    head = f"{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
    return head + ("{" if kind == "half a body" else "")


def held(host: Host) -> set[int]:
    """Return the peers' ports of the sockets that the host has not closed."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = f":{host.port:04X}"
    return {int(row[2][9:], 16) for row in rows if row[1].endswith(ours) and row[9] != "0"}


def fire(client: Client, session: str) -> None:
    client.exchange(request("POST", f"/sessions/{session}/events", b'{"event":"thinking"}'))


def prepare(client: Client) -> None:
    """Make the sessions, one with half a megabyte of log."""
    fire(client, "quiet")
    fire(client, "busy")
    event = b'{"event":"tool-done","data":"%s"}' % (b"x" * 2000)
    body = b"\n".join([event] * 256)
    client.exchange(request("POST", "/sessions/full/events", body, NDJSON))


def cut(
    there: list[str], host: Host, client: Client, found: dict[int, str]
) -> dict[str, list[float]]:
    """Let nothing come back any more, and watch."""
    time.sleep(2)
    assert found.keys() <= held(host), "some were closed before the cut"
    subprocess.run([*there, "ip", "route", "add", "blackhole", f"{OURS}/32"], check=True)
    return watch(host, client, found)


def watch(host: Host, client: Client, found: dict[int, str]) -> dict[str, list[float]]:
    """Return when the sockets of each kind were closed; what is left then is in `found`."""
    gone: defaultdict[str, list[float]] = defaultdict(list)
    start = time.monotonic()
    while found and time.monotonic() - start < LONGEST:
        fire(client, "busy")
        for number in found.keys() - held(host):
            gone[found.pop(number)].append(time.monotonic() - start)
        time.sleep(0.2)
    return gone


def report(count: int) -> bool:
    """Cut the way, print when each kind was gone; tell whether all were in time."""
    with (
        tempfile.TemporaryDirectory() as home,
        apart() as there,
        running_host("--host=0.0.0.0", home=Path(home)) as host,
    ):
        token = Path(home, "token").read_text().strip()
        with Client(host.port) as client:
            prepare(client)
            with clients(there, host.port, token, count) as found:
                gone = cut(there, host, client, found)
        assert not host.trouble, host.trouble
    for kind in KINDS:
        times = gone.get(kind, [])
        told = f"{min(times):5.1f} to {max(times):.1f} s" if times else "    -"
        print(f"{kind:26} {len(times)} of {count} gone, {told}", flush=True)
    return not found and max(max(times) for times in gone.values()) <= PROMISED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="clients of each kind")
    args = parser.parse_args()
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        again = [sys.executable, "-m", "benchmarks.halfopen", *sys.argv[1:]]
        os.execvp("unshare", ["unshare", "-n", *again])
    sys.exit(not report(args.count))


if __name__ == "__main__":
    main()
