"""What long answers leave behind: ``python -m benchmarks.facts``.

A host runs Codex as it was recorded (`benchmarks.played_codex`) for 100 turns with an answer of
1,000 words each: once as usual, once with ``--native all`` and a journal that keeps the pieces.
The first one's session is copied in its database, with ids and checksums as they must be, until
there are 1,024; a host is started on them.  Ends with 1 if something is not as it must be.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.driving import finish, get, post
from sxhost.store.runs import PACKED, unpack
from sxhost.store.sql import rows
from tests.stress.host_process import Client, Host, request, running_host
from tests.support.places import RECORDINGS

TURNS, WORDS, SESSIONS = 100, 1000, 1024
AT_ONCE = 4
"""Pieces of one commit where they are kept: as many as a model says in the 50 ms that pieces
wait for each other (`sxhost.agents.event_writer`), only that here they come faster.
"""

RECORDING = RECORDINGS / "codex-0.169.0" / "hello.jsonl"
THREAD = b"01a1fa05-a32f-7273-827c-fbfd1a7a9168"
"""The id of the recorded thread."""

START_S, PEAK_MB, TIMES = 2.0, 300.0, 10.0
"""What a start may take, and how many times smaller the database must be."""

ALL_KEPT = (
    "--durability=process",
    "--native=all",
    "--retain=1000000",
    "--limit=retain_pieces=1000000",
)
KEEPS_PIECES = """
from sxhost.agents import event_writer
from sxhost.store.sql import pruning
from twisted.scripts.twistd import run
event_writer.GATHER_S = 0
pruning.drop_pieces = lambda connection, superseded: superseded
run()
"""
"""A host whose journal drops nothing that is superseded.  It commits what comes at once."""

ID = re.compile(rb'(?<="id":)\d+(?=,"ts_ms":\d+,"session":"[^"]+"}$)', re.MULTILINE)
"""An event's own id, in its line."""

ROWS = 500
"""Rows of the log that are written at once."""


def name_of(number: int) -> str:
    """Return the id of a session; all are of one length."""
    return f"s-{number:04}"


def fill(home: Path, *options: str, at_once: int = WORDS, program: Sequence[str] = ()) -> None:
    """Have a session with all turns."""
    played = str(Path(__file__).with_name("played_codex.py"))
    command = [sys.executable, "-I", "-S", played, str(RECORDING), str(WORDS), str(at_once)]
    session = {"agent": "codex", "id": name_of(0), "cwd": "/", "command": command}
    with running_host(*options, home=home, program=program) as host:
        post(host, "/sessions", session)
        finish(host, name_of(0))
        for number in range(1, TURNS + 1):
            post(host, f"/sessions/{name_of(0)}/turns", {"input": f"Question {number}?"})
            finish(host, name_of(0))


def conversation(host: Host, session: str) -> Counter[str]:
    """Count by name the events that a reader of a session's log gets, with their words."""
    with Client(host.port) as client:
        lines = client.exchange(request("GET", f"/sessions/{session}/events")).splitlines()
    events = [json.loads(line) for line in lines]
    asked = {e["data"]["text"] for e in events if e["event"] == "user-message"}
    said = [len(e["data"]["text"].split()) for e in events if e["event"] == "message"]
    names = Counter(event["event"] for event in events)
    assert asked == {f"Question {number}?" for number in range(1, TURNS + 1)}, names
    assert said == [WORDS] * TURNS, names
    return names


def swept(home: Path) -> None:
    """Wait until superseded pieces left: a host drops them at its start, then each minute."""
    with closing(sqlite3.connect(home / "sxhost.db")) as connection:
        while connection.execute("SELECT count(*) FROM superseded").fetchone() != (0,):
            time.sleep(0.05)
        (pieces,) = connection.execute(
            "SELECT count(*) FROM log WHERE stream IS NOT NULL"
        ).fetchone()
    print(f"{pieces} rows of pieces are left")


