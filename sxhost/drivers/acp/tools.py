"""The tool calls of an agent over ACP: from updates of any shape to a start and an end each.

Agents differ in when they tell of a tool call (some first when they ask for leave), in
where its output stands, and in whether they tell its end.  Here each call has exactly one
``tool-start`` and one ``tool-done``:

- A call whose input is still being written starts with the agent's next word about it.
- A call that was declined is done at once; what the agent says of it later is ``native``.
- A call that is open when the turn ends is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import unified_diff
from typing import Any

from msgspec import Raw

from sxhost.drivers.acp.messages import ToolCall, ToolCallContent

__all__ = ["OpenToolCall", "ToolCallTracker"]

Tell = Callable[[str, Any], None]

DONE: Mapping[str, str] = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cut",
    "rejected": "declined",
}
"""What ends a call, and what that is called here; the last two are not in ACP v1."""

OUTPUT_KEPT = 100_000
"""Characters of output that are kept for the end of a call: the last ones."""

DIFF = 200_000
"""Characters of a file, before and after, up to which a diff is made of it."""

REMEMBERED = 512
"""Calls that are over and still known."""


class OpenToolCall:
    """A tool call that is not over."""

    def __init__(self, item: str) -> None:
        self.item = item
        self.kind = "other"
        self.title = ""
        self.input: Any = None
        self.paths: list[str] = []
        self.started = False
        self.diffs: list[ToolCallContent] = []
        self._shown = ""
        self._printed = ""

    def merge_update(self, call: ToolCall) -> None:
        """Take what is told of it: what is left out has not changed."""
        self.kind = call.kind or self.kind
        self.title = call.title or self.title
        self.input = self.input if call.raw_input is None else call.raw_input
        self.paths = _paths(call.locations) or self.paths
        self.diffs = [c for c in call.content or [] if c.type == "diff"] or self.diffs

    def set_initial_content(self, call: ToolCall) -> None:
        """Take what it shows at first, which is about its input: that is no output."""
        self._shown = self._shown if call.content is None else _text(call.content)

    def new_output(self, call: ToolCall) -> str:
        """Return what is new in its output, and keep it."""
        new = _terminal(call.meta)
        if call.content is not None and call.status not in DONE:
            shown = _text(call.content)
            new += shown.removeprefix(self._shown)
            self._shown = shown
        self._printed = (self._printed + new)[-OUTPUT_KEPT:]
        return new

    def final_output(self, call: ToolCall) -> str:
        """Return what it has printed in all, now that it is over."""
        return _words(call.raw_output) or _text(call.content) or self._printed


class ToolCallTracker:
    """The tool calls of a conversation."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._open: dict[str, OpenToolCall] = {}
        self._over: dict[str, None] = {}
        self.cutting = False
        """Whether the turn is being interrupted: what ends then was cut, unless it exited.

        opencode and gemini call a command that they killed completed.
        """

    def call_started(self, call: ToolCall, native: Raw) -> None:
        """A call is told of; some tell of it more than once."""
        if call.tool_call_id in self._open:
            self.call_updated(call, native)
            return
        tool = self._new(call)
        tool.set_initial_content(call)
        if call.status in DONE:
            self._start(tool, native)
            self._finish(tool, call, native)
        elif not _unwritten(call.raw_input):
            self._start(tool, native)

    def call_updated(self, call: ToolCall, native: Raw) -> None:
        """Something is new about a call, which need not have been told of."""
        if call.tool_call_id in self._over:
            self._tell("native", {"native": native})
            return
        tool = self._open.get(call.tool_call_id)
        if tool is None:
            tool = self._new(call)
        elif not tool.started:
            tool.set_initial_content(call)
        tool.merge_update(call)
        self._start(tool, native)
        new = tool.new_output(call)
        if new:
            self._tell("tool-output", {"item": tool.item, "text": new})
        if call.status in DONE:
            self._finish(tool, call, native)

    def permission_requested(self, call: ToolCall, native: Raw) -> OpenToolCall:
        """Leave is asked for a call; return what is known of it."""
        tool = self._open.get(call.tool_call_id) or self._new(call)
        tool.merge_update(call)
        tool.set_initial_content(call)
        self._start(tool, native)
        return tool

    def call_declined(self, item: str) -> None:
        """Leave was not given."""
        self._end(item, "declined")

    def cut_open_calls(self) -> None:
        """The turn is over."""
        for item in list(self._open):
            self._end(item, "cut")
        self.cutting = False

    def _new(self, call: ToolCall) -> OpenToolCall:
        self._over.pop(call.tool_call_id, None)
        tool = self._open[call.tool_call_id] = OpenToolCall(call.tool_call_id)
        tool.merge_update(call)
        return tool

    def _start(self, tool: OpenToolCall, native: Raw | None = None) -> None:
        if tool.started:
            return
        tool.started = True
        start = {"item": tool.item, "tool": tool.kind, "title": tool.title or tool.kind}
        self._tell("tool-start", {**start, "input": tool.input, "native": native})

    def _finish(self, tool: OpenToolCall, call: ToolCall, native: Raw) -> None:
        status = DONE[call.status or "failed"]
        code = _exit_code(call)
        if self.cutting and (status == "failed" or code is None):
            status = "cut"
        if status == "completed":
            self._diffs(tool)
        self._end(tool.item, status, tool.final_output(call), code, native)

    def _diffs(self, tool: OpenToolCall) -> None:
        for content in tool.diffs:
            diff = _diff(content)
            if diff:
                self._tell("diff", {"item": tool.item, "path": content.path, "diff": diff})

    def _end(
        self,
        item: str,
        status: str,
        output: str = "",
        code: int | None = None,
        native: Raw | None = None,
    ) -> None:
        tool = self._open.pop(item, None)
        if tool is None:
            return
        self._start(tool)
        self._over[item] = None
        if len(self._over) > REMEMBERED:
            del self._over[next(iter(self._over))]
        done = {"item": item, "tool": tool.kind, "status": status}
        self._tell("tool-done", {**done, "output": output, "exit_code": code, "native": native})


