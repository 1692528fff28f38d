"""What long answers leave behind: ``python -m benchmarks.facts``.

One session has 100 turns with an answer of 1,000 words each, as Codex tells it: a delta a word,
each with Codex's own frame.  Then a host is started on a database of 1,024 such sessions.
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Raw
from twisted.internet import task
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred

from sxhost.codec.json import encode
from sxhost.model.limits import Limits
from sxhost.model.pieces import KeptNative
from sxhost.model.session import EventQuery
from sxhost.slices import TimeSlicer
from sxhost.store.contracts import Draft
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.store.sqlite.store import SQLiteStore, Threads
from sxhost.streams.reader import LogReader

TURNS, WORDS, SESSIONS = 100, 1000, 1024
GATHERED = 4
"""Deltas of one commit: as many as come in 50 ms."""

AT = 1_900_000_000_000
VOCABULARY = (
    "the",
    "log",
    "keeps",
    "facts",
    "lets",
    "crumbs",
    "go",
    "once",
    "all",
    "is",
    "there",
)


def at_once(function: Any, *given: Any) -> Deferred[Any]:
    """Run what would run in a thread here and now."""
    return maybeDeferred(function, *given)


def run(coroutine: Any) -> Any:
    """Return what a coroutine returns that waits for nothing."""
    results: list[Any] = []
    ensureDeferred(coroutine).addBoth(results.append)
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]


class Clock(task.Clock):
    """A clock that is moved, and does at once what is to be done later."""

    def callLater(self, delay: float, callable: Any, *args: object, **kw: object) -> Any:  # noqa: A002, ARG002
        """Call a function now."""
        callable(*args, **kw)


def draft(event: str, **data: Any) -> Draft:
    return Draft(event, Raw(encode(data)), AT)


def frame(method: str, turn: int, name: str, **params: Any) -> dict[str, Any]:
    """Return a notification as Codex writes it."""
    thread = "01990000-0000-7000-8000-000000000000"
    params = {"threadId": thread, "turnId": f"{thread[:-3]}{turn:03}", "itemId": name, **params}
    return {"jsonrpc": "2.0", "method": method, "params": params}


def turn(number: int) -> list[list[Draft]]:
    """Return the commits of a turn."""
    item = f"msg_{number:040x}"
    chosen = Random(number)
    words = [f"{chosen.choice(VOCABULARY)}{chosen.randrange(300)} " for _ in range(WORDS)]
    text = "".join(words)
    begin = [
        draft("turn-started", turn=number, native_id=f"t{number}"),
        draft("user-message", text=f"Question {number}?", by="turn", turn=number),
        draft("native", native=frame("item/started", number, item)),
    ]
    deltas = [
        draft(
            "message-delta",
            item=item,
            text=word,
            native=frame("item/agentMessage/delta", number, item, delta=word),
        )
        for word in words
    ]
    whole = {"type": "agentMessage", "id": item, "text": text}
    end = [
        draft(
            "message",
            item=item,
            text=text,
            native=frame("item/completed", number, item, item=whole),
        ),
        draft("complete", turn=number, native_id=f"t{number}", status="completed", native=None),
    ]
    parts = [deltas[n : n + GATHERED] for n in range(0, len(deltas), GATHERED)]
    return [begin, *parts, end]


def fill(path: Path, sessions: int, native: KeptNative) -> None:
    """Write the turns into sessions; with more than one, the later ones without deltas."""
    clock, limits = Clock(), Limits(sessions=SESSIONS + 1)
    threads = Threads(at_once, at_once)
    journal = SQLiteConnection(path, "process")
    store = SQLiteStore(limits, clock.seconds, journal, threads, native=native)
    store.open()
    for session in range(sessions):
        for number in range(1, TURNS + 1):
            commits = turn(number)
            for drafts in commits if session == 0 else (commits[0] + commits[-1],):
                run(store.append_events(f"s-{session}", drafts, AT))
                clock.advance(0.05)
    clock.advance(60)
    run(store.sweep(AT))
    if sessions == 1:
        show(store, limits, clock)
    run(store.close())


def show(store: SQLiteStore, limits: Limits, clock: Any) -> None:
    """Print what a reader of the session's events gets."""

    async def read() -> list[str]:
        logs = LogReader(store, store, limits, TimeSlicer(clock))
        pages = logs.events("s-0", EventQuery())
        return [event.event async for page in pages for event in page]

    names = run(read())
    asked, said = names.count("user-message"), names.count("message")
    print(f"{asked} questions, {said} answers, {len(names)} events")


def start(path: Path) -> tuple[float, float]:
    """Return the seconds and megabytes that opening a database takes, in a new process."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from benchmarks import facts\n"
        "begun = time.perf_counter()\n"
        "journal = facts.SQLiteConnection(Path(sys.argv[1]), 'process')\n"
        "limits = facts.Limits(sessions=facts.SESSIONS + 1)\n"
        "threads = facts.Threads(facts.at_once, facts.at_once)\n"
        "store = facts.SQLiteStore(limits, facts.Clock().seconds, journal, threads)\n"
        "store.open()\n"
        "took, status = time.perf_counter() - begun, Path('/proc/self/status').read_text()\n"
        "print(took, int(status.partition('VmHWM:')[2].split()[0]) / 1000)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(said[0]), float(said[1])


def size(path: Path) -> int:
    """Return the bytes of a database, without what is free in it."""
    with closing(sqlite3.connect(path)) as connection:
        pages, free, each = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    print(f"  file {path.stat().st_size / 1e6:.1f} MB, {free} of {pages} pages are free")
    return int((pages - free) * each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        kinds: tuple[KeptNative, ...] = ("facts", "none", "all")
        for native in kinds:
            path, begun = Path(folder) / f"{native}.db", time.perf_counter()
            fill(path, 1, native)
            took = (time.perf_counter() - begun) / TURNS / WORDS * 1e6
            print(f"--native {native}: {size(path) / 1e6:.2f} MB, {took:.0f} us a word")
        path = Path(folder) / "many.db"
        fill(path, given.sessions, "facts")
        print(f"{given.sessions} sessions: {size(path) / 1e6:.0f} MB")
        print("a start takes {:.2f} s, {:.0f} MB at the peak".format(*start(path)))


if __name__ == "__main__":
    main()
