"""The fields of codex's notices that are read."""

from __future__ import annotations

import pytest
from msgspec import Raw, json

from sxhost.drivers.codex.notifications import Notification


def test_what_a_delta_has() -> None:
    params = Raw(b'{"threadId": "t", "itemId": "i", "delta": "x", "turnId": "u"}')
    told = Notification.of("item/agentMessage/delta", params)
    assert (told.thread, told.item, told.text) == ("t", "i", "x")
    assert json.decode(told.native) == {
        "method": "item/agentMessage/delta",
        "params": json.decode(params),
    }


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (b'{"message": "half"}', "half"),
        (b'{"delta": "", "message": "half"}', ""),
        (b'{"delta": 5, "itemId": 5}', ""),
        (b'{"threadId": 5, "delta": "x"}', ""),
        (b"null", ""),
        (b"[]", ""),
        (b"[" * 5000 + b"]" * 5000, ""),
    ],
)
def test_what_is_odd_is_nothing(params: bytes, text: str) -> None:
    told = Notification.of("any", Raw(params))
    assert (told.thread, told.item, told.text) == (None, "", text)
