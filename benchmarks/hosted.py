"""What a hosted session costs in the host's memory: ``python -m benchmarks.hosted``.

Sessions of Codex share one made-up app server; each of pi has a process of its own.  First
they are only started, then each has a turn of a few events.
"""

from __future__ import annotations

import argparse
import time

from benchmarks.driving import finish, post
from benchmarks.fake_agent import Dialect, launch
from tests.stress.host_process import Host, running_host

DIALECTS: tuple[Dialect, ...] = ("codex", "pi")
COUNTS = (100, 200)
TURNS, DELTAS, SECONDS = 3, 10, 10.0


def start(host: Host, dialect: Dialect, names: list[str]) -> None:
    """Start sessions of these names."""
    for name in names:
        post(host, "/sessions", launch(dialect, name))


def turns(host: Host, names: list[str]) -> None:
    """Let each have a turn, and wait for the end of all."""
    for name in names:
        post(host, f"/sessions/{name}/turns", {"input": f"say {DELTAS} 0"})
    for name in names:
        finish(host, name)


def idle(host: Host) -> float:
    """Return how many per cent of a core the host needs while nothing happens."""
    cpu = host.cpu()
    time.sleep(SECONDS)
    return (host.cpu() - cpu) / SECONDS * 100


def report(dialect: Dialect, count: int) -> None:
    """Measure once, on a host of its own, and print a line."""
    with running_host() as host:
        first, *names = (f"s-{number}" for number in range(count + 1))
        start(host, dialect, [first])  # what it brings along is not the others'
        turns(host, [first])
        before = host.memory()
        start(host, dialect, names)
        each = [(host.memory() - before) / count / 1000]
        for _ in range(TURNS):
            turns(host, names)
            each.append((host.memory() - before) / count / 1000)
        sizes = ", ".join(f"{size:.0f}" for size in each)
        print(f"{count} sessions of {dialect}: {sizes} kB each, started and after each turn;")
        print(f"    idle: {idle(host):.1f} % of a core, {host.files()} files", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", choices=DIALECTS)
    parser.add_argument("--count", type=int)
    args = parser.parse_args()
    for dialect in [args.dialect] if args.dialect else DIALECTS:
        for count in [args.count] if args.count else COUNTS:
            report(dialect, count)


if __name__ == "__main__":
    main()
