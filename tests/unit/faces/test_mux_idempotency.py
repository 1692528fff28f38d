"""What makes two commands the same."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from sxhost.faces.pi.idempotency import fingerprint
from sxhost.faces.pi.rate_limits import CommandRates
from sxhost.model.limits import Limits

fields = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5)


@given(fields, st.text(), st.text())
def test_fingerprint_ignores_key_order_and_ids(
    given: dict[str, object], name: str, key: str
) -> None:
    plain = {k: v for k, v in given.items() if k not in ("id", "idempotencyKey")}
    named = dict(reversed({**plain, "id": name, "idempotencyKey": key}.items()))
    assert fingerprint(json.dumps(plain).encode()) == fingerprint(json.dumps(named).encode())


def test_fingerprint_hides_its_content() -> None:
    print_ = fingerprint(b'{"type":"prompt","message":"secret"}')
    assert print_.startswith("v2:sha256:")
    assert "secret" not in print_
    assert print_ != fingerprint(b'{"type":"prompt","message":"other"}')


def test_rate_limit_window_slides() -> None:
    clock = Clock()
    rates = CommandRates(clock, Limits(mux_rate=2, mux_rate_all=3))
    assert rates.refusal_of("a", answers=False) is None
    clock.advance(30)
    assert rates.refusal_of("a", answers=False) is None
    assert rates.refusal_of("a", answers=False) == "Rate limit exceeded (2 commands/minute)"
    assert rates.count == 2, "what was refused is not counted"
    clock.advance(31)
    assert rates.refusal_of("a", answers=False) is None
    clock.advance(1000)
    assert rates.refusal_of("b", answers=False) is None
    assert rates.count == 1
