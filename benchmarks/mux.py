"""The multiplexer: deliveries to 200 clients, and round trips: ``python -m benchmarks.mux``.

A delivery is one event of a session that streams, written to one subscribed client.  The CPU
is the host process's; the last column leaves out what it takes to append the events, as
measured without clients.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import statistics
import time
from multiprocessing.connection import Connection

from benchmarks.readers import LAST, PATIENCE, apart
from benchmarks.rig import (
    NDJSON,
    Client,
    Host,
    raise_files,
    request,
    running_host,
    spent,
    spread,
)
from benchmarks.wire import Decoder, masked

CLIENTS, EVENTS, ROUNDS, TRIPS = 200, 2000, 5, 3000
BATCHES = (1, 20, 100)
WORDS = b'{"event":"message-delta","data":{"item":"m1","text":"and so it goes on "}}'
END = request("POST", "/sessions/bench/events", b'{"event":"%s"}' % LAST)
LIMITS = ("--limit=mux_rate=1000000", "--limit=mux_rate_all=1000000", "--retain=1000000")
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2l4dGVlbiBieXRlcyEhIQ==\r\n\r\n"
)


class Talker:
    """One client, byte by byte."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(UPGRADE)
        self.kept = bytearray()
        self.until(b"startup_recovery_summary")

    def say(self, **command: object) -> None:
        """Send a command."""
        self.socket.sendall(masked(json.dumps(command).encode()))

    def until(self, words: bytes) -> None:
        """Read until these words have come, and forget what came."""
        while words not in self.kept:
            more = self.socket.recv(1 << 18)
            assert more, "the host hung up"
            self.kept += more
        self.kept.clear()

    def take(self) -> bool:
        """Read once; tell whether the last event has come."""
        before = len(self.kept)
        more = self.socket.recv(1 << 18)
        assert more, "the host hung up"
        self.kept += more
        return self.kept.find(LAST, max(0, before - len(LAST))) >= 0

    def seqs(self) -> list[int]:
        """Return the numbers of the events that came."""
        frames = Decoder("websocket").receive(bytes(self.kept))
        return [frame.value["seq"] for frame in frames if frame.value["type"] == "event"]


def listen(pipe: Connection, port: int, count: int) -> None:
    """Subscribe so many clients, let them hear, and say what they have heard."""
    raise_files(count + 100)
    talkers = [Talker(port) for _ in range(count)]
    for talker in talkers:
        talker.say(type="switch_session", sessionId="bench", id="same")
    for talker in talkers:
        talker.until(b'"type":"response","id":"same"')
    for talker in talkers:
        talker.say(type="health_check", id=f"quiet-{id(talker)}-{time.time_ns()}")
    for talker in talkers:
        talker.until(b'"type":"response","id":"quiet-')
    pipe.send("ready")
    hear(talkers)
    done = time.perf_counter()
    first = talkers[0].seqs()
    alike = all(talker.seqs() == first for talker in talkers[1:])
    in_order = first == list(range(first[0], first[0] + len(first)))
    pipe.send((len(first), alike and in_order, done))


def hear(talkers: list[Talker]) -> None:
    """Keep what comes until every client has had the last event."""
    with selectors.DefaultSelector() as selector:
        for talker in talkers:
            selector.register(talker.socket, selectors.EVENT_READ, talker)
        while selector.get_map():
            ready = selector.select(PATIENCE)
            assert ready, "some clients have not heard the end"
            for key, _ in ready:
                if key.data.take():
                    selector.unregister(key.fileobj)


def post(client: Client, batch: int) -> None:
    """Have the session stream, in batches of a size, and then the last event."""
    body, kind = b"\n".join([WORDS] * batch), NDJSON if batch > 1 else ""
    message = request("POST", "/sessions/bench/events", body, kind)
    for _ in range(EVENTS // batch):
        client.exchange(message)
    client.exchange(END)


def deliver(host: Host, client: Client, clients: int, batch: int) -> tuple[float, float]:
    """Return the host's CPU seconds, and seconds from the first event to the last delivery."""
    with apart(listen, host.port, clients) as pipe:
        assert pipe.recv() == "ready"
        cpu, start = host.cpu(), time.perf_counter()
        post(client, batch)
        count, right, done = pipe.recv()
        assert right, "some client did not hear each event once and in order"
        assert count == EVENTS + 1, count
        return host.cpu() - cpu, done - start


def report(host: Host, client: Client, batch: int, args: argparse.Namespace) -> None:
    """Measure some rounds, each beside one without clients, and print a line."""
    totals, alone, times = [], [], []
    for _ in range(args.rounds):
        alone.append(spent(host, lambda: post(client, batch)))
        cpu, seconds = deliver(host, client, args.clients, batch)
        totals.append(cpu)
        times.append(seconds)
    unit = 1e6 / (args.clients * (EVENTS + 1))
    total, least = statistics.median(totals) * unit, min(totals) * unit
    fanned = (statistics.median(totals) - statistics.median(alone)) * unit
    rate = args.clients * EVENTS / statistics.median(times)
    print(f"{batch:6}{total:12.2f}{least:8.2f}{fanned:16.2f}{rate:16,.0f}", flush=True)


def trips(host: Host, args: argparse.Namespace) -> None:
    """Measure round trips of a command, on one connection."""
    figures = []
    talker = Talker(host.port)
    for _ in range(args.rounds):
        cpu = host.cpu()
        for _ in range(TRIPS):
            talker.say(type="health_check")
            talker.until(b'"type":"response"')
        figures.append((host.cpu() - cpu) / TRIPS * 1e6)
    print(f"health_check: CPU us a round trip: {spread(figures, '.0f')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    with running_host(*LIMITS) as host, Client(host.port) as client:
        trips(host, args)
        client.exchange(request("POST", "/sessions/bench/register", b"{}"))
        print(f"{args.clients} clients, {EVENTS} events: CPU us a delivery")
        print(f"{'batch':>6}{'median':>12}{'min':>8}{'without append':>16}{'deliveries/s':>16}")
        for batch in BATCHES:
            report(host, client, batch, args)


if __name__ == "__main__":
    main()
