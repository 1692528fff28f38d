"""What one agent can make many of, or large: ``python -m benchmarks.agent_bounds``.

Told is how long the host stood still (the longest answer to ``GET /health``, asked for again
and again meanwhile), and by how much its memory grew at the most.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self

from benchmarks.driving import delete, finish, get, post
from benchmarks.fake_agent import launch
from benchmarks.mux import Talker
from tests.stress.host_process import Client, Host, request, running_host

HEALTH = request("GET", "/health")
QUESTIONS, FILES, PIECES, SIZE = 12_000, 20_000, 100_000, 1000
SAMPLE_S = 0.002


class Watch:
    """Asks a host for its health all the while; `still` and `grown` are the worst of it."""

    def __init__(self, host: Host) -> None:
        self.still = 0.0
        self._host = host
        self._before = self._most = host.memory()
        self._done = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def __str__(self) -> str:
        grown = (self._most - self._before) / 1e6
        return f"stood still for {self.still * 1000:.0f} ms, memory {grown:+.0f} MB"

    def _run(self) -> None:
        start = time.perf_counter()
        while not self._done.is_set():
            with suppress(ConnectionError), Client(self._host.port) as client:
                while not self._done.wait(SAMPLE_S):
                    start = time.perf_counter()
                    client.exchange(HEALTH)
                    self.still = max(self.still, time.perf_counter() - start)
                    self._most = max(self._most, self._host.memory())
                return
            self.still = max(self.still, time.perf_counter() - start)


def told(host: Host, session: str, event: str) -> None:
    """Wait until a session's last events have one of this name."""
    while event not in {one["event"] for one in get(host, f"/sessions/{session}")["events"]}:
        time.sleep(0.05)


def questions(host: Host, size: float) -> Iterator[str]:
    """An agent asks without end, and is ended."""
    post(host, "/sessions", launch("codex", "s"))
    count = int(QUESTIONS * size)
    with Watch(host) as watch:
        post(host, "/sessions/s/turns", {"input": f"questions {count}"})
        time.sleep(20 * size)
        open_ = get(host, "/status")["pending_approvals"]
    yield f"{count:,} questions, of which {open_:,} are open: {watch}"
    with Watch(host) as watch:
        delete(host, "s")
    yield f"their agent is ended: {watch}"


def pieces(host: Host, size: float) -> Iterator[str]:
    """An agent says a lot, in large pieces."""
    for dialect in ("codex", "pi"):
        post(host, "/sessions", launch(dialect, dialect))
        finish(host, dialect)
        count = int(PIECES * size)
        with Watch(host) as watch:
            post(host, f"/sessions/{dialect}/turns", {"input": f"pieces {count} {SIZE}"})
            told(host, dialect, "complete")
        yield f"{count:,} pieces of {SIZE:,} characters of {dialect}: {watch}"


def files(host: Host, size: float) -> Iterator[str]:
    """Somebody lists the session files, of which there are many."""
    count = int(FILES * size)
    with tempfile.TemporaryDirectory() as home:
        for number in range(count):
            path = Path(
                home, ".pi", "agent", "sessions", f"{number // 1000}", f"{number}.jsonl"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            head = {"type": "session", "version": 3, "id": f"u-{number}", "cwd": "/"}
            path.write_text(json.dumps(head) + "\n")
        Path(os.environ["HOME"], ".pi").symlink_to(Path(home, ".pi"))
        talker = Talker(host.port)
        with Watch(host) as watch:
            talker.say(type="list_stored_sessions", id="l")
            talker.until(b'"list_stored_sessions","success":true')
        yield f"{count:,} session files are listed: {watch}"


SCENARIOS: dict[str, Callable[[Host, float], Iterator[str]]] = {
    "questions": questions,
    "pieces": pieces,
    "files": files,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=1.0, help="of what was found; 0.1: CI's")
    parser.add_argument("--scenario", choices=SCENARIOS)
    args = parser.parse_args()
    for name in [args.scenario] if args.scenario else SCENARIOS:
        with tempfile.TemporaryDirectory() as home:
            os.environ["HOME"] = home  # where agents keep their sessions
            with running_host() as host:
                for line in SCENARIOS[name](host, args.size):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
