"""From a POST to a subscriber, beside its throughput: ``python -m benchmarks.latency``.

Ten clients post in turn, 500 times a second at the most: beyond that each posts more events at
once.  Each event carries the time at which it was due, so that a post that waits counts against
the host.  Reader and host are processes of their own.
"""

from __future__ import annotations

import argparse
import statistics
import time
from multiprocessing.connection import Connection
from threading import Thread

from benchmarks.readers import apart
from tests.stress.host_process import NDJSON, Client, Host, request, running_host
from tests.stress.stream_client import ALL, Stream

RATES, SECONDS, CLIENTS, POSTS = (100, 500, 1000, 5000), 10.0, 10, 500
BESIDE = (0, 50)


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


def post(port: int, count: int, rate: float, batch: int) -> None:
    """Post `count` events, `rate` a second, `batch` at once."""
    with Client(port) as client:
        start = time.perf_counter()
        for number in range(0, count, batch):
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            body = b"\n".join([b'{"event":"tool-start","data":%.6f}' % due] * batch)
            kind = NDJSON if batch > 1 else ""
            client.exchange(request("POST", "/sessions/bench/events", body, kind))


def post_together(port: int, count: int, rate: float) -> None:
    """Share the posts out, begun in turn."""
    batch = max(1, round(rate / POSTS))
    share = (port, count // CLIENTS, rate / CLIENTS, batch)
    posters = [Thread(target=post, args=share) for _ in range(CLIENTS)]
    for poster in posters:
        poster.start()
        time.sleep(batch / rate)
    for poster in posters:
        poster.join()


def report(host: Host, rate: int, seconds: float, beside: int) -> None:
    """Measure once, with some other readers beside the one that keeps time."""
    count, port, cpu = int(rate * seconds), host.port, host.cpu()
    others = [Stream(port, "sse", ALL, "now") for _ in range(beside)]
    with apart(listen, port, count) as pipe:
        assert pipe.recv() == "ready"
        post_together(port, count, rate)
        took = sorted(pipe.recv())
    for other in others:
        other.close()
    p99 = took[int(len(took) * 0.99)]
    each = (host.cpu() - cpu) / count * 1e6
    print(f"{rate:6} events/s, {beside:4} others: p50 {statistics.median(took):.1f} ms,"
          f" p99 {p99:.1f}, max {took[-1]:.1f}; {each:.0f} us each", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int)
    parser.add_argument("--beside", type=int, help="other readers beside it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("options", nargs="*", help="options of the host, after --")
    args = parser.parse_args()
    besides = BESIDE if args.beside is None else [args.beside]
    with running_host("--retain=1000000", *args.options) as host:
        report(host, POSTS, 1.0, 0)  # not to be counted: all is cold
        for rate in RATES if args.rate is None else [args.rate]:
            for beside in [each for each in besides for _ in range(args.rounds)]:
                report(host, rate, args.seconds, beside)


if __name__ == "__main__":
    main()