def size(home: Path) -> float:
    """Return the MB of a database without what is free in it; its log is written into it."""
    with closing(sqlite3.connect(home / "sxhost.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        pages, free, each = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    return float((pages - free) * each) / 1e6


# Copies of a session.


def clone(home: Path, sessions: int) -> None:
    """Copy the session in a database until there are so many."""
    with closing(sqlite3.connect(home / "sxhost.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        (span,) = connection.execute("SELECT max(id + count) FROM log").fetchone()
        log = [(*row[:-1], unpack(row[-1])) for row in select(connection, "log")]
        (session,) = select(connection, "session")
        connection.execute("BEGIN")
        for number in range(1, sessions):
            body = renamed(session[1], number)
            rows.insert(connection, "session", [(name_of(number), body)])
            copies = cloned(log, number, span)
            while some := list(islice(copies, ROWS)):
                rows.insert(connection, "log", some)
        connection.execute("COMMIT")


def select(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table, without their checksums."""
    return connection.execute(
        f"SELECT {', '.join(rows.COLUMNS[table])} FROM {table}"
    ).fetchall()


def cloned(log: list[tuple[Any, ...]], number: int, span: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a session's log as those of another: its ids are higher."""
    more = number * span
    for first, _, seq, events, at, stream, lines in log:
        body = renumbered(renamed(lines, number), first + more)
        yield first + more, name_of(number), seq, events, at, stream, packed(body)


def renumbered(lines: bytes, first: int) -> bytes:
    """Return events with ids of their own."""
    numbers = count(first)
    return ID.sub(lambda _: b"%d" % next(numbers), lines)


def renamed(body: bytes, number: int) -> bytes:
    """Return what a row says of the first session as what it says of another."""
    body = body.replace(name_of(0).encode(), name_of(number).encode())
    return body.replace(THREAD, THREAD[:-4] + b"%04x" % number)


def packed(lines: bytes) -> bytes:
    """Return lines as `pack` does."""
    return zlib.compress(lines, 1) if len(lines) >= PACKED else lines


def start(home: Path, sessions: int) -> tuple[float, float]:
    """Start a host; return the seconds until it answers, and the MB of its peak until then."""
    begun = time.perf_counter()
    with running_host(home=home) as host:
        with Client(host.port) as client:
            client.exchange(request("GET", "/health"))
        took = time.perf_counter() - begun
        status = Path(f"/proc/{host.process.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1000
        assert len(get(host, "/sessions")) == sessions
        conversation(host, name_of(sessions - 1))
    return took, peak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--starts", type=int, default=3)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        usual, kept = Path(folder, "usual"), Path(folder, "kept")
        for home in (usual, kept):
            home.mkdir()
        fill(usual)
        with running_host(home=usual) as host:
            names = conversation(host, name_of(0))
            swept(usual)
        small = size(usual)
        print(f"{TURNS} turns: {small:.2f} MB; read back: {dict(names)}", flush=True)
        fill(kept, *ALL_KEPT, at_once=AT_ONCE, program=(sys.executable, "-c", KEEPS_PIECES))
        large = size(kept)
        times = f"{large / small:.1f} times as much"
        print(f"--native all and all pieces: {large:.2f} MB, {times}", flush=True)
        begun = time.perf_counter()
        clone(usual, given.sessions)
        took = time.perf_counter() - begun
        many = f"{given.sessions} sessions: {size(usual):.0f} MB"
        print(f"{many}, made in {took:.0f} s", flush=True)
        starts = [start(usual, given.sessions) for _ in range(given.starts)]
        for seconds, peak in starts:
            print(f"a start until /health: {seconds:.2f} s, {peak:.0f} MB at the peak")
        seconds, peak = sorted(starts)[len(starts) // 2]
    return not (large >= TIMES * small and seconds <= START_S and peak <= PEAK_MB)


if __name__ == "__main__":
    sys.exit(main())
