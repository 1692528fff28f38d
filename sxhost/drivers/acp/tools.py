"""Tool calls of an ACP agent: updates of any shape become one start and one end each.

Agents differ in when they first report a tool call (some with their request for permission),
in which field has its output, and in whether they report its end.  Here each call has exactly
one ``tool-start`` and one ``tool-done``:

- A call whose input is still being written starts with the agent's next update of it.
- A call that was declined is done at once; later updates of it are ``native``.
- A call that is open when the turn ends is cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import unified_diff
from typing import Any

from msgspec import Raw

from sxhost.drivers.acp.messages import ToolCall, ToolCallContent
from sxhost.drivers.kit.open_items import OpenItems
from sxhost.model.event_types import (
    NULL,
    DiffEvent,
    ToolDoneEvent,
    ToolOutputEvent,
    ToolStartEvent,
    ToolStatus,
    raw_json,
)
from sxhost.model.pictures import Picture, split_pictures

__all__ = ["OpenToolCall", "ToolCallTracker"]

DONE: Mapping[str, ToolStatus] = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cut",
    "rejected": "declined",
}
"""Statuses that end a call, and the event's status; the last two are not in ACP v1."""

OUTPUT_KEPT = 100_000
"""Characters of output that are kept for the end of a call: the last ones, as a terminal."""

DIFF = 200_000
"""Characters of a file, old and new together, up to which its diff is computed."""


class OpenToolCall:
    """A tool call that has not ended: what its updates have said of it so far."""

    def __init__(self, item: str) -> None:
        self.item = item
        self.kind = "other"
        self.title = ""
        self.input: Any = None
        self.paths: list[str] = []
        self.started = False
        self.diffs: list[ToolCallContent] = []
        self._content_text = ""
        self._output = ""

    def merge_update(self, call: ToolCall) -> None:
        """Merge an update: fields that it leaves out have not changed."""
        self.kind = call.kind or self.kind
        self.title = call.title or self.title
        self.input = self.input if call.raw_input is None else call.raw_input
        self.paths = _paths(call.locations) or self.paths
        self.diffs = [c for c in call.content or [] if c.type == "diff"] or self.diffs

    def set_initial_content(self, call: ToolCall) -> None:
        """Note the content before the call runs: it describes the input and is no output."""
        self._content_text = self._content_text if call.content is None else _text(call.content)

    def new_output(self, call: ToolCall) -> str:
        """Return the output that an update adds, and keep it for the end."""
        new = _terminal(call.meta)
        if call.content is not None and call.status not in DONE:
            content_text = _text(call.content)
            new += content_text.removeprefix(self._content_text)
            self._content_text = content_text
        self._output = (self._output + new)[-OUTPUT_KEPT:]
        return new

    def final_output(self, call: ToolCall) -> str:
        """Return the whole output, given the update that ends the call."""
        return _output_text(call.raw_output) or _text(call.content) or self._output


