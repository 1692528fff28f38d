"""Deliveries to 200 live readers, SSE and WebSocket: ``python -m benchmarks.fanout``.

A delivery is one event written to one reader.  The CPU is the host process's, with what it
takes to append the events; the last column leaves that out, as measured without readers.
"""

from __future__ import annotations

import argparse
import statistics
import time

from benchmarks.measures import spent
from benchmarks.readers import LAST, crowd
from tests.stress.host_process import NDJSON, Client, Host, request, running_host
from tests.stress.stream_client import Refused, Stream, Transport

READERS, EVENTS, ROUNDS = 200, 2000, 5
TRANSPORTS: tuple[Transport, ...] = ("sse", "ndjson", "websocket")
BATCHES = (1, 20, 500)

EVENT = b'{"event":"tool-start","data":"Bash: git status --short --branch"}'
END = request("POST", "/sessions/bench/events", b'{"event":"%s"}' % LAST)


def post(client: Client, batch: int) -> None:
    """Post the events in batches of a size, and then the last."""
    body, kind = b"\n".join([EVENT] * batch), NDJSON if batch > 1 else ""
    message = request("POST", "/sessions/bench/events", body, kind)
    for _ in range(EVENTS // batch):
        client.exchange(message)
    client.exchange(END)


def deliver(
    host: Host, client: Client, readers: int, transport: Transport, batch: int
) -> tuple[float, float]:
    """Return the host's CPU seconds, and seconds from first post to last delivery."""
    with crowd(host.port, readers, transport) as pipe:
        cpu, start = host.cpu(), time.perf_counter()
        post(client, batch)
        count, right, done = pipe.recv()
        assert right, "some reader did not get each event once and in order"
        assert count == EVENTS + 1, count
        return host.cpu() - cpu, done - start


def served(host: Host, transport: Transport) -> bool:
    """Tell whether the host has this transport."""
    try:
        Stream(host.port, transport).close()
    except Refused:
        return False
    return True


def report(
    host: Host, client: Client, transport: Transport, batch: int, args: argparse.Namespace
) -> None:
    """Measure some rounds, each beside one without readers, and print a line."""
    totals, alone, times = [], [], []
    for _ in range(args.rounds):
        alone.append(spent(host, lambda: post(client, batch)))
        cpu, seconds = deliver(host, client, args.readers, transport, batch)
        totals.append(cpu)
        times.append(seconds)
    unit = 1e6 / (args.readers * (EVENTS + 1))
    total, least = statistics.median(totals) * unit, min(totals) * unit
    fanned = (statistics.median(totals) - statistics.median(alone)) * unit
    print(f"{transport:10}{batch:6}{total:16.2f}{least:8.2f}{fanned:16.2f}"
          f"{args.readers * EVENTS / statistics.median(times):16,.0f}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=READERS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--transport", choices=TRANSPORTS)
    parser.add_argument("--batch", type=int)
    args = parser.parse_args()
    print(f"{args.readers} readers, {EVENTS} events, {args.rounds} rounds: CPU us a delivery")
    print(
        f"{'':10}{'batch':>6}{'median':>16}{'min':>8}{'without append':>16}{'deliveries/s':>16}"
    )
    with running_host("--retain=1000000") as host, Client(host.port) as client:
        for transport in TRANSPORTS:
            if args.transport in (None, transport) and served(host, transport):
                for batch in [args.batch] if args.batch else BATCHES:
                    report(host, client, transport, batch, args)


if __name__ == "__main__":
    main()
