"""Requests a second and CPU microseconds a request: ``python -m benchmarks.http``.

The client waits for each answer before it asks again (so "a second" has its own share in
it); the CPU is the host process's alone.
"""

from __future__ import annotations

import statistics
import time

from tests.stress.host_process import Client, Host, request, running_host

EVENT = b'{"event":"tool-start","data":"Bash: git status --short --branch"}'
SECONDS, ROUNDS = 2.0, 5

CASES = {
    "GET /health": (1, request("GET", "/health")),
    "POST one event": (1, request("POST", "/sessions/bench/events", EVENT)),
    "POST a batch of 500 events": (
        500,
        request(
            "POST", "/sessions/bench/events", b"\n".join([EVENT] * 500), "application/x-ndjson"
        ),
    ),
    "GET messages (a pull)": (1, request("GET", "/sessions/bench/messages")),
}


def measure(host: Host, client: Client, message: bytes) -> tuple[float, float]:
    """Return requests a second, and CPU microseconds of the host for each."""
    cpu, start, count = host.cpu(), time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        client.exchange(message)
        count += 1
    return count / (time.perf_counter() - start), (host.cpu() - cpu) / count * 1e6


def main() -> None:
    with running_host() as host, Client(host.port) as client:
        client.exchange(request("POST", "/sessions/bench/register", b"{}"))
        print(f"{'':28}{'requests/s':>12}{'CPU us/request':>16}{'CPU us/item':>13}")
        for name, (items, message) in CASES.items():
            rounds = [measure(host, client, message) for _ in range(ROUNDS)]
            rate, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(f"{name:28}{rate:12,.0f}{cpu:16,.1f}{cpu / items:13,.1f}")


if __name__ == "__main__":
    main()
