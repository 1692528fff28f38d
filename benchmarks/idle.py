"""10,000 idle SSE subscriptions on one host: ``python -m benchmarks.idle``."""

from __future__ import annotations

import argparse
import time
from multiprocessing.connection import Connection

from benchmarks.measures import spread
from benchmarks.readers import apart
from tests.stress.host_process import Client, Host, raise_files, request, running_host
from tests.stress.stream_client import Stream, Wanted

READERS, SESSIONS, SECONDS, POSTS = 10_000, 1000, 30.0, 50


def hold(pipe: Connection, port: int, readers: int, sessions: int) -> None:
    """Hold subscriptions open, spread over the sessions, and read now and then."""
    raise_files(readers + 1000)
    streams = []
    for number in range(readers):
        wanted = Wanted((f"idle-{number % sessions}",)) if sessions else Wanted()
        stream = Stream(port, "sse", wanted, "now")
        stream.begin()
        streams.append(stream)
    pipe.send("ready")
    pipe.recv()
    pipe.send(sum(_beats(stream) for stream in streams))


def _beats(stream: Stream) -> int:
    """Count the heartbeats that came."""
    stream.socket.settimeout(0.001)
    beats = 0
    while frames := stream.frames():
        beats += sum(frame.name == "heartbeat" for frame in frames)
    return beats


def report(host: Host, client: Client, readers: int, sessions: int) -> None:
    before = host.memory()
    with apart(hold, host.port, readers, sessions) as pipe:
        assert pipe.recv() == "ready"
        each = (host.memory() - before) / readers / 1000
        cpu = host.cpu()
        time.sleep(SECONDS)
        idle = (host.cpu() - cpu) / SECONDS * 100
        posts = []
        for _ in range(3):
            cpu = host.cpu()
            for _ in range(POSTS):
                client.exchange(request("POST", "/sessions/other/events", b'{"event":"idle"}'))
            posts.append((host.cpu() - cpu) / POSTS * 1e6)
        pipe.send("enough")
        beats = pipe.recv()
    what = f"over {sessions} sessions" if sessions else "to all sessions"
    print(f"{readers:,} subscriptions {what}: {each:.1f} kB each; {SECONDS:.0f} s of silence:"
          f" {idle:.1f} % of a core, {beats:,} heartbeats;\n"
          f"    a POST beside them: {spread(posts, '.0f')} CPU us", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=READERS)
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="0: all of them")
    args = parser.parse_args()
    raise_files(args.readers + 1000)
    with (
        running_host("--max-sessions=2000") as host,
        Client(host.port) as client,
    ):
        for number in range(args.sessions):
            client.exchange(request("POST", f"/sessions/idle-{number}/register", b"{}"))
        report(host, client, args.readers, args.sessions)


if __name__ == "__main__":
    main()