def _unwritten(given: Any) -> bool:
    """Tell whether an input is there and says nothing yet: it is still being written.

    opencode begins with the directory alone, claude-agent-acp with nothing.
    """
    return isinstance(given, dict) and not given.keys() - {"cwd"}


def _paths(locations: Any) -> list[str]:
    places = locations if isinstance(locations, list) else []
    found = [place.get("path") for place in places if isinstance(place, dict)]
    return [path for path in found if isinstance(path, str)]


def _text(contents: list[ToolCallContent] | None) -> str:
    return "\n".join(content.text for content in contents or [] if content.text)


def _inner(data: Any, *names: str) -> Any:
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _terminal(meta: Any) -> str:
    """Return what a terminal of the agent's own has printed since; pi-acp and codex-acp."""
    pieces = [_inner(meta, f"terminal_output{more}", "data") for more in ("", "_delta")]
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _words(output: Any) -> str:
    """Return the words of a raw output, which is the tool's own affair."""
    if isinstance(output, str):
        return output
    names = ("output", "formatted_output", "aggregated_output", "stdout", "error")
    found = (_inner(output, name) for name in names)
    return next((words for words in found if isinstance(words, str) and words), "")


def _exit_code(call: ToolCall) -> int | None:
    places = (
        _inner(call.meta, "terminal_exit", "exit_code"),
        _inner(call.raw_output, "metadata", "exit"),
        _inner(call.raw_output, "exit_code"),
        _inner(call.raw_output, "exitCode"),
    )
    return next((code for code in places if isinstance(code, int)), None)


def _diff(content: ToolCallContent) -> str:
    old, new = content.old_text or "", content.new_text
    if len(old) + len(new) > DIFF:
        return ""
    lines = unified_diff(old.splitlines(True), new.splitlines(True), content.path, content.path)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
