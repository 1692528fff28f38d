"""Real faults, made with real tools: what a host has acknowledged outlives them all."""

from __future__ import annotations

import random
from threading import Event

from .faults import Ledger, ask, get, kill, load, post, small_disk, traced, works
from .hosts import PATIENCE, Host, StartHost

pytest_plugins = ("tests.hosts",)

SEED = 20261121
KEEP_ALL = ("--port", "0", "--retain", "1000000", "--log-level", "warn")


def fresh_ledger(host: Host) -> Ledger:
    ledger = Ledger(logs=["a", "b", "c"], inboxes=["x", "y"])
    for session in (*ledger.logs, *ledger.inboxes):
        post(host, f"/sessions/{session}/register")
    return ledger


def test_nothing_acknowledged_is_lost_by_kill(start_host: StartHost) -> None:
    dice = random.Random(SEED)
    host = start_host("--port", "0", "--retain", "1000000")
    ledger = fresh_ledger(host)
    epoch = get(host, "/status")["epoch"]
    for round in range(50):
        with load(host, works(ledger, dice)):
            for _ in range(dice.randrange(20, 300)):
                assert ledger.acks.acquire(timeout=PATIENCE)
            Event().wait(dice.random() / 100)
        host = start_host("--port", "0", "--retain", "1000000")
        ledger.audit(host, whole=round % 10 == 9)
        assert get(host, "/status")["epoch"] == epoch
    print({s: len(l) for s, l in ledger.log.items()}, len(ledger.sent), len(ledger.delivered))


def test_x_eio(start_host: StartHost) -> None:
    host = start_host("--port", "0")
    post(host, "/sessions/a/events", {"event": "thinking", "data": 0})
    with traced(host, "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=2+3"):
        for n in range(1, 12):
            a = ask(host, "POST", "/sessions/a/events", {"event": "thinking", "data": n})
            print(n, a)
        print(ask(host, "GET", "/sessions/a/events?after=0"))
    print(ask(host, "POST", "/sessions/a/events", {"event": "thinking", "data": n}))
    kill(host)
    host = start_host("--port", "0")
    for x in get(host, "/sessions/a/events?after=0"): print(x)


def test_x_full(start_host: StartHost, tmp_path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        st = ("--port", "0", "--state-dir", str(disk / "s"))
        host = start_host(*st)
        (disk / "ballast").write_bytes(b"x" * 1_000_000)
        last = None
        from collections import Counter
        c = Counter()
        for n in range(2000):
            a = ask(host, "POST", "/sessions/a/events", {"event": "thinking", "data": "y" * 1000})
            c[a.status] += 1
            if a.status != 200: last = a
            if c[a.status] == 1: print(n, a)
        print(c, last)
        print(ask(host, "GET", "/sessions/a/events?after=0").status, ask(host, "GET", "/health"), ask(host, "GET", "/status"))
        import subprocess
        print(subprocess.run(["ls", "-la", disk / "s"], capture_output=True, text=True).stdout)
        kill(host)
        host = start_host(*st)
        try:
            print(host.port)
            print(len(get(host, "/sessions/a/events?after=0")))
            print(ask(host, "POST", "/sessions/a/events", {"event": "thinking", "data": "y" * 1000}))
            host.stop()
            print(subprocess.run(["ls", "-la", disk / "s"], capture_output=True, text=True).stdout)
            host = start_host(*st)
            print(host.port)
        finally:
            print(host.output()[-3000:])
        host.stop()
