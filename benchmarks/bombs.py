"""What the costliest batches cost that a host still reads: ``python -m benchmarks.bombs``.

Told is the host's CPU for one of each, as long as nothing else is answered, and how it ends.
"""

from __future__ import annotations

import argparse

from sxhost.model.limits import Limits
from tests.host.http.test_bombs import COSTLY
from tests.stress.host_process import NDJSON, Client, Host, request, running_host

TIMES = 5


def cost(host: Host, client: Client, body: bytes, times: int) -> tuple[int, float]:
    """Post a batch some times; return the status and the host's CPU ms for each."""
    message = request("POST", "/sessions/bench/events", body, NDJSON)
    cpu = host.cpu()
    for _ in range(times):
        status, _ = client.ask(message)
    return status, (host.cpu() - cpu) / times * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=TIMES)
    args = parser.parse_args()
    with running_host() as host, Client(host.port) as client:
        for name, body in {"a sixth of the lines": sixth(), **COSTLY}.items():
            before = host.memory()
            status, ms = cost(host, client, body, args.times)
            grown = (host.memory() - before) / 1e6
            print(f"{name:24} {len(body) / 1e6:5.1f} MB: {status}, {ms:6.1f} ms,"
                  f" memory {grown:+.0f} MB", flush=True)  # fmt: skip


def sixth() -> bytes:
    """Return an honest batch: a sixth of what may be."""
    return b'{"event":"tool-start","data":"Bash: git status"}\n' * (Limits().batch // 6)


if __name__ == "__main__":
    main()
