"""100,000 mutated requests against a host in memory: ``python -m benchmarks.fuzz``.

Each has bytes flipped, inserted and cut, comes in pieces, and has an honest request behind
it.  Half are mutated as a whole: they get no more answers than they have requests, and nothing
is answered behind a refusal that ends the connection.  Of the other half only the body is:
both requests are answered.  No answer is an error of ours.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, cast

from twisted.logger import globalLogPublisher

from tests.host.http.test_site import Wire
from tests.support.http_bytes import ACCEPTED, HONEST, NEXT, SEEDS, SPICE, check, replies

COUNT, SEED = 100_000, 1
FRESH = 2000
"""Requests after which a new host is taken: the old one is full of what was fired."""


KINDS = [SEEDS, HONEST, [*ACCEPTED.values()]]


BODIES = [
    (b"events", b"application/json", b'{"event":"tool-start","data":{"a":[1,2.5,null,"b"]}}'),
    (b"events", b"application/json", b'{"event":"usage","data":"\\ud83d\\ude00","ts":7}'),
    (b"events", b"application/x-ndjson", b'{"event":"a"}\n{"event":"b","key":"k"}\n\n'),
    (b"messages", b"application/json", b'{"content":"go","mode":"queue","ttl_s":1.5}'),
    (b"register", b"application/json", b'{"title":"t","labels":{"a":"b"},"metadata":{}}'),
    (b"register", b"application/json", b'{"pid":1,"cwd":"/","heartbeat_s":1e1}'),
]
"""What goes to which resource of a session, as which type."""

JSON_SPICE = [b"[" * 70, b"[", b"]", b"{", b"}", b'"', b"\\", b"\\ud800", b"1e400", b"NaN",
              b"-", b"9" * 400, b"\n", b",", b":", b"\xff", b"\0", b"\xed\xa0\x80"]  # fmt: skip


def mutated(random: Random, honest: bytes, spice: Sequence[bytes]) -> bytes:
    """Change bytes in one to six places."""
    data = bytearray(honest)
    for _ in range(random.choice((1, 1, 2, 6))):
        at = random.randint(0, len(data))
        match random.randrange(4):
            case 0 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 1:
                data[at:at] = random.choice(spice)
            case 2:
                data[at:at] = random.randbytes(random.randint(1, 4))
            case _:
                del data[at : at + random.randint(1, 8)]
    return bytes(data)


def whole(random: Random) -> bytes:
    """Return a request of which anything was changed."""
    return mutated(random, random.choice(random.choice(KINDS)), SPICE)


def framed(random: Random) -> bytes:
    """Return a request of which only the body was changed."""
    name, kind, honest = random.choice(BODIES)
    body = mutated(random, honest, JSON_SPICE)
    return (
        b"POST /sessions/a/%s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (name, kind, len(body), body)
    )


def pieces(random: Random, data: bytes) -> list[bytes]:
    """Cut bytes in up to four."""
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randrange(4)))
    ends = [*cuts, len(data)]
    return [data[start:end] for start, end in zip([0, *cuts], ends, strict=True)]


def tell(wire: Wire, random: Random) -> list[int]:
    """Send one mutant; return the statuses of the answers."""
    make = random.choice((whole, framed))
    said = make(random) + NEXT
    client = wire.connect()
    for piece in pieces(random, said):
        client.say(piece)
    answers = replies(client.got)
    try:
        check(said, answers)
        assert make is whole or [reply.status for reply in answers][1:] == [200]
    except AssertionError:
        print(f"{said!r}\n    was answered {client.got!r}", flush=True)
        raise
    client.release()
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
            wire = Wire(body=4000, large_body=4000, batch_body=4000)
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
