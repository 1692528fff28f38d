"""Messages made of the one event that completes them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.model.event import Event
from sxhost.model.event_types import EVENT_TYPES, PIECES
from sxhost.transcripts.messages import (
    Message,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    message_of,
)


def event(name: str, data: Any, seq: int = 3) -> Event:
    return Event(name, Raw(encode(data)), 1, seq, seq, 1000 + seq, "s")


def message(role: str, block: Any, **fields: Any) -> Message:
    return Message(seq=3, first=3, ts_ms=1003, role=role, blocks=(block,), **fields)


MESSAGE_EVENTS = [
    ("user-message", {"text": "hi"}, message("user", TextBlock("hi"))),
    (
        "message",
        {"item": "m", "text": "so"},
        message("assistant", TextBlock("so"), item="m"),
    ),
    (
        "thinking",
        {"item": "t", "text": "hm", "cut": True},
        message("assistant", ThinkingBlock("hm"), item="t", status="cut"),
    ),
    (
        "tool-start",
        {"item": "1", "tool": "bash", "title": "ls", "input": {"command": "ls"}},
        message(
            "assistant",
            ToolCallBlock(item="1", tool="bash", input=Raw(b'{"command":"ls"}')),
            item="1",
        ),
    ),
    (
        "tool-start",
        {"item": "1", "tool": "bash", "title": "ls", "input": None},
        message("assistant", ToolCallBlock(item="1", tool="bash"), item="1"),
    ),
    (
        "tool-done",
        {"item": "1", "tool": "bash", "status": "failed", "output": "no"},
        message("tool", TextBlock("no"), item="1", tool="bash", status="failed"),
    ),
    (
        "tool-done",
        {"item": "1", "tool": "x", "status": "completed", "output": {"a": 1}},
        message("tool", TextBlock('{"a":1}'), item="1", tool="x"),
    ),
    (
        "error",
        {"turn": 1, "status": "failed", "reason": "no model"},
        message("assistant", TextBlock(""), status="failed", reason="no model"),
    ),
    ("complete", {"turn": 1, "status": "completed"}, None),
    ("usage", {"input_tokens": 1}, None),
    ("note", {"text": "x"}, None),
]


@pytest.mark.parametrize(("name", "data", "expected"), MESSAGE_EVENTS)
def test_an_event_is_a_message_by_itself(name: str, data: Any, expected: Any) -> None:
    assert message_of(event(name, data)) == expected


def test_a_plain_text_of_an_attached_agent_is_its_words() -> None:
    found = message_of(event("message", "hello"))
    assert found == message("assistant", TextBlock("hello"))
    assert found is not None
    assert found.text == "hello"


@pytest.mark.parametrize("name", sorted(PIECES))
def test_a_piece_is_no_message(name: str) -> None:
    assert message_of(event(name, {"item": "m", "text": "x"})) is None


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
@pytest.mark.parametrize("data", [None, 3, [], {"text": 3, "item": []}])
def test_data_of_any_shape_raise_nothing(name: str, data: Any) -> None:
    message_of(event(name, data))


def test_a_messages_size_counts_its_texts() -> None:
    small, large = (message_of(event("message", {"text": "x" * n})) for n in (1, 1001))
    assert small is not None
    assert large is not None
    assert large.size - small.size == 1000
