"""What searches cost those who do not search: ``python -m benchmarks.search``.

Durable appends of messages of 25 words, which are as often as words of a language are, in
batches of 1, 50 and 500, by a host as it is and by one that indexes nothing, in turn.  The CPU
is that of the whole process up to the last answer, and then until all is indexed; how long an
append takes is beside it.  Then what a search of all these messages takes.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import sys
import time
from urllib.parse import quote

from benchmarks.driving import get
from sxhost.store.log_indexer import QUIET_S
from tests.stress.host_process import NDJSON, Client, Host, request, running_host

TEXT = (
    "I have looked at the failing test in src/parser.py and will fix the tokenizer now,"
    " then I run make test again and look at what is left of it"
)
WORDS = [*re.findall(r"\w+", TEXT), *(f"word{n}" for n in range(20_000))]
OFTEN = [1 / rank for rank in range(1, len(WORDS) + 1)]
BODIES = 16
"""Different batches, which are sent in turn."""
EVENTS = {1: 4000, 50: 20_000, 500: 40_000}
"""How many are appended, by the size of a batch."""

ROUNDS = 3
WISHED = 1.25
"""How much an append may cost, beside one that is not indexed."""

INDEXES_NOTHING = """
from sxhost.store.log_indexer import LogIndexer
from twisted.scripts.twistd import run
LogIndexer.begin = lambda self: None
run()
"""


def messages(batch: int) -> list[bytes]:
    """Return requests that append a batch of messages."""
    chance = random.Random(batch)
    kind = NDJSON if batch > 1 else ""
    requests = []
    for _ in range(BODIES):
        texts = [" ".join(chance.choices(WORDS, OFTEN, k=25)) for _ in range(batch)]
        lines = [json.dumps({"event": "message", "data": {"text": text}}) for text in texts]
        body = "\n".join(lines).encode()
        requests.append(request("POST", "/sessions/a/events", body, kind))
    return requests


def appended(host: Host, batch: int) -> tuple[float, float, float]:
    """Append events; return the microseconds that each takes.

    They are those of CPU up to the last answer, of CPU until all is indexed, and of waiting.
    """
    made = messages(batch)
    with Client(host.port) as client:
        client.exchange(made[0])
        cpu, begun = host.cpu(), time.perf_counter()
        for number in range(EVENTS[batch] // batch):
            client.exchange(made[number % BODIES])
        took, used = time.perf_counter() - begun, host.cpu() - cpu
    time.sleep(2 * QUIET_S)
    while host.cpu() > cpu:  # it goes on with the index
        last = host.cpu()
        time.sleep(0.5)
        if host.cpu() - last <= 0.02:
            break
    each = 1e6 / EVENTS[batch]
    return each * used, each * (host.cpu() - cpu), each * took


def searched(host: Host, words: str) -> None:
    """Print what a search takes."""
    took, hits = [], 0
    for _ in range(10):
        begun = time.perf_counter()
        hits = len(get(host, f"/search?q={quote(words)}")["hits"])
        took.append(1000 * (time.perf_counter() - begun))
    print(f"search for {words}: {hits} hits in {statistics.median(took):.1f} ms")


def main() -> int:
    ratios = {}
    for batch in EVENTS:
        rounds = []
        for _ in range(ROUNDS):
            with running_host(
                "--retain=1000000", program=(sys.executable, "-c", INDEXES_NOTHING)
            ) as host:
                without = appended(host, batch)
            with running_host("--retain=1000000") as host:
                rounds.append((without, appended(host, batch)))
                if batch == max(EVENTS) and len(rounds) == ROUNDS:
                    searched(host, "tokenizer")
                    searched(host, '"make test" -left')
        (_, cpu, took), (used, more_cpu, more) = (
            [statistics.median(pair[at][of] for pair in rounds) for of in (0, 1, 2)]
            for at in (0, 1)
        )
        ratios[batch] = used / cpu
        print(
            f"batches of {batch:3}: {cpu:6.1f} us of CPU an event, {used:6.1f} indexed later:"
            f" x {ratios[batch]:.2f}, then {more_cpu:6.1f}: x {more_cpu / cpu:.2f};"
            f" {took:.0f} and {more:.0f} us of waiting",
            flush=True,
        )
    return int(max(ratios.values()) > WISHED)


if __name__ == "__main__":
    sys.exit(main())
