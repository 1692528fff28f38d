"""How soon an agent hears what it is told: ``python -m benchmarks.control``.

The agent, made up, says when it heard a decision or an interruption; the time counts from
the first byte of the request.  Interruptions come in the middle of a flood: the agent prints
deltas as fast as it can, and 50 subscribers read them.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import time
from multiprocessing.connection import Connection

from benchmarks.driving import HEARD, Listener, finish, get, post, times
from benchmarks.fake_agent import Dialect, launch
from benchmarks.readers import apart
from tests.stress.host_process import Host, running_host
from tests.stress.stream_client import Stream, Wanted

RUNS, FLOODS, FLOOD_S, READERS = 50, 10, 1.0, 50
DIALECTS: tuple[Dialect, ...] = ("codex", "pi")


def decide(host: Host, session: str) -> float:
    """Let the agent ask, and answer; return the seconds until it hears of it."""
    with Listener(host, session) as listener:
        post(host, f"/sessions/{session}/turns", {"input": "ask"})
        listener.until("approval-requested")
        (approval,) = get(host, f"/sessions/{session}/approvals")
        start = time.perf_counter()
        post(host, f"/sessions/{session}/approvals/{approval['id']}", {"decision": "approve"})
        heard = listener.heard() - start
    finish(host, session)
    return heard


def drain(pipe: Connection, port: int, session: str) -> None:
    """Read what comes for many subscribers, and look at none of it."""
    streams = [Stream(port, "sse", Wanted((session,)), "now") for _ in range(READERS)]
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream.socket, selectors.EVENT_READ)
        pipe.send("ready")
        while not pipe.poll():
            for key, _ in selector.select(1.0):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.recv(1 << 18)


def interrupt(host: Host, session: str) -> tuple[float, float]:
    """Interrupt a flood; return the seconds until the agent hears of it, and the answer."""
    post(host, f"/sessions/{session}/turns", {"input": "flood"})
    time.sleep(FLOOD_S)
    start = time.perf_counter()
    post(host, f"/sessions/{session}/interrupt", {})
    answered = time.perf_counter() - start
    finish(host, session)
    last = get(host, f"/sessions/{session}")["events"]
    (heard,) = (e for e in last if e["event"] == "message-delta" and HEARD in str(e["data"]))
    return float(heard["data"]["text"].removeprefix(HEARD)) - start, answered


def report(host: Host, dialect: Dialect) -> None:
    """Measure one agent, and print two lines."""
    post(host, "/sessions", launch(dialect, dialect))
    finish(host, dialect)
    decided = [decide(host, dialect) for _ in range(RUNS)]
    print(f"{dialect}: a decision reaches the agent: {times(decided)}", flush=True)
    with apart(drain, host.port, dialect) as pipe:
        assert pipe.recv() == "ready"
        floods = [interrupt(host, dialect) for _ in range(FLOODS)]
        heard, answered = zip(*floods, strict=True)
        print(f"{dialect}: an interruption in a flood: {times(heard)}; the answer: "
              f"{times(answered)}", flush=True)  # fmt: skip
        pipe.send("enough")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", choices=DIALECTS)
    args = parser.parse_args()
    with running_host() as host:
        for dialect in [args.dialect] if args.dialect else DIALECTS:
            report(host, dialect)


if __name__ == "__main__":
    main()
