"""What codexd says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.faces.codexd.describe import description_of, event_url
from sxhost.testing import HostInMemory


def described(part: str, base: str = "http://x") -> Any:
    """Return a part of the description."""
    return description_of(base)[part]


def test_described_routes_are_those_served(lab: HostInMemory) -> None:
    shown = {
        ("GET" if route["method"] == "WS" else route["method"], route["path"])
        for route in described("routes")
    }
    ours = (route for route in lab.routes if route.tag == "codexd")
    served = {(r.method, r.path.replace("<session_id>", ":session_id")) for r in ours}
    assert shown == served
    assert len(shown) == 8


def test_field_order_is_codexds() -> None:
    fields = list(description_of("http://x"))
    assert fields == sorted(fields)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://127.0.0.1:1", "ws://127.0.0.1:1/v1/codexd/events"),
        ("https://http.test", "wss://http.test/v1/codexd/events"),
    ],
)
def test_websocket_url_is_described(base: str, url: str) -> None:
    assert event_url(base) == url
    assert described("event_stream", base)["url"] == url
