"""Items of ``codex app-server``: for each kind its tool, title, input and output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Raw, Struct

from sxhost.model.event_types import ToolDoneEvent, ToolStartEvent, ToolStatus, raw_json
from sxhost.model.pictures import split_pictures

__all__ = ["TOOLS", "Item", "ToolKind", "text_of", "tool_done", "tool_started"]


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


STATUS: Final[Mapping[str, ToolStatus]] = {
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


def tool_started(item: Item, native: Raw) -> ToolStartEvent:
    """Return the event of a tool's call that begins; `native` is codex's notification."""
    tool = TOOLS[item.type]
    fields = {name: getattr(item, name) for name in tool.input_fields}
    known = {name: value for name, value in fields.items() if value is not None}
    return ToolStartEvent(
        item=item.id,
        tool=tool.name(item),
        title=tool.title(item),
        input=raw_json(known),
        native=native,
    )


def tool_done(item: Item, native: Raw) -> ToolDoneEvent:
    """Return the event of a tool's call that is over; `native` is codex's notification."""
    tool = TOOLS[item.type]
    succeeded = item.success is not False
    return ToolDoneEvent(
        item=item.id,
        tool=tool.name(item),
        status=STATUS.get(_str(item.status), "completed") if succeeded else "failed",
        output=tool.output(item),
        images=split_pictures([item.result, item.content_items])[1],
        exit_code=item.exit_code if isinstance(item.exit_code, int) else None,
        native=native,
    )


def text_of(item: Item) -> str:
    """Return the whole text of an item; "" if it has none."""
    if item.type != "reasoning":
        return _str(item.text)
    parts = item.summary or item.content
    return "\n\n".join(_str(part) for part in parts) if isinstance(parts, list) else ""


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
