"""What one client can make many or large, at full size: ``python -m benchmarks.bounds``.

For each case: the longest turn of the host's reactor (CPU time, so that others on the machine
do not count) and its resident memory before, at the peak, and after.  ``--scale 0.1`` plays
a tenth; it ends with 1 if memory grows beyond what the limits say.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Final

from tests.stress.host_process import NDJSON, Client, Host, raise_files, request, running_host

MB: Final = 1_000_000
LARGE: Final = "x" * 262_000
"""The data of a large event: nearly all that the limit lets through."""

HEALTH: Final = request("GET", "/health")
DRAIN: Final = 1 << 20

HANDSHAKE: Final = (
    b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PANES: Final = 64
"""Subscriptions on one WebSocket."""

GROWTH: Final = 400
"""MB that the peak may lie above the beginning: 128 of events, and what is under way."""

TURNS: Final = Path(__file__).with_name("turns")
"""Where the module is that measures the host's turns."""

Case = Callable[[Host, float], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--case", choices=CASES)
    args = parser.parse_args()
    raise_files(20_000)
    sys.path.insert(0, str(TURNS))
    wrong = False
    with tempfile.TemporaryDirectory() as place:
        os.environ["SXHOST_TURNS"] = str(Path(place) / "turns")
        for name in [args.case] if args.case else CASES:
            wrong |= not play(name, args.scale)
    sys.exit(wrong)


def play(name: str, scale: float) -> bool:
    """Play a case on a host of its own; print its line; return whether memory was bounded."""
    with running_host() as host:
        turns = Path(os.environ["SXHOST_TURNS"])
        _fill(host, 1, 1)  # what is loaded with the first request does not count
        before = host.memory()
        turns.unlink(missing_ok=True)
        said = CASES[name](host, scale)
        stood = float(turns.read_text())
        peak, after = _peak(host), host.memory()
    grown = (peak - before) / MB
    print(
        f"{name:14}a turn of {stood * 1000:.0f} ms at the most; memory {before / MB:.0f} MB,"
        f" peak {peak / MB:.0f}, then {after / MB:.0f}; {said}",
        flush=True,
    )
    return grown <= GROWTH


# The cases.


def rings(host: Host, scale: float) -> str:
    """Twelve sessions of 273 events of 256 KB: 860 MB in all."""
    sessions = max(1, round(12 * scale))
    _fill(host, sessions, 273)
    return f"{sessions} sessions of 273 events of 262 kB"


def reading(host: Host, scale: float) -> str:
    """All of it in one answer."""
    _fill(host, max(1, round(12 * scale)), 273)
    start = time.perf_counter()
    with socket.create_connection(("127.0.0.1", host.port)) as client:
        client.sendall(
            b"GET /events?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )
        size = 0
        while piece := client.recv(DRAIN):
            size += len(piece)
    return f"{size / MB:.0f} MB in {time.perf_counter() - start:.1f} s"


def subscriptions(host: Host, scale: float) -> str:
    """Sixteen thousand subscriptions with a filter each, and writes that concern one."""
    count, took = round(16_000 * scale), []
    with ExitStack() as stack, Client(host.port) as writer:
        sockets = _subscribed(stack, host, count, lambda n: {"types": [f"t{n}"]})
        for n in range(20):
            body = json.dumps({"event": f"t{n}"}).encode()
            start = time.perf_counter()
            writer.exchange(request("POST", "/sessions/a/events", body))
            writer.exchange(HEALTH)
            time.sleep(0.02)
            took.append(time.perf_counter() - start - 0.02)
        got = _read_until(sockets[0], b'"t19"')
    took.sort()
    return f"{count} subscriptions; a write takes {took[10] * 1000:.1f} ms ({got} bytes came)"


def closing(host: Host, scale: float) -> str:
    """Ten thousand streams that end at once, since their session is forgotten."""
    count = round(10_000 * scale)
    _exchange(host, request("POST", "/sessions/a/events", b'{"event":"begin"}'))
    follow = request("GET", "/sessions/a/events?follow=1&after=now")
    with ExitStack() as stack:
        streams = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", host.port)))
            client.sendall(follow)
            streams.append(client)
        for one in streams:
            _read_until(one, b"hello")
        _exchange(host, request("DELETE", "/sessions/a"))
        for one in streams:
            _read_until(one, b'"end"')
    return f"{count} streams"


def batches(host: Host, scale: float) -> str:
    """Five batches of 10 MB at once."""
    lines = max(1, round(10_000 * scale))
    body = b"".join(b'{"event":"x","data":"%s"}\n' % (b"y" * 1000) for _ in range(lines))
    threads = [
        Thread(
            target=_exchange,
            args=(host, request("POST", f"/sessions/s{n}/events", body, NDJSON)),
        )
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"five batches of {len(body) / MB:.1f} MB"


CASES: Final[dict[str, Case]] = {
    "rings": rings,
    "reading": reading,
    "subscriptions": subscriptions,
    "closing": closing,
    "batches": batches,
}


# How it is done.


def _fill(host: Host, sessions: int, events: int) -> None:
    """Fire large events, some at a time."""
    line = json.dumps({"event": "x", "data": LARGE}).encode() + b"\n"
    with Client(host.port) as client:
        for session in range(sessions):
            left = events
            while left:
                count = min(left, 39)
                path = f"/sessions/{session}/events"
                client.exchange(request("POST", path, line * count, NDJSON))
                left -= count


def _exchange(host: Host, message: bytes) -> None:
    with Client(host.port) as client:
        client.exchange(message)


def _subscribed(
    stack: ExitStack, host: Host, count: int, wanted: Callable[[int], dict[str, object]]
) -> list[socket.socket]:
    """Subscribe so many times, as often as a WebSocket may; return the WebSockets."""
    _exchange(host, request("POST", "/sessions/a/events", b'{"event":"begin"}'))
    sockets = []
    for first in range(0, count, PANES):
        client = stack.enter_context(socket.create_connection(("127.0.0.1", host.port)))
        client.sendall(HANDSHAKE)
        _read_until(client, b"\r\n\r\n")
        for n in range(first, min(first + PANES, count)):
            subscribe = {"id": str(n), "after": "now", **wanted(n)}
            client.sendall(_masked(json.dumps({"subscribe": subscribe}).encode()))
        last = b'"id":"%d"' % (min(first + PANES, count) - 1)
        _read_until(client, last)
        sockets.append(client)
    return sockets


def _masked(payload: bytes) -> bytes:
    """Return a client's text frame; its mask is none."""
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + payload


def _read_until(client: socket.socket, wanted: bytes) -> int:
    client.settimeout(60)
    data = b""
    while wanted not in data:
        piece = client.recv(DRAIN)
        if not piece:
            raise ConnectionError(data[-500:])
        data += piece
    return len(data)


def _peak(host: Host) -> int:
    """Return the most memory that the host ever had."""
    status = Path(f"/proc/{host.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main()
