"""Calls of tools as Codex tells them: a beginning, pieces of output, an end."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final

from sxhost.faces.codex_sse.fields import EventFields, Item, changes_of, snaked, words_of

__all__ = ["begun", "done", "output"]

Frame = tuple[str, dict[str, Any]] | None

UNKNOWN: Final = -1
"""The exit code of a command that has none: it was refused, or cut."""

STATUS: Final = {"completed": "completed", "declined": "declined"}
"""How a call ended; all else has failed."""


def begun(told: EventFields) -> Frame:
    """Tell that a tool is called."""
    return _TOOLS.get(told.item.type, _OTHER)[0](told)


def done(told: EventFields) -> Frame:
    """Tell how the call of a tool ended."""
    return _TOOLS.get(told.item.type, _OTHER)[1](told)


def output(told: EventFields) -> Frame:
    """Tell a piece of what a tool prints; there is one stream, and bytes go as base64."""
    chunk = b64encode(told.words.text.encode("utf-8", "surrogatepass")).decode()
    fields = {"call_id": told.words.item, "stream": "stdout", "chunk": chunk}
    return "exec_command_output_delta", fields


# Commands.


def _exec_begin(told: EventFields) -> Frame:
    return "exec_command_begin", _command(told)


def _exec_end(told: EventFields) -> Frame:
    item = told.item
    text = item.aggregated_output or ""
    return "exec_command_end", {
        **_command(told),
        "stdout": text,
        "stderr": "",
        "aggregated_output": text,
        "exit_code": UNKNOWN if item.exit_code is None else item.exit_code,
        "duration": _duration(item),
        "formatted_output": text,
        "status": STATUS.get(told.words.status, "failed"),
    }


def _command(told: EventFields) -> dict[str, Any]:
    item = told.item
    process = {"process_id": item.process_id} if item.process_id else {}
    return {
        "call_id": item.id,
        **process,
        "turn_id": told.params.turn_id or "",
        "command": words_of(item.command),
        "cwd": item.cwd or told.about.cwd,
        "parsed_cmd": [_parsed(action) for action in item.command_actions],
        "source": snaked(item.source),
    }


def _parsed(action: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in action.items() if name not in ("type", "command")}
    return {"type": snaked(action.get("type")), "cmd": action.get("command"), **rest}


# Files.


def _patch_begin(told: EventFields) -> Frame:
    fields = _patch(told)
    return "patch_apply_begin", {**fields, "auto_approved": _never_asks(told)}


def _patch_end(told: EventFields) -> Frame:
    return "patch_apply_end", {
        **_patch(told),
        "stdout": "",
        "stderr": "",
        "success": told.words.status == "completed",
        "status": STATUS.get(told.words.status, "failed"),
    }


def _patch(told: EventFields) -> dict[str, Any]:
    item = told.item
    turn = told.params.turn_id or ""
    return {"call_id": item.id, "turn_id": turn, "changes": changes_of(item.changes)}


def _never_asks(told: EventFields) -> bool:
    return told.about.approval_policy == "never"


# Tools of servers, and whatever else there is.


def _mcp_begin(told: EventFields) -> Frame:
    return "mcp_tool_call_begin", _invocation(told)


def _mcp_end(told: EventFields) -> Frame:
    item = told.item
    failed = item.error.get("message") if isinstance(item.error, dict) else None
    result = {"Ok": item.result} if failed is None else {"Err": failed}
    duration = _duration(item)
    return "mcp_tool_call_end", {**_invocation(told), "duration": duration, "result": result}


def _invocation(told: EventFields) -> dict[str, Any]:
    item = told.item
    asked = {"server": item.server, "tool": item.tool, "arguments": item.arguments}
    return {"call_id": item.id, "invocation": asked}


def _other_begin(told: EventFields) -> Frame:
    return "mcp_tool_call_begin", _other(told)


def _other_end(told: EventFields) -> Frame:
    words = told.words
    content = [{"type": "text", "text": words.output or ""}]
    result = {"content": content, "isError": words.status != "completed"}
    fields = {"duration": _duration(told.item), "result": {"Ok": result}}
    return "mcp_tool_call_end", {**_other(told), **fields}


def _other(told: EventFields) -> dict[str, Any]:
    words = told.words
    asked = {"server": "", "tool": words.tool, "arguments": words.input}
    return {"call_id": words.item, "invocation": asked}


# Searches and pictures.


def _search_begin(told: EventFields) -> Frame:
    return "web_search_begin", {"call_id": told.item.id}


def _search_end(told: EventFields) -> Frame:
    item = told.item
    return "web_search_end", {"call_id": item.id, "query": item.query, "action": item.action}


def _image(told: EventFields) -> Frame:
    return "view_image_tool_call", {"call_id": told.item.id, "path": told.item.path}


def _nothing(_told: EventFields) -> Frame:
    return None


def _duration(item: Item) -> dict[str, int]:
    """Return how long it took, as Rust writes a time."""
    millis = int(item.duration_ms or 0)
    return {"secs": millis // 1000, "nanos": millis % 1000 * 1_000_000}


Tell = Callable[[EventFields], Frame]

_OTHER: Final[tuple[Tell, Tell]] = (_other_begin, _other_end)

_TOOLS: Final[Mapping[str, tuple[Tell, Tell]]] = {
    "commandExecution": (_exec_begin, _exec_end),
    "fileChange": (_patch_begin, _patch_end),
    "mcpToolCall": (_mcp_begin, _mcp_end),
    "webSearch": (_search_begin, _search_end),
    "imageView": (_image, _nothing),
}
"""Kinds of items, and how their beginnings and ends are told."""
