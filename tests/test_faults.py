"""Real faults, made with real tools: what a host has acknowledged outlives them all."""

from __future__ import annotations

import random
from threading import Event

from .faults import Ledger, get, kill, load, post, works
from .hosts import PATIENCE, Host, StartHost, start_host

__all__ = ["start_host"]

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