class ToolCallTracker:
    """Reports the tool calls of a conversation; keeps those that are open."""

    def __init__(self, items: OpenItems) -> None:
        self._items = items
        self._calls: dict[str, OpenToolCall] = {}
        self.cutting = False
        """Whether the turn is being cancelled: a call that ends now, and did not exit, was cut.

        opencode and gemini report a command that they have killed as completed.
        """

    def call_started(self, call: ToolCall, native: Raw) -> None:
        """Handle a call's first update; some agents send it again with each change."""
        if call.tool_call_id in self._calls:
            self.call_updated(call, native)
            return
        tool = self._new(call)
        tool.set_initial_content(call)
        if call.status in DONE:
            self._start(tool, native)
            self._finish(tool, call, native)
        elif not _is_being_written(call.raw_input):
            self._start(tool, native)

    def call_updated(self, call: ToolCall, native: Raw) -> None:
        """Handle a later update of a call, which some agents send without a first one."""
        if self._items.has_ended(call.tool_call_id):
            self._items.report_native(native)
            return
        tool = self._calls.get(call.tool_call_id)
        if tool is None:
            tool = self._new(call)
        elif not tool.started:
            tool.set_initial_content(call)
        tool.merge_update(call)
        self._start(tool, native)
        new = tool.new_output(call)
        if new:
            self._items.report(ToolOutputEvent(item=tool.item, text=new))
        if call.status in DONE:
            self._finish(tool, call, native)

    def permission_requested(self, call: ToolCall, native: Raw) -> OpenToolCall:
        """Handle a request for a call's permission; return what is known of the call."""
        tool = self._calls.get(call.tool_call_id) or self._new(call)
        tool.merge_update(call)
        tool.set_initial_content(call)
        self._start(tool, native)
        return tool

    def call_declined(self, item: str) -> None:
        """End a call that a person has declined."""
        self._end(item, "declined")

    def cut_open_items(self) -> None:
        """Cut what is open: the turn is over."""
        for tool in self._calls.values():
            self._start(tool)
        self._calls.clear()
        self._items.cut(interrupted=True)  # a result was waited for
        self.cutting = False

    def _new(self, call: ToolCall) -> OpenToolCall:
        self._items.forget(call.tool_call_id)
        tool = self._calls[call.tool_call_id] = OpenToolCall(call.tool_call_id)
        tool.merge_update(call)
        return tool

    def _start(self, tool: OpenToolCall, native: Raw = NULL) -> None:
        if not tool.started:
            tool.started = True
            self._items.report(
                ToolStartEvent(
                    item=tool.item,
                    tool=tool.kind,
                    title=tool.title or tool.kind,
                    input=raw_json(tool.input),
                    native=native,
                )
            )

    def _finish(self, tool: OpenToolCall, call: ToolCall, native: Raw) -> None:
        status = DONE[call.status or "failed"]
        code = _exit_code(call)
        if self.cutting and (status == "failed" or code is None):
            status = "cut"
        if status == "completed":
            self._diffs(tool)
        images = split_pictures([content.content for content in call.content or []])[1]
        self._end(tool.item, status, tool.final_output(call), code, native, images=images)

    def _diffs(self, tool: OpenToolCall) -> None:
        for content in tool.diffs:
            diff = _diff(content)
            if diff:
                self._items.report(DiffEvent(item=tool.item, path=content.path, diff=diff))

    def _end(
        self,
        item: str,
        status: ToolStatus,
        output: str = "",
        code: int | None = None,
        native: Raw = NULL,
        *,
        images: Sequence[Picture] = (),
    ) -> None:
        tool = self._calls.pop(item, None)
        if tool is not None:
            self._start(tool)
            self._items.report(
                ToolDoneEvent(
                    item=item,
                    tool=tool.kind,
                    status=status,
                    output=output,
                    images=list(images),
                    exit_code=code,
                    native=native,
                )
            )


def _is_being_written(raw_input: Any) -> bool:
    """Return whether an input is still being written: it is there, and says nothing yet.

    opencode begins with the directory alone, claude-agent-acp with nothing.
    """
    return isinstance(raw_input, dict) and not raw_input.keys() - {"cwd"}


def _paths(locations: Any) -> list[str]:
    candidates = locations if isinstance(locations, list) else []
    found = [place.get("path") for place in candidates if isinstance(place, dict)]
    return [path for path in found if isinstance(path, str)]


def _text(contents: list[ToolCallContent] | None) -> str:
    return "\n".join(content.text for content in contents or [] if content.text)


def _nested(data: Any, *names: str) -> Any:
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _terminal(meta: Any) -> str:
    """Return new output of the agent's own terminal, in ``_meta``: pi-acp and codex-acp."""
    pieces = [_nested(meta, f"terminal_output{suffix}", "data") for suffix in ("", "_delta")]
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _output_text(output: Any) -> str:
    """Return the text in a raw output; its shape differs by tool and by agent."""
    if isinstance(output, str):
        return output
    names = ("output", "formatted_output", "aggregated_output", "stdout", "error")
    found = (_nested(output, name) for name in names)
    return next((text for text in found if isinstance(text, str) and text), "")


def _exit_code(call: ToolCall) -> int | None:
    candidates = (
        _nested(call.meta, "terminal_exit", "exit_code"),
        _nested(call.raw_output, "metadata", "exit"),
        _nested(call.raw_output, "exit_code"),
        _nested(call.raw_output, "exitCode"),
    )
    return next((code for code in candidates if isinstance(code, int)), None)


def _diff(content: ToolCallContent) -> str:
    old, new = content.old_text or "", content.new_text
    if len(old) + len(new) > DIFF:
        return ""
    lines = unified_diff(old.splitlines(True), new.splitlines(True), content.path, content.path)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
