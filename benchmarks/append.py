"""What it costs to append, on disk and in memory: ``python -m benchmarks.append``.

The CPU is that of the host's whole process, HTTP and the writer's thread included.
"""

from __future__ import annotations

from benchmarks.measures import exchanges, spread
from tests.stress.host_process import NDJSON, Client, request, running_host

EVENT = b'{"event":"tool-start","data":"Bash: git status --short --branch"}'
SECONDS, ROUNDS = 1.5, 7

STORES = {
    "sqlite, power": ("--store=sqlite", "--durability=power"),
    "sqlite, process": ("--store=sqlite", "--durability=process"),
    "memory": ("--store=memory:",),
}
BATCHES = (500, 50, 1)


def message(batch: int) -> bytes:
    """Return a request that posts `batch` events."""
    body, kind = b"\n".join([EVENT] * batch), NDJSON if batch > 1 else ""
    return request("POST", "/sessions/bench/events", body, kind)


def report(name: str, *options: str) -> None:
    with running_host(*options) as host, Client(host.port) as client:
        client.exchange(request("POST", "/sessions/bench/register", b"{}"))
        rounds: dict[int, list[float]] = {batch: [] for batch in BATCHES}
        for _ in range(ROUNDS):
            for batch, figures in rounds.items():
                figures.append(exchanges(host, client, message(batch), SECONDS)[1] / batch)
    for batch, figures in rounds.items():
        print(f"{name:18}{batch:6}  {spread(figures)}", flush=True)


def main() -> None:
    print(f"{'store':18}{'batch':>6}  CPU us an event")
    for name, options in STORES.items():
        report(name, *options)


if __name__ == "__main__":
    main()
