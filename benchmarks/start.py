"""How long an agent takes to start in a host, and by itself: ``python -m benchmarks.start``.

By itself: from its spawning to the first words of its first turn, told the same.  In a host:
from ``POST /sessions`` with a prompt to the same words at a subscriber, and to the answer.
Each time it is a process of its own; it is made up and says what it does at once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from typing import Any

from benchmarks.driving import Listener, delete, post, times
from benchmarks.fake_agent import Dialect, command, launch
from tests.stress.host_process import Host, running_host

RUNS = 30
DIALECTS: tuple[Dialect, ...] = ("codex", "pi")

INPUT = [{"type": "text", "text": "hello"}]
CALLS: dict[Dialect, list[dict[str, Any]]] = {
    "codex": [
        {"id": 1, "method": "initialize", "params": {}},
        {"id": 2, "method": "thread/start", "params": {}},
        {"id": 3, "method": "turn/start", "params": {"threadId": "a", "input": INPUT}},
    ],
    "pi": [
        {"id": "1", "type": "get_state"},
        {"id": "2", "type": "prompt", "message": "hello"},
    ],
}
"""What an agent is told up to its first turn; each call waits for the answer to the last."""


def alone(dialect: Dialect) -> float:
    """Start an agent by itself; return the seconds until its first words."""
    start = time.perf_counter()
    with subprocess.Popen(
        command(dialect), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as agent:
        assert agent.stdin is not None
        assert agent.stdout is not None
        line = b""
        for call in CALLS[dialect]:
            agent.stdin.write(json.dumps(call).encode() + b"\n")
            agent.stdin.flush()
            line = agent.stdout.readline()
        while b"echo: " not in line:
            line = agent.stdout.readline()
        took = time.perf_counter() - start
        agent.stdin.close()
        agent.stdout.read()
        return took


def hosted(host: Host, dialect: Dialect, number: int) -> tuple[float, float]:
    """Start an agent in a host; return the seconds until its first words, and the answer."""
    name = f"{dialect}-{number}"
    own = {"env": {"NUMBER": str(number)}}  # else all threads of Codex share a process
    body = {**launch(dialect, name), **own, "prompt": "hello"}
    with Listener(host) as listener:
        start = time.perf_counter()
        post(host, "/sessions", body)
        answered = time.perf_counter() - start
        listener.until("message-delta", "echo: ")
        heard = time.perf_counter() - start
    delete(host, name)
    return heard, answered


def report(host: Host, dialect: Dialect, runs: int) -> None:
    """Start it many times, by itself and in the host in turn, and print three lines."""
    pairs = [(alone(dialect), *hosted(host, dialect, number)) for number in range(runs)]
    by_itself, heard, answered = zip(*pairs, strict=True)
    more = 1000 * (statistics.median(heard) - statistics.median(by_itself))
    print(f"{dialect}, by itself, first words: {times(by_itself)}")
    print(f"{dialect}, in a host, first words: {times(heard)}; {more:.1f} ms more")
    print(f"{dialect}, in a host, the answer: {times(answered)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    args = parser.parse_args()
    with running_host() as host:
        for dialect in DIALECTS:
            report(host, dialect, args.runs)


if __name__ == "__main__":
    main()
