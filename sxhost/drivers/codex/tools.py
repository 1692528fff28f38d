"""Items of ``codex app-server``: for each kind its tool, title, input and output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from sxhost.drivers.kit.open_items import TextEvent

__all__ = ["SPEECH", "TOOLS", "Item", "ToolKind", "text_of", "tool_of"]


class Item(Struct, frozen=True, rename="camel"):
    """A part of a conversation; which fields it has depends on its `type`.

    All but two are `Any`: an unexpected type must not cost the whole item.
    """

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


SPEECH: Final[Mapping[str, TextEvent]] = {
    "agentMessage": "message",
    "reasoning": "thinking",
    "plan": "message",
}
"""Items that are texts, and the event that has the whole text (a cut plan is a message)."""

STATUS: Final = {
    "completed": "completed",
    "inProgress": "completed",  # codex says so of some items in ``item/completed``
    "failed": "failed",
    "declined": "declined",
    "interrupted": "cut",
}


class ToolKind(NamedTuple):
    """How a kind of item is shown: its tool's name, title, fields of input, output."""

    name: Callable[[Item], str]
    title: Callable[[Item], str]
    input_fields: tuple[str, ...]
    output: Callable[[Item], str]

    def outcome(self, item: Item) -> dict[str, Any]:
        """Return how a completed item ended: status, output, exit_code."""
        output = self.output(item)
        code = item.exit_code if isinstance(item.exit_code, int) else None
        return {"status": _status(item), "output": output, "exit_code": code}


def tool_of(item: Item, *, with_input: bool = False) -> dict[str, Any]:
    """Return an event's fields that name a tool's call: item, tool; or also title, input."""
    tool = TOOLS[item.type]
    fields: dict[str, Any] = {"item": item.id, "tool": tool.name(item)}
    if with_input:
        input_fields = {name: getattr(item, name) for name in tool.input_fields}
        fields["title"] = tool.title(item)
        fields["input"] = {
            name: value for name, value in input_fields.items() if value is not None
        }
    return fields


def text_of(item: Item) -> str:
    """Return the whole text of an item of `SPEECH`; "" if it has none."""
    if item.type != "reasoning":
        return _str(item.text)
    parts = item.summary or item.content
    return "\n\n".join(_str(part) for part in parts) if isinstance(parts, list) else ""


def _status(item: Item) -> str:
    if item.success is False:
        return "failed"
    return STATUS.get(_str(item.status), "completed")


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _type_name(item: Item) -> str:
    return item.type


def _qualified_name(item: Item) -> str:
    return ".".join(filter(None, map(_str, (item.server, item.namespace, item.tool))))


def _paths(item: Item) -> str:
    changes = item.changes if isinstance(item.changes, list) else []
    return ", ".join(_str(c.get("path")) for c in changes if isinstance(c, dict))


def _field(field: str) -> Callable[[Item], str]:
    return lambda item: _str(getattr(item, field))


def _no_output(_item: Item) -> str:
    return ""


def _mcp_output(item: Item) -> str:
    if isinstance(item.error, dict):
        return _str(item.error.get("message"))
    return _texts(item.result.get("content")) if isinstance(item.result, dict) else ""


def _dynamic_output(item: Item) -> str:
    return _texts(item.content_items)


def _texts(parts: Any) -> str:
    parts = parts if isinstance(parts, list) else []
    return "\n".join(_str(p.get("text")) for p in parts if isinstance(p, dict))


TOOLS: Final[Mapping[str, ToolKind]] = {
    "commandExecution": ToolKind(
        _type_name, _field("command"), ("command", "cwd"), _field("aggregated_output")
    ),
    "fileChange": ToolKind(_type_name, _paths, ("changes",), _no_output),
    "mcpToolCall": ToolKind(
        _qualified_name, _qualified_name, ("server", "tool", "arguments"), _mcp_output
    ),
    "dynamicToolCall": ToolKind(
        _qualified_name, _qualified_name, ("namespace", "tool", "arguments"), _dynamic_output
    ),
    "collabAgentToolCall": ToolKind(
        _qualified_name, _field("prompt"), ("tool", "prompt"), _no_output
    ),
    "webSearch": ToolKind(_type_name, _field("query"), ("query",), _no_output),
    "imageView": ToolKind(_type_name, _field("path"), ("path",), _no_output),
    "imageGeneration": ToolKind(_type_name, _type_name, (), _no_output),
    "sleep": ToolKind(_type_name, _type_name, ("duration_ms",), _no_output),
}
"""Items that are calls of tools, by their type."""
