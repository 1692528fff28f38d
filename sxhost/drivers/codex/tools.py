"""Items of ``codex app-server``: what each kind is called, is given, and comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

__all__ = ["SPEECH", "TOOLS", "Item", "ToolKind", "text_of", "tool_of"]


class Item(Struct, frozen=True, rename="camel"):
    """A part of a conversation; which fields it has depends on its `type`."""

    type: str
    id: str
    text: Any = None
    summary: Any = None
    content: Any = None
    command: Any = None
    cwd: Any = None
    status: Any = None
    aggregated_output: Any = None
    exit_code: Any = None
    changes: Any = None
    server: Any = None
    namespace: Any = None
    tool: Any = None
    arguments: Any = None
    result: Any = None
    error: Any = None
    content_items: Any = None
    success: Any = None
    query: Any = None
    path: Any = None
    prompt: Any = None
    duration_ms: Any = None


SPEECH: Final = {"agentMessage": "message", "reasoning": "thinking", "plan": "message"}
"""Items that are words, and the event that tells them whole (or cut)."""

STATUS: Final = {
    "completed": "completed",
    "inProgress": "completed",  # it is told of a completed item, so it is
    "failed": "failed",
    "declined": "declined",
    "interrupted": "cut",
}


class ToolKind(NamedTuple):
    """How a kind of item shows: its tool's name, a title, what it was given and gave."""

    name: Callable[[Item], str]
    title: Callable[[Item], str]
    given: tuple[str, ...]
    output: Callable[[Item], str]

    def outcome(self, item: Item) -> dict[str, Any]:
        """Return how a completed item ended: status, output, exit_code."""
        output = self.output(item)
        code = item.exit_code if isinstance(item.exit_code, int) else None
        return {"status": _status(item), "output": output, "exit_code": code}


def tool_of(item: Item, *, with_input: bool = False) -> dict[str, Any]:
    """Return what names a tool's call: item, tool; with its input also title, input."""
    tool = TOOLS[item.type]
    named: dict[str, Any] = {"item": item.id, "tool": tool.name(item)}
    if with_input:
        given = {name: getattr(item, name) for name in tool.given}
        named["title"] = tool.title(item)
        named["input"] = {name: value for name, value in given.items() if value is not None}
    return named


def text_of(item: Item) -> str:
    """Return the words of an item that is speech."""
    if item.type != "reasoning":
        return _words(item.text)
    parts = item.summary or item.content
    return "\n\n".join(_words(part) for part in parts) if isinstance(parts, list) else ""


def _status(item: Item) -> str:
    if item.success is False:
        return "failed"
    return STATUS.get(_words(item.status), "completed")


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _type(item: Item) -> str:
    return item.type


def _called(item: Item) -> str:
    return ".".join(filter(None, map(_words, (item.server, item.namespace, item.tool))))


def _paths(item: Item) -> str:
    changes = item.changes if isinstance(item.changes, list) else []
    return ", ".join(_words(c.get("path")) for c in changes if isinstance(c, dict))


def _of(field: str) -> Callable[[Item], str]:
    return lambda item: _words(getattr(item, field))


def _nothing(_item: Item) -> str:
    return ""


def _mcp_output(item: Item) -> str:
    if isinstance(item.error, dict):
        return _words(item.error.get("message"))
    return _texts(item.result.get("content")) if isinstance(item.result, dict) else ""


def _dynamic_output(item: Item) -> str:
    return _texts(item.content_items)


def _texts(parts: Any) -> str:
    parts = parts if isinstance(parts, list) else []
    return "\n".join(_words(p.get("text")) for p in parts if isinstance(p, dict))


TOOLS: Final[Mapping[str, ToolKind]] = {
    "commandExecution": ToolKind(
        _type, _of("command"), ("command", "cwd"), _of("aggregated_output")
    ),
    "fileChange": ToolKind(_type, _paths, ("changes",), _nothing),
    "mcpToolCall": ToolKind(_called, _called, ("server", "tool", "arguments"), _mcp_output),
    "dynamicToolCall": ToolKind(
        _called, _called, ("namespace", "tool", "arguments"), _dynamic_output
    ),
    "collabAgentToolCall": ToolKind(_called, _of("prompt"), ("tool", "prompt"), _nothing),
    "webSearch": ToolKind(_type, _of("query"), ("query",), _nothing),
    "imageView": ToolKind(_type, _of("path"), ("path",), _nothing),
    "imageGeneration": ToolKind(_type, _type, (), _nothing),
    "sleep": ToolKind(_type, _type, ("duration_ms",), _nothing),
}
"""Items that are calls of tools."""
