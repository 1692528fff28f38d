"""From a POST to a subscriber, at 500 events/s on disk: ``python -m benchmarks.latency``.

Ten clients post in turn; each event carries the time at which it was due, so that a post that
waits counts against the host.  Reader and host are processes of their own.
"""

from __future__ import annotations

import argparse
import statistics
import time
from multiprocessing.connection import Connection
from threading import Thread

from benchmarks.readers import apart
from tests.stress.host_process import Client, request, running_host
from tests.stress.stream_client import ALL, Stream

RATE, SECONDS, CLIENTS = 500, 10.0, 10


def listen(pipe: Connection, port: int, count: int) -> None:
    """Follow all sessions; send back how many milliseconds each of `count` events took."""
    took: list[float] = []
    with Stream(port, "sse", ALL, "now") as stream:
        stream.begin()
        pipe.send("ready")
        while len(took) < count:
            frames, now = stream.frames(), time.perf_counter()
            took += [(now - f.value["data"]) * 1000 for f in frames if not f.name]
    pipe.send(took)


def post(port: int, count: int, rate: float) -> None:
    """Post `count` events, `rate` a second."""
    with Client(port) as client:
        start = time.perf_counter()
        for number in range(count):
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            body = b'{"event":"tool-start","data":%.6f}' % due
            client.exchange(request("POST", "/sessions/bench/events", body))


def post_together(port: int, count: int, rate: float) -> None:
    """Share the posts out, begun in turn."""
    posters = [
        Thread(target=post, args=(port, count // CLIENTS, rate / CLIENTS))
        for _ in range(CLIENTS)
    ]
    for poster in posters:
        poster.start()
        time.sleep(1 / rate)
    for poster in posters:
        poster.join()


def report(port: int, rate: int, seconds: float, beside: int) -> None:
    """Measure once, with some other readers beside the one that keeps time."""
    count = int(rate * seconds)
    others = [Stream(port, "sse", ALL, "now") for _ in range(beside)]
    with apart(listen, port, count) as pipe:
        assert pipe.recv() == "ready"
        post_together(port, count, rate)
        took = sorted(pipe.recv())
    for other in others:
        other.close()
    p99 = took[int(len(took) * 0.99)]
    print(f"{beside:6} others: p50 {statistics.median(took):.1f} ms, p99 {p99:.1f} ms,"
          f" max {took[-1]:.1f} ms of {count}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("options", nargs="*", help="options of the host, after --")
    args = parser.parse_args()
    with running_host(*args.options) as host:
        for beside in (0, 0, 0, 0, 50, 50, 50):
            report(host.port, args.rate, args.seconds, beside)


if __name__ == "__main__":
    main()
