"""100 readers beside 100 that never read, at 1,000 events/s: ``python -m benchmarks.strain``.

Rounds with and without those that never read take turns, each on a host of its own.  Told is
how long events took from when they were due to be posted until a reader had them, and by how
much the host's memory grew.  The host puts out who reads nothing for 24 s; so each of them
hangs up after 20 and comes again.  Where others use the machine, compare the p99 of the
second in the middle: half of the seconds were worse.
"""

from __future__ import annotations

import argparse
import json
import re
import selectors
import sys
import time
from collections import Counter, defaultdict, deque
from contextlib import ExitStack
from multiprocessing.connection import Connection
from statistics import median
from threading import Thread
from typing import NamedTuple

from benchmarks.readers import apart
from tests.stress.host_process import NDJSON, Client, Host, raise_files, request, running_host
from tests.stress.stream_client import ALL, Stream

READERS, RATE, SECONDS, ROUNDS = 100, 1000, 60.0, 3
BATCH, CLIENTS, SESSIONS, WARM_S = 10, 4, 16, 5.0
MEMORY_MB, SLOWER = 100, 1.2
"""What is promised: so much memory more, and a p99 so many times as long, at the most."""

STALLED_S = 20.0
Tallies = dict[int, Counter[int]]
"""For each second how many events took how many tenths of a millisecond."""

DUE = re.compile(rb'"data":([0-9.]+)')


class Round(NamedTuple):
    """What one round showed: latencies in ms, memory in MB, CPU seconds a second."""

    p50: float
    p99: float
    middle: float
    """The p99 of the second in the middle."""

    grown: float
    cpu: float


# Those who read, in a process of their own.


class Reader:
    """One that reads, and keeps what is cut off of its last event."""

    def __init__(self, port: int) -> None:
        self.stream = Stream(port, "sse", ALL, "now")
        self.stream.begin()
        self._rest = b""

    def due_times(self) -> list[bytes]:
        """Read once; return when the events that came were due."""
        data = self._rest + self.stream.socket.recv(1 << 18)
        whole = data.rfind(b"\n\n") + 1
        self._rest = data[whole:]
        return DUE.findall(data, 0, whole)


def listen(pipe: Connection, port: int, count: int) -> None:
    """Let `count` readers read until the pipe says so; send back how long events took."""
    raise_files(count + 100)
    tallies: Tallies = defaultdict(Counter)
    with selectors.DefaultSelector() as selector:
        for reader in [Reader(port) for _ in range(count)]:
            selector.register(reader.stream.socket, selectors.EVENT_READ, reader)
        pipe.send("ready")
        selector.register(pipe, selectors.EVENT_READ)
        while read_once(selector, tallies):
            pass
    pipe.send(dict(tallies))


def read_once(selector: selectors.BaseSelector, tallies: Tallies) -> bool:
    """Count how long what has come took; tell whether to go on."""
    for key, _ in selector.select():
        if key.data is None:
            return False
        due, now = key.data.due_times(), time.perf_counter()
        tallies[int(now)].update([int((now - float(text)) * 10_000) for text in due])
    return True


def percentile(tally: Counter[int], share: float) -> float:
    """Return within how many ms a share of the events came."""
    left = tally.total() * share
    for tenths in sorted(tally):
        left -= tally[tenths]
        if left <= 0:
            return (tenths + 1) / 10
    raise AssertionError("nothing came")


def in_the_middle(tallies: Tallies) -> float:
    """Return the p99 of the second in the middle."""
    return median(percentile(tally, 0.99) for tally in tallies.values() if tally)


# Those who do not, in another.


def stall(pipe: Connection, port: int, count: int) -> None:
    """Hold `count` streams that are never read until the pipe says so."""
    raise_files(count + 100)
    streams = deque(Stream(port, "sse", ALL, "now", room=4096) for _ in range(count))
    pipe.send("ready")
    due = time.monotonic()
    while not pipe.poll(max(0.0, due - time.monotonic())):
        due += STALLED_S / count
        streams.popleft().close()
        streams.append(Stream(port, "sse", ALL, "now", room=4096))
    pipe.send("done")


