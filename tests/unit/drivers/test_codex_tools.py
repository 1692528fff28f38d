"""What kinds of items are called, are given, and come to."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw, convert, json

from sxhost.drivers.codex.tools import Item, text_of, tool_done, tool_started

NATIVE = Raw(b"{}")


def item(kind: str, **fields: Any) -> Item:
    return convert({"type": kind, "id": "i", **fields}, Item)


STARTED_ITEMS = [
    (
        item("commandExecution", command="ls", cwd="/w"),
        "commandExecution",
        "ls",
        {"command": "ls", "cwd": "/w"},
    ),
    (
        item("fileChange", changes=[{"path": "/a"}, {"path": "/b"}]),
        "fileChange",
        "/a, /b",
        {"changes": [{"path": "/a"}, {"path": "/b"}]},
    ),
    (
        item("mcpToolCall", server="docs", tool="find", arguments={"q": 1}),
        "docs.find",
        "docs.find",
        {"server": "docs", "tool": "find", "arguments": {"q": 1}},
    ),
    (item("dynamicToolCall", tool="paint"), "paint", "paint", {"tool": "paint"}),
    (item("webSearch", query="twisted"), "webSearch", "twisted", {"query": "twisted"}),
    (
        item("collabAgentToolCall", tool="spawnAgent", prompt="help me"),
        "spawnAgent",
        "help me",
        {"tool": "spawnAgent", "prompt": "help me"},
    ),
    (item("imageView", path="/p.png"), "imageView", "/p.png", {"path": "/p.png"}),
    (item("sleep", durationMs=5), "sleep", "sleep", {"duration_ms": 5}),
]


@pytest.mark.parametrize(("it", "tool", "title", "given"), STARTED_ITEMS)
def test_starts(it: Item, tool: str, title: str, given: dict[str, Any]) -> None:
    event = tool_started(it, NATIVE)
    assert (event.item, event.tool, event.title) == ("i", tool, title)
    assert json.decode(event.input) == given


ENDED_ITEMS = [
    (
        item("commandExecution", status="failed", aggregatedOutput="no\n", exitCode=2),
        *("failed", "no\n", 2),
    ),
    (item("commandExecution", status="declined"), "declined", "", None),
    (item("fileChange", status="completed"), "completed", "", None),
    (
        item("mcpToolCall", status="completed", result={"content": [{"text": "yes"}, 5]}),
        *("completed", "yes", None),
    ),
    (
        item("mcpToolCall", status="failed", error={"message": "no such tool"}),
        *("failed", "no such tool", None),
    ),
    (
        item("dynamicToolCall", success=False, contentItems=[{"text": "a"}, {"text": "b"}]),
        *("failed", "a\nb", None),
    ),
    (item("webSearch"), "completed", "", None),
    (item("collabAgentToolCall", status="interrupted"), "cut", "", None),
    (
        item("commandExecution", status=5, aggregatedOutput=5, exitCode="x"),
        "completed",
        "",
        None,
    ),
]


@pytest.mark.parametrize(("it", "status", "output", "code"), ENDED_ITEMS)
def test_outcomes(it: Item, status: str, output: str, code: int | None) -> None:
    event = tool_done(it, NATIVE)
    assert (event.item, event.status, event.output, event.exit_code) == (
        "i",
        status,
        output,
        code,
    )


@pytest.mark.parametrize(
    ("it", "text"),
    [
        (item("agentMessage", text="hello"), "hello"),
        (item("agentMessage", text=None), ""),
        (item("reasoning", summary=["a", "b"], content=["c"]), "a\n\nb"),
        (item("reasoning", summary=[], content=["c"]), "c"),
        (item("reasoning", summary=5), ""),
    ],
)
def test_texts(it: Item, text: str) -> None:
    assert text_of(it) == text


@pytest.mark.parametrize(
    "it",
    [
        item(
            "mcpToolCall",
            result={"content": [{"type": "image", "data": "iVBO", "mimeType": "image/png"}]},
        ),
        item(
            "dynamicToolCall",
            contentItems=[{"type": "inputImage", "imageUrl": "data:image/png;base64,iVBO"}],
        ),
    ],
)
def test_pictures_of_an_outcome_are_told(it: Item) -> None:
    (image,) = tool_done(it, NATIVE).images
    assert (image.mime_type, image.data) == ("image/png", "iVBO")
