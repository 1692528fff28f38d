"""Calls of tools as frames of Codex: a beginning, pieces of output, an end."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import json

from sxhost.faces.codex_sse.fields import (
    EventFields,
    Item,
    changes_by_path,
    item_of,
    split_command,
    to_snake_case,
)
from sxhost.model.event_types import ToolDoneEvent, ToolOutputEvent, ToolStartEvent

__all__ = ["tool_done", "tool_output", "tool_started"]

Frame = tuple[str, dict[str, object]] | None

NO_EXIT_CODE: Final = -1
"""The exit code of a command that has none: it was refused, or cut."""

STATUS: Final = {"completed": "completed", "declined": "declined"}
"""Codex's names of how a call ended; any other has failed."""


def tool_started(event: EventFields[ToolStartEvent]) -> Frame:
    """Return the frame of a call that begins."""
    return _BY_ITEM_TYPE.get(item_of(event).type, _OTHER_TOOL)[0](event)


def tool_done(event: EventFields[ToolDoneEvent]) -> Frame:
    """Return the frame of a call that has ended."""
    return _BY_ITEM_TYPE.get(item_of(event).type, _OTHER_TOOL)[1](event)


def tool_output(event: EventFields[ToolOutputEvent]) -> Frame:
    """Return the frame of a piece that a tool has printed: as stdout, in base64."""
    chunk = b64encode(event.data.text.encode("utf-8", "surrogatepass")).decode()
    return (
        "exec_command_output_delta",
        {"call_id": event.data.item, "stream": "stdout", "chunk": chunk},
    )


# Commands.


def _exec_begin(event: EventFields[ToolStartEvent]) -> Frame:
    return "exec_command_begin", _command(event)


def _exec_end(event: EventFields[ToolDoneEvent]) -> Frame:
    item = item_of(event)
    text = item.aggregated_output or ""
    return "exec_command_end", {
        **_command(event),
        "stdout": text,
        "stderr": "",
        "aggregated_output": text,
        "exit_code": NO_EXIT_CODE if item.exit_code is None else item.exit_code,
        "duration": _duration(item),
        "formatted_output": text,
        "status": STATUS.get(event.data.status, "failed"),
    }


def _command(event: EventFields[ToolStartEvent | ToolDoneEvent]) -> dict[str, object]:
    item = item_of(event)
    process = {"process_id": item.process_id} if item.process_id else {}
    return {
        "call_id": item.id,
        **process,
        "turn_id": event.params.turn_id or "",
        "command": split_command(item.command),
        "cwd": item.cwd or event.conversation.cwd,
        "parsed_cmd": [_parsed(action) for action in item.command_actions],
        "source": to_snake_case(item.source),
    }


def _parsed(action: dict[str, object]) -> dict[str, object]:
    rest = {name: value for name, value in action.items() if name not in ("type", "command")}
    return {"type": to_snake_case(action.get("type")), "cmd": action.get("command"), **rest}


# Files.


def _patch_begin(event: EventFields[ToolStartEvent]) -> Frame:
    never_asks = event.conversation.approval_policy == "never"
    return "patch_apply_begin", {**_patch(event), "auto_approved": never_asks}


def _patch_end(event: EventFields[ToolDoneEvent]) -> Frame:
    return "patch_apply_end", {
        **_patch(event),
        "stdout": "",
        "stderr": "",
        "success": event.data.status == "completed",
        "status": STATUS.get(event.data.status, "failed"),
    }


def _patch(event: EventFields[ToolStartEvent | ToolDoneEvent]) -> dict[str, object]:
    item = item_of(event)
    turn = event.params.turn_id or ""
    return {"call_id": item.id, "turn_id": turn, "changes": changes_by_path(item.changes)}


# Tools of servers, and whatever else there is.


def _mcp_begin(event: EventFields[ToolStartEvent]) -> Frame:
    return "mcp_tool_call_begin", _invocation(event)


def _mcp_end(event: EventFields[ToolDoneEvent]) -> Frame:
    item = item_of(event)
    failed = item.error.get("message") if isinstance(item.error, dict) else None
    result = {"Ok": item.result} if failed is None else {"Err": failed}
    duration = _duration(item)
    return "mcp_tool_call_end", {**_invocation(event), "duration": duration, "result": result}


def _invocation(event: EventFields[ToolStartEvent | ToolDoneEvent]) -> dict[str, object]:
    item = item_of(event)
    invocation = {"server": item.server, "tool": item.tool, "arguments": item.arguments}
    return {"call_id": item.id, "invocation": invocation}


def _other_begin(event: EventFields[ToolStartEvent]) -> Frame:
    return "mcp_tool_call_begin", _other_call(event)


def _other_end(event: EventFields[ToolDoneEvent]) -> Frame:
    data = event.data
    content = [{"type": "text", "text": data.output if isinstance(data.output, str) else ""}]
    result = {"content": content, "isError": data.status != "completed"}
    fields = {"duration": _duration(item_of(event)), "result": {"Ok": result}}
    return "mcp_tool_call_end", {**_other_call(event), **fields}


def _other_call(event: EventFields[ToolStartEvent | ToolDoneEvent]) -> dict[str, object]:
    data = event.data
    given = json.decode(data.input) if isinstance(data, ToolStartEvent) else None
    invocation = {"server": "", "tool": data.tool, "arguments": given}
    return {"call_id": data.item, "invocation": invocation}


# Searches and pictures.


def _search_begin(event: EventFields[ToolStartEvent]) -> Frame:
    return "web_search_begin", {"call_id": item_of(event).id}


def _search_end(event: EventFields[ToolDoneEvent]) -> Frame:
    item = item_of(event)
    return "web_search_end", {"call_id": item.id, "query": item.query, "action": item.action}


def _image(event: EventFields[ToolStartEvent]) -> Frame:
    return "view_image_tool_call", {"call_id": item_of(event).id, "path": item_of(event).path}


def _nothing(_event: EventFields[ToolDoneEvent]) -> Frame:
    return None


def _duration(item: Item) -> dict[str, int]:
    """Return how long it took, as Rust writes a time."""
    millis = int(item.duration_ms or 0)
    return {"secs": millis // 1000, "nanos": millis % 1000 * 1_000_000}


Begin = Callable[[EventFields[ToolStartEvent]], Frame]
End = Callable[[EventFields[ToolDoneEvent]], Frame]

_OTHER_TOOL: Final[tuple[Begin, End]] = (_other_begin, _other_end)

_BY_ITEM_TYPE: Final[Mapping[str, tuple[Begin, End]]] = {
    "commandExecution": (_exec_begin, _exec_end),
    "fileChange": (_patch_begin, _patch_end),
    "mcpToolCall": (_mcp_begin, _mcp_end),
    "webSearch": (_search_begin, _search_end),
    "imageView": (_image, _nothing),
}
"""Types of items, each with the functions that translate its beginning and its end."""
