"""What a request costs as all else grows: ``python -m benchmarks.growth``.

Sessions, readers of other sessions, and the events of its own log.  Hosts of all sizes run side
by side and take turns, so that what disturbs one disturbs all.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks.measures import exchanges, spread
from tests.stress.host_process import NDJSON, Client, Host, raise_files, request, running_host
from tests.stress.stream_client import Stream, Wanted

EVENT = b'{"event":"tool-start","data":"Bash: git status --short --branch"}'
BATCH = 500
SECONDS, ROUNDS = 0.5, 7

REQUESTS = {
    "POST one event": request("POST", "/sessions/bench/events", EVENT),
    "GET its last 10": request("GET", "/sessions/bench"),
    "GET its first 10": request("GET", "/sessions/bench/events?after=1&limit=10"),
}


class Axis(NamedTuple):
    """Something that grows: its sizes, the hosts' options, and what makes a host as large."""

    name: str
    sizes: Sequence[int]
    options: Sequence[str]
    grow: Callable[[ExitStack, Host, Client, int], None]


def add_sessions(_stack: ExitStack, _host: Host, client: Client, size: int) -> None:
    for number in range(size - 1):
        client.exchange(request("POST", f"/sessions/other-{number}/events", EVENT))


def add_readers(stack: ExitStack, host: Host, _client: Client, size: int) -> None:
    for number in range(size):
        stream = Stream(host.port, "sse", Wanted((f"other-{number % 10}",)), "now")
        stream.begin()
        stack.callback(stream.socket.close)


def add_other_sessions_and_readers(
    stack: ExitStack, host: Host, client: Client, size: int
) -> None:
    add_sessions(stack, host, client, 11)
    add_readers(stack, host, client, size)


def add_events(_stack: ExitStack, _host: Host, client: Client, size: int) -> None:
    batch = request("POST", "/sessions/bench/events", b"\n".join([EVENT] * BATCH), NDJSON)
    for _ in range(size // BATCH):
        client.exchange(batch)


AXES = (
    Axis("sessions", (1, 100, 10_000), ("--limit=sessions=20000",), add_sessions),
    Axis("readers of others", (1, 100, 1000), (), add_other_sessions_and_readers),
    Axis(
        "events of its log",
        (1_000, 100_000, 10_000_000),
        ("--limit=retain=1000000000",),
        add_events,
    ),
)


def report(axis: Axis, sizes: Sequence[int], store: str) -> None:
    with ExitStack() as stack:
        hosts = []
        for size in sizes:
            host = stack.enter_context(running_host(f"--store={store}", *axis.options))
            with Client(host.port) as client:
                client.exchange(REQUESTS["POST one event"])
                axis.grow(stack, host, client, size)
            hosts.append(host)
        # A connection that was idle while the others grew would be closed by now.
        clients = [stack.enter_context(Client(host.port)) for host in hosts]
        for name, message in REQUESTS.items():
            figures: list[list[float]] = [[] for _ in sizes]
            for _ in range(ROUNDS):
                for host, client, costs in zip(hosts, clients, figures, strict=True):
                    costs.append(exchanges(host, client, message, SECONDS)[1])
            for size, costs in zip(sizes, figures, strict=True):
                print(f"{axis.name:20}{size:12,}  {name:18}{spread(costs, '.0f')}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="sqlite")
    parser.add_argument("--axis", default="", help="only what has this in its name")
    parser.add_argument("--most", type=int, default=10_000_000, help="the largest size")
    args = parser.parse_args()
    raise_files(20_000)
    print(f"{'':52}CPU us a request, {args.store}")
    for axis in AXES:
        if args.axis in axis.name:
            report(axis, sorted({min(size, args.most) for size in axis.sizes}), args.store)


if __name__ == "__main__":
    main()
