"""Commands are answered as pi-app-server answers them, but for the differences named here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from sxhost.testing import FakeDriver, FakeDrivers, HostInMemory
from tests.support.multiplexer_in_memory import Peer
from tests.support.pi_app_server import answer_of, cases

DIFFERENCES: dict[str, tuple[int, Callable[[str], bool]]] = {
    "what is no JSON, or no object": (14, lambda frame: not _is_object(frame)),
    "a command of the host's own": (2, lambda frame: '"unsubscribe"' in frame),
    "a very long name, which is not repeated whole": (2, lambda frame: "x" * 300 in frame),
    "a thinking level of newer pi": (1, lambda frame: '"level": "max"' in frame),
    "half a character in an id": (1, lambda frame: frame.startswith('{"id":"\\ud800"')),
}
"""What is different on purpose, how often, and how it is known (docs/multiplexer.md)."""


def _is_object(frame: str) -> bool:
    try:
        return isinstance(json.loads(frame), dict) and "NaN" not in frame
    except ValueError:
        return False


def test_commands_are_answered_as_pi_app_server_does() -> None:
    known, told = cases(), Counter[str]()
    unlimited: dict[str, Any] = {"mux_rate": 10**9, "mux_rate_all": 10**9, "mux_answers": 10**9}
    for number, (frame, theirs) in enumerate(known):
        if number % 50 == 0:
            lab = HostInMemory(drivers=FakeDrivers(pi=FakeDriver()), **unlimited)
        peer = Peer(lab)
        peer.client.receive(frame.encode("utf-8", "surrogatepass"))
        peer.settle()
        (response,) = peer.answers
        ours = answer_of(response, peer.frames)
        if ours != theirs:
            why = [name for name, (_, holds) in DIFFERENCES.items() if holds(frame)]
            assert why, (frame[:300], ours, theirs)
            told[why[0]] += 1
        peer.client.connection_closed()
    assert len(known) == 2742
    assert told == {name: count for name, (count, _) in DIFFERENCES.items()}
