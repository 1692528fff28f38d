"""A real host under stress, with exact counts: ``python -m tests.stress --seed 1``.

All choices come from the seed (how threads take turns does not).  What is wrong is told with
the seed, the scenario and the first difference.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.stress.deletion_scenario import deletion
from tests.stress.host_process import open_files, raise_files
from tests.stress.log_scenarios import RETAIN, logs, past, retention, rude
from tests.stress.message_scenarios import messages
from tests.stress.restart_scenarios import crash, stop
from tests.stress.scenario import Mismatch, Scenario, Server

SCENARIOS: dict[str, Callable[[Scenario], dict[str, int]]] = {
    "logs": logs,
    "past": past,
    "retention": retention,
    "messages": messages,
    "deletion": deletion,
    "rude": rude,
    "crash": crash,
    "stop": stop,
}

OPTIONS = (f"--retain={RETAIN}", "--max-events=64")
"""A log that is short in memory and not long on disk: much is read that is no longer hot."""

USUAL = 20.0
"""Seconds that all scenarios take together at their usual size, on two cores or so."""

GROWTH = 40_000_000
"""Bytes by which memory may grow from the first repetition to the last."""


def play(server: Server, name: str, args: argparse.Namespace) -> str:
    """Play a scenario as often as is asked; return its line."""
    counts: Counter[str] = Counter()
    sizes: list[int] = []
    start, host = time.monotonic(), None
    for number in range(args.repeat):
        scenario = Scenario(server, f"{args.seed}/{name}/{number}", args.seconds / USUAL)
        scenario.place()  # what the host opens for its first client stays open,
        scenario.ask("GET", "/search?q=x")  # and so does the index
        files = server.host.files()
        for what, count in SCENARIOS[name](scenario).items():
            counts[what] = max(counts[what], count) if "ms" in what else counts[what] + count
        scenario.settle(files)
        sizes = [*sizes, server.host.memory()] if server.host is host else []
        host = server.host
    text = ", ".join(f"{what} {count}" for what, count in counts.items())
    seconds = time.monotonic() - start
    return f"{name:10}{text}; {_memory(sizes)}{seconds:.1f} s"


def _memory(sizes: list[int]) -> str:
    """Tell how memory grew after the first repetition, which fills what is kept."""
    if not sizes:
        return ""
    if sizes[-1] - sizes[0] > GROWTH:
        raise Mismatch(f"memory grows: {[size // 1_000_000 for size in sizes]} MB")
    return f"memory {sizes[0] / 1e6:.0f} to {sizes[-1] / 1e6:.0f} MB, "


def run(args: argparse.Namespace) -> None:
    """Play all scenarios on one host, or one of them."""
    with tempfile.TemporaryDirectory() as home:
        server = Server(Path(home), *OPTIONS)
        try:
            server.start()
            for name in [args.scenario] if args.scenario else SCENARIOS:
                args.at = name
                print(play(server, name, args), flush=True)
            args.at = "the end"
            server.stop()
            _nobody_listens(server.port)
        finally:
            server.close()


def _nobody_listens(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise Mismatch("the host has ended, and somebody still listens on its port")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1, help="of each scenario")
    parser.add_argument("--seconds", type=float, default=USUAL, help="about; scales amounts")
    parser.add_argument("--scenario", choices=SCENARIOS)
    args = parser.parse_args()
    raise_files(4096)
    before = open_files(os.getpid())
    try:
        run(args)
        left = open_files(os.getpid()) - before
        Scenario.right(f"{left} sockets are left here" if left else "")
    except Exception as error:  # noqa: BLE001 - a defect of this program is told as well
        wrong = str(error) if isinstance(error, Mismatch) else traceback.format_exc()
        print(f"seed {args.seed}, scenario {args.at}: {wrong}", flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
