"""Commands are answered as pi-app-server answers them, but for the differences named here."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from sxhost.testing import FakeDriver, FakeDrivers, HostInMemory
from tests.support.multiplexer_in_memory import Peer
from tests.support.pi_app_server import Answer, answer_of, cases

DIFFERENCES = {
    "what is no JSON, in V8's words": lambda frame, _: not _is_object(frame),
    "a thinking level of newer pi": lambda frame, _: '"level": "max"' in frame,
    "a command of the host's own": lambda frame, _: '"unsubscribe"' in frame,
    "a very long name, which is not repeated whole": lambda frame, _: "x" * 300 in frame,
    "half a character in an id": lambda frame, _: frame.startswith('{"id":"\\ud800"'),
}
"""What is different on purpose (docs/multiplexer.md says why), and how it is known."""


def _is_object(frame: str) -> bool:
    try:
        return isinstance(json.loads(frame), dict) and "NaN" not in frame
    except ValueError:
        return False


def _text(answer: Answer) -> str:
    return answer.error or ""


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
        ours = answer_of(response)
        if "Conflicting id" in _text(ours):  # of a command before
            continue
        if ours != theirs:
            why = [name for name, holds in DIFFERENCES.items() if holds(frame, ours)]
            assert why, (frame[:300], ours, theirs)
            told[why[0]] += 1
        peer.client.connection_closed()
    assert len(known) > 2700
    assert told.total() < len(known) / 60, told
