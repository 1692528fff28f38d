"""50 readers that never read, beside 30 MB of events: ``python -m benchmarks.stuck``.

What the host keeps for itself (the hot end of each log) is measured first, without readers.
"""

from __future__ import annotations

import argparse
import time

from tests.stress.host_process import NDJSON, Client, Host, request, running_host
from tests.stress.stream_client import ALL, Stream

READERS, MEGABYTES = 50, 30
SIZES = (1_000, 10_000, 100_000)


def post(client: Client, size: int) -> None:
    """Post 30 MB of events of `size` bytes, about 1 MB at a time."""
    event = b'{"event":"tool-done","data":"%s"}' % (b"x" * size)
    batch = b"\n".join([event] * (1_000_000 // size))
    for _ in range(MEGABYTES):
        client.exchange(request("POST", "/sessions/bench/events", batch, NDJSON))


def stuck(host: Host, after: str) -> list[Stream]:
    """Begin to read from a place, and never go on."""
    return [Stream(host.port, "sse", ALL, after, room=4096) for _ in range(READERS)]


def grown(host: Host, before: int) -> float:
    """Return the growth in MB since `before`, once all is written that will be."""
    time.sleep(0.5)
    return (host.memory() - before) / 1e6


def report(size: int) -> None:
    with running_host() as host, Client(host.port) as client:
        post(client, size)  # the rings are full now, and what the host frees it uses again
        before = host.memory()
        post(client, size)
        alone = grown(host, before)
        before = host.memory()
        early = stuck(host, "now")
        post(client, size)
        live = grown(host, before)
        before = host.memory()
        late = stuck(host, "0")
        past = grown(host, before)
        for stream in early + late:
            stream.close()
    print(f"{size:8,} bytes an event: {alone:6.1f} MB without readers; {live:6.1f} MB beside"
          f" {READERS} that are there first; {past:6.1f} MB more for {READERS} that come late",
          flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int)
    args = parser.parse_args()
    for size in [args.size] if args.size else SIZES:
        report(size)


if __name__ == "__main__":
    main()
