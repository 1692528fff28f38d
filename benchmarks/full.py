"""A host that is full, 1024 sessions of 256 events: ``python -m benchmarks.full``."""

from __future__ import annotations

import statistics
import time

from tests.stress.host_process import Client, request, running_host

SESSIONS, EVENTS, ROUNDS = 1024, 256, 15
EVENT = b'{"event":"tool-done","data":"%s"}' % (b"x" * 200)
BATCH = b"\n".join([EVENT] * EVENTS)
REGISTRATION = (
    b'{"model":"gpt-4.1","provider":"openai","cwd":"/home/dev/project","title":"A session",'
    b'"git_branch":"main","labels":{"team":"core"}}'
)


def main() -> None:
    with running_host() as host, Client(host.port) as client:
        empty = host.memory()
        for number in range(SESSIONS):
            path = f"/sessions/session-{number}"
            client.exchange(request("POST", f"{path}/register", REGISTRATION))
            client.exchange(request("POST", f"{path}/events", BATCH, "application/x-ndjson"))
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            body = client.exchange(request("GET", "/sessions"))
            times.append((time.perf_counter() - start) * 1000)
        full = host.memory()
        print(f"memory: {empty / 1e6:.0f} MB empty, {full / 1e6:.0f} MB full")
        print(f"GET /sessions, {len(body):,} bytes: median {statistics.median(times):.0f} ms,"
              f" max {max(times):.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
