"""Measure every row in rounds, the servers in turn: what disturbs one disturbs all."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from benchmarks.peers import requests
from benchmarks.peers.servers import SERVERS, Server, missing

SECONDS, ROUNDS = 1.0, 7


class Row(Protocol):
    """Something that several servers do, and what one does of it costs."""

    @property
    def name(self) -> str:
        """What is measured, with its unit."""

    @property
    def servers(self) -> Sequence[str]:
        """Who does it; the figures are compared with the first one's."""

    def measure(self, server: Server, seconds: float) -> float:
        """Return the CPU microseconds that a server uses for a unit."""


ROWS: Sequence[Row] = [*requests.ROWS]


def measure(
    row: Row, servers: Mapping[str, Server], seconds: float, rounds: int
) -> dict[str, list[float]]:
    """Measure a row in rounds, after one that warms everything up."""
    names = [name for name in row.servers if name in servers]
    figures: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names:
            figure = row.measure(servers[name], seconds)
            if turn:
                figures[name].append(figure)
    return figures


def report(row: Row, figures: Mapping[str, Sequence[float]]) -> None:
    """Print a line for each server: its figures, and their ratios, round by round."""
    base = next(iter(figures.values()), [])
    for name, own in figures.items():
        ratios = [one / other for one, other in zip(own, base, strict=True)]
        print(
            f"{row.name:28}{name:16}{statistics.median(own):9.2f} us"
            f"  ({min(own):.2f}-{max(own):.2f})"
            f"   x {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--row", default="", help="only rows with this in their name")
    args = parser.parse_args()
    rows = [row for row in ROWS if args.row in row.name]
    wanted = list(dict.fromkeys(name for row in rows for name in row.servers))
    absent = missing(wanted)
    if absent:
        print(f"not on this machine: {', '.join(absent)}", file=sys.stderr)
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(SERVERS[name]()) for name in wanted if name not in absent
        }
        for row in rows:
            report(row, measure(row, servers, args.seconds, args.rounds))


if __name__ == "__main__":
    main()
