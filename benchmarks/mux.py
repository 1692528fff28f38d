"""The multiplexer: deliveries to 200 clients, and round trips: ``python -m benchmarks.mux``.

A delivery is one event of a session that streams, written to one subscribed client.  The CPU
is the host process's; the last column leaves out what it takes to append the events, as
measured without clients.  Clients are told of an answer again with each piece of it, as pi
does; ``--thin`` ones are not.
"""

from __future__ import annotations

import argparse
import json
import re
import selectors
import socket
import statistics
import time
from multiprocessing.connection import Connection

from benchmarks.measures import spent, spread
from benchmarks.readers import LAST, PATIENCE, apart
from tests.stress.host_process import NDJSON, Client, Host, raise_files, request, running_host
from tests.stress.stream_client import PONG, header, masked

PING, TAIL = 0x89, 200
SEQ = re.compile(rb'"seq":([0-9]+)}\Z')
CLIENTS, EVENTS, ROUNDS, TRIPS = 200, 2000, 5, 3000
PIECES = 50
"""Events of one answer, the last of them the whole: some 800 characters."""
BATCHES = (1, 20, 100)
WORDS = "and so it goes on "
END = request("POST", "/sessions/bench/events", b'{"event":"%s"}' % LAST)
RATES = ("mux_rate", "mux_rate_all", "commands")
LIMITS = (*(f"--limit={name}=1000000" for name in RATES), "--retain=1000000")
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
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        self.kept = bytearray()
        self.seqs: list[int] = []
        """The numbers of the events that came, each of which is some frames."""
        self.until(b"startup_recovery_summary")

    def say(self, **command: object) -> None:
        """Send a command."""
        self.socket.sendall(masked(json.dumps(command).encode()))

    def until(self, words: bytes) -> None:
        """Read until a frame with these words has come, and forget what came."""
        while not any(words in payload for _, payload in self.read()):
            pass

    def take(self) -> bool:
        """Read once; tell whether the last event has come."""
        return [self.hear(*frame) for frame in self.read()][-1:] == [True]

    def read(self) -> list[tuple[int, bytes]]:
        """Read once; return the frames that are whole."""
        more = self.socket.recv(1 << 18)
        assert more, "the host hung up"
        self.kept += more
        at, frames = 0, []
        while (found := header(self.kept[at : at + 10])) is not None:
            start, size = found
            if len(self.kept) < at + start + size:
                break
            payload = bytes(self.kept[at + start : at + start + size])
            frames.append((self.kept[at], payload))
            at += start + size
        del self.kept[:at]
        return frames

    def hear(self, kind: int, payload: bytes) -> bool:
        """Take a frame; tell whether it is the last event."""
        if kind == PING:
            self.socket.sendall(masked(payload, PONG))
        seq = SEQ.search(payload, max(0, len(payload) - TAIL))
        if seq is not None and self.seqs[-1:] != [int(seq[1])]:
            self.seqs.append(int(seq[1]))
        return LAST in payload[:TAIL]


def line(number: int) -> bytes:
    """Return an event of the stream: a piece of an answer, or the whole."""
    answer, piece = divmod(number, PIECES)
    whole = piece == PIECES - 1
    text = WORDS * (PIECES - 1) if whole else WORDS
    data = {"item": f"m{answer}", "text": text}
    said = {"event": "message" if whole else "message-delta", "data": data}
    return json.dumps(said).encode()


LINES = [line(number) for number in range(EVENTS)]


def listen(pipe: Connection, port: int, count: int, thin: str) -> None:
    """Subscribe so many clients, let them hear, and say what they have heard."""
    raise_files(count + 100)
    talkers = [Talker(port) for _ in range(count)]
    for talker in talkers:
        talker.say(type="switch_session", sessionId="bench", snapshots=thin != "thin")
    for talker in talkers:
        talker.until(b'"type":"response"')
    for talker in talkers:
        talker.say(type="health_check", id=f"quiet-{id(talker)}-{time.time_ns()}")
    for talker in talkers:
        talker.until(b'"type":"response","id":"quiet-')
    pipe.send("ready")
    hear(talkers)
    done = time.perf_counter()
    first = talkers[0].seqs
    alike = all(talker.seqs == first for talker in talkers[1:])
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
    kind = NDJSON if batch > 1 else ""
    for first in range(0, EVENTS, batch):
        body = b"\n".join(LINES[first : first + batch])
        client.exchange(request("POST", "/sessions/bench/events", body, kind))
    client.exchange(END)


def deliver(
    host: Host, client: Client, batch: int, args: argparse.Namespace
) -> tuple[float, float]:
    """Return the host's CPU seconds, and seconds from the first event to the last delivery."""
    with apart(listen, host.port, args.clients, "thin" if args.thin else "") as pipe:
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
        cpu, seconds = deliver(host, client, batch, args)
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
    parser.add_argument("--thin", action="store_true", help="without snapshots")
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
