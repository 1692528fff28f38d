"""From an agent's stdout to the subscribers of its session: ``python -m benchmarks.deltas``.

The agent is made up (`benchmarks.fake_agent`), the host real and durable.  The CPU is the host
process's, for all that becomes of a delta: it is read, understood, committed, and written to
each subscriber.
"""

from __future__ import annotations

import argparse
import time

from benchmarks.driving import finish, post
from benchmarks.fake_agent import Dialect, launch
from benchmarks.measures import spread
from benchmarks.readers import crowd
from tests.stress.host_process import Host, running_host
from tests.stress.stream_client import Wanted

DIALECTS: tuple[Dialect, ...] = ("codex", "pi")
READERS = (1, 50)
FLOOD, SECONDS, ROUNDS = 20_000, 10, 3
RATES = (0, 1000, 200)

LAST = b'"event":"complete"'


def deliver(host: Host, session: str, readers: int, text: str) -> list[float]:
    """Let an agent say something; return the host's CPU seconds, and seconds in all."""
    with crowd(host.port, readers, "sse", Wanted((session,)), LAST) as pipe:
        cpu, start = host.cpu(), time.perf_counter()
        post(host, f"/sessions/{session}/turns", {"input": text})
        _, right, done = pipe.recv()
        assert right, "some reader did not get each event once and in order"
        return [host.cpu() - cpu, done - start]


def report(host: Host, session: str, readers: int, rate: int, rounds: int) -> None:
    """Measure some rounds and print a line."""
    count = rate * SECONDS or FLOOD
    text = f"say {count} {rate}"
    took = [deliver(host, session, readers, text) for _ in range(rounds)]
    cpus, times = zip(*took, strict=True)
    each = spread([cpu / count * 1e6 for cpu in cpus], ".1f")
    least = count / min(times)
    print(f"{session:8}{readers:4} readers, {rate or 'all':>5} a second: {each} CPU us a delta"
          f" ({least:,.0f} a second)", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dialect", choices=DIALECTS)
    parser.add_argument("--readers", type=int)
    parser.add_argument("--rate", type=int, help="0: as fast as it can")
    parser.add_argument("options", nargs="*", help="options of the host, after --")
    args = parser.parse_args()
    with running_host("--retain=1000000", *args.options) as host:
        for dialect in [args.dialect] if args.dialect else DIALECTS:
            post(host, "/sessions", launch(dialect, dialect))
            finish(host, dialect)
            for rate in RATES if args.rate is None else [args.rate]:
                for readers in [args.readers] if args.readers else READERS:
                    report(host, dialect, readers, rate, args.rounds)


if __name__ == "__main__":
    main()
