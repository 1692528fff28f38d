"""What an agent is told over ACP, and why it said no."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.codec.jsonrpc import RPCError
from sxhost.drivers.acp.prompt import REASON, content_blocks, initialize_params, refusal_reason
from sxhost.drivers.kit.jsonrpc_peer import CallRefused
from sxhost.errors import AgentFailed, BadField, Unsupported
from sxhost.model.turn import File, Image, Item, LocalImage, Text

ITEMS_AND_BLOCKS = [
    (Text(text="hi"), {"type": "text", "text": "hi"}),
    (
        Image(data="AAAA", mime_type="image/gif"),
        {"type": "image", "data": "AAAA", "mimeType": "image/gif"},
    ),
    (
        Image(url="data:image/webp;base64,BBBB"),
        {"type": "image", "data": "BBBB", "mimeType": "image/webp"},
    ),
    (
        Image(url="https://example.org/a/cat.png"),
        {
            "type": "resource_link",
            "uri": "https://example.org/a/cat.png",
            "name": "cat.png",
        },
    ),
    (
        LocalImage(path="/w/cat.png"),
        {
            "type": "resource_link",
            "uri": "file:///w/cat.png",
            "name": "cat.png",
            "mimeType": "image/png",
        },
    ),
    (
        File(path="/w/Makefile"),
        {"type": "resource_link", "uri": "file:///w/Makefile", "name": "Makefile"},
    ),
]


@pytest.mark.parametrize(("item", "block"), ITEMS_AND_BLOCKS)
def test_items(item: Item, block: dict[str, Any]) -> None:
    assert content_blocks([item], images=True) == [block]


def test_an_agent_that_takes_no_images() -> None:
    with pytest.raises(Unsupported, match="no images"):
        content_blocks([Text(text="see"), Image(data="AAAA")], images=False)
    assert content_blocks([LocalImage(path="/w/cat.png")], images=False)


def test_a_path_that_is_nowhere() -> None:
    with pytest.raises(BadField, match="not absolute"):
        content_blocks([File(path="cat.png")], images=True)


def test_only_what_can_be_kept_is_promised() -> None:
    can = initialize_params("1.2")["clientCapabilities"]
    assert can["terminal"] is False
    assert not any(can["fs"].values())


@pytest.mark.parametrize(
    ("message", "data", "why"),
    [
        (
            "Internal error",
            {"details": "no such\n  session"},
            "Internal error: no such session",
        ),
        ("Invalid params", "Unknown id", "Invalid params: Unknown id"),
        ("no", {"service": "x"}, "no"),
        ("no", ["x"], "no"),
        ('{"error": {"message": "told to fail", "code": 400}}', None, "told to fail"),
        ('{"error": 4}', None, '{"error": 4}'),
        ("x" * 5000, None, "x" * REASON),
    ],
)
def test_complaints(message: str, data: Any, why: str) -> None:
    assert refusal_reason(CallRefused("m", RPCError(1, -32603, message, data))) == why


def test_another_failure_is_its_own_complaint() -> None:
    assert refusal_reason(AgentFailed("It went.")) == "It went."