# A round.


def post(port: int, session: int, start: float, seconds: float) -> None:
    """Post one client's share of the events, each with the time at which it was due."""
    step = BATCH * CLIENTS / RATE
    with Client(port) as client:
        for number in range(int(seconds / step)):
            due = start + number * step
            time.sleep(max(0.0, due - time.perf_counter()))
            body = b'{"event":"tool-start","data":%.6f}\n' % due * BATCH
            path = f"/sessions/bench-{(session + number * CLIENTS) % SESSIONS}/events"
            client.exchange(request("POST", path, body, NDJSON))


def post_together(port: int, seconds: float) -> None:
    """Post at the rate, by clients that take turns."""
    start = time.perf_counter() + 0.1
    turns = [start + number * BATCH / RATE for number in range(CLIENTS)]
    posters = [
        Thread(target=post, args=(port, number, begin, seconds))
        for number, begin in enumerate(turns)
    ]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join()


def measure(host: Host, seconds: float) -> tuple[float, float]:
    """Post for so long; return by how many MB the host grew, and its CPU seconds a second."""
    before, cpu, start = host.memory(), host.cpu(), time.perf_counter()
    posting = Thread(target=post_together, args=(host.port, seconds))
    posting.start()
    most = before
    while posting.is_alive():
        most = max(most, host.memory())
        posting.join(0.5)
    return (most - before) / 1e6, (host.cpu() - cpu) / (time.perf_counter() - start)


def play(seconds: float, *, beside: bool) -> Round:
    """Play one round, with or without those that never read."""
    with ExitStack() as stack:
        host = stack.enter_context(running_host())
        post_together(host.port, WARM_S)
        readers = stack.enter_context(apart(listen, host.port, READERS))
        assert readers.recv() == "ready"
        if beside:
            stalled = stack.enter_context(apart(stall, host.port, READERS))
            assert stalled.recv() == "ready"
        grown, cpu = measure(host, seconds)
        readers.send("done")
        tallies: Tallies = readers.recv()
        tally = sum(tallies.values(), Counter[int]())
        assert tally.total() > READERS * RATE * seconds * 0.99, "some events did not come"
        if beside:
            assert subscribers(host) >= READERS * 0.9, "the stalled are not there"
            stalled.send("done")
            assert stalled.recv() == "done"
        p50, p99 = percentile(tally, 0.5), percentile(tally, 0.99)
        return Round(p50, p99, in_the_middle(tallies), grown, cpu)


def subscribers(host: Host) -> int:
    """Return how many streams the host has, once it knows that the readers have gone."""
    time.sleep(1)
    with Client(host.port) as client:
        count: int = json.loads(client.exchange(request("GET", "/status")))["subscribers"]
    return count


# All rounds.


def report(seconds: float, rounds: int) -> bool:
    """Print each round and the medians; tell whether they are as promised."""
    told: dict[bool, list[Round]] = {False: [], True: []}
    for _ in range(rounds):
        for beside, before in told.items():
            found = play(seconds, beside=beside)
            before.append(found)
            print(line(f"{READERS} stalled" if beside else "alone", found), flush=True)
    alone, beside_them = (
        Round(*map(median, zip(*kind, strict=True))) for kind in told.values()
    )
    print(line("median alone", alone))
    print(line(f"beside {READERS}", beside_them))
    grown = max(found.grown for found in told[True])
    whole, middle = beside_them.p99 / alone.p99, beside_them.middle / alone.middle
    print(f"p99 x {whole:.2f}, in the middle x {middle:.2f}; memory +{grown:.0f} MB at most")
    return middle <= SLOWER and grown <= MEMORY_MB


def line(name: str, found: Round) -> str:
    """Write a round in a line."""
    return (
        f"{name:14} p50 {found.p50:6.1f} ms, p99 {found.p99:6.1f} ms, in the middle"
        f" {found.middle:5.1f} ms, memory +{found.grown:5.1f} MB, CPU {found.cpu:4.0%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each kind")
    args = parser.parse_args()
    sys.exit(not report(args.seconds, args.rounds))


if __name__ == "__main__":
    main()
