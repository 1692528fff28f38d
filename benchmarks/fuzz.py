"""100,000 mutated requests against a host in memory: ``python -m benchmarks.fuzz``.

Each has bytes flipped, inserted and cut, comes in pieces, and has an honest request behind
it.  Whatever it is, it gets no more answers than it has requests, none of them an error of
ours, and nothing is answered behind a refusal that ends the connection.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from random import Random
from typing import Any, cast

from twisted.logger import globalLogPublisher

from tests.raw import ACCEPTED, HONEST, NEXT, SEEDS, SPICE, check, replies
from tests.test_site import Wire

COUNT, SEED = 100_000, 1
FRESH = 2000
"""Requests after which a new host is taken: the old one is full of what was fired."""


KINDS = [SEEDS, HONEST, [*ACCEPTED.values()]]


def mutant(random: Random) -> bytes:
    """Return a request that was changed in one to six places."""
    data = bytearray(random.choice(random.choice(KINDS)))
    for _ in range(random.choice((1, 1, 2, 6))):
        at = random.randint(0, len(data))
        match random.randrange(4):
            case 0 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 1:
                data[at:at] = random.choice(SPICE)
            case 2:
                data[at:at] = random.randbytes(random.randint(1, 4))
            case _:
                del data[at : at + random.randint(1, 8)]
    return bytes(data)


def pieces(random: Random, data: bytes) -> list[bytes]:
    """Cut bytes in up to four."""
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randrange(4)))
    ends = [*cuts, len(data)]
    return [data[start:end] for start, end in zip([0, *cuts], ends, strict=True)]


def tell(wire: Wire, random: Random) -> list[int]:
    """Send one mutant; return the statuses of the answers."""
    said = mutant(random) + NEXT
    client = wire.connect()
    for piece in pieces(random, said):
        client.say(piece)
    answers = replies(client.got)
    try:
        check(said, answers)
    except AssertionError:
        print(f"{said!r}\n    was answered {client.got!r}", flush=True)
        raise
    client.leave()
    wire.lab.clock.advance(3)
    return [reply.status for reply in answers]


def run(count: int, seed: int) -> None:
    random, tally, failures = Random(seed), Counter[str](), list[Any]()

    def observe(event: dict[str, Any]) -> None:
        if "log_failure" in event:
            failures.append(event)

    globalLogPublisher.addObserver(cast("Any", observe))
    start = time.perf_counter()
    for number in range(count):
        if number % FRESH == 0:
            wire = Wire()
        statuses = tell(wire, random)
        tally[" ".join(map(str, statuses)) or "nothing"] += 1
    seconds = time.perf_counter() - start
    print(f"{count:,} requests of seed {seed} in {seconds:.0f} s; failures: {len(failures)}")
    for what, times in tally.most_common():
        print(f"{times:8,}  {what}")
    sys.exit(bool(failures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    run(args.count, args.seed)


if __name__ == "__main__":
    main()
