"""From what pi tells to the events of `sxhost.drivers.contracts`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, Raw, Struct, json
from msgspec.structs import replace

from sxhost.drivers.pi.decoder import DecodedLine
from sxhost.drivers.pi.messages import (
    AgentEnd,
    Delta,
    DialogRequest,
    ExtensionError,
    MessageEnd,
    MessageStart,
    MessageUpdate,
    RetryOrCompaction,
    SessionStats,
    ToolEnd,
    ToolStart,
    ToolUpdate,
    TurnEnd,
    Usage,
)

__all__ = ["PiTranslator"]

_EXIT = re.compile(r"Command exited with code (\d+)\s*\Z")
_DELTAS = {"text_delta": "message-delta", "thinking_delta": "thinking-delta"}
_WHOLE = {"text": "message", "thinking": "thinking"}

TITLE = 200
"""Characters of a tool's title."""

HEAD = 256
"""Characters by which a window of output is found again in what was there before."""


class _Whole(Struct, frozen=True):
    message: dict[str, Raw]


class PiTranslator:
    """Translates one agent's events, in order; `tell` takes their names and data."""

    def __init__(self, tell: Callable[[str, Any], object]) -> None:
        self._tell = tell
        self._message = 0
        self._used: Any = UNSET
        self._tools: dict[str, str] = {}
        self._printed: dict[str, str] = {}
        self._usage = Usage()
        self._cost = 0.0
        self.context_window: int | None = None
        self.cutting = False
        """Whether the turn is being stopped: what fails now was cut."""

    def line_received(self, heard: DecodedLine) -> None:
        """Tell what a line says."""
        _TOLD.get(type(heard.message), PiTranslator._other)(self, heard)

    def restore_usage(self, stats: SessionStats) -> None:
        """Begin to count where the conversation was left."""
        tokens = stats.tokens
        self._usage = Usage(
            tokens.input,
            tokens.output,
            tokens.cache_read,
            tokens.cache_write,
            total_tokens=tokens.total,
        )
        self._cost = stats.cost

    def cut_open_tools(self) -> None:
        """Tell of what will not be finished any more."""
        for item, tool in list(self._tools.items()):
            self._tell("tool-done", {"item": item, "tool": tool, "status": "cut"})
        self._tools.clear()
        self._printed.clear()

    def report_native(self, native: Any) -> None:
        """Tell what has no other name."""
        self._tell("native", {"native": native})

    def report_warning(self, text: str, native: Any = None) -> None:
        """Tell that something is wrong."""
        told = {"text": text} if native is None else {"text": text, "native": native}
        self._tell("warning", told)

    def _other(self, heard: DecodedLine) -> None:
        self.report_native(heard.native)

    # Messages.

    def _begins(self, heard: DecodedLine) -> None:
        """Tell that a message begins; what is whole already is told with its end."""
        message = heard.message.message
        if message.role == "assistant":
            self._message = message.timestamp or self._message + 1
            self._used = UNSET
            self.report_native(heard.native)
        else:
            self.report_native({"type": heard.kind, "message": {"role": message.role}})

    def _grows(self, heard: DecodedLine) -> None:
        step: Delta = heard.message.assistant_message_event
        name = _DELTAS.get(step.type)
        if name and step.delta:
            item = f"{self._message}-{step.content_index}"
            native = self._news(heard.message)
            self._tell(name, {"item": item, "text": step.delta, "native": native})
        elif step.type.startswith("toolcall_") or step.delta is UNSET:
            self.report_native(self._news(heard.message))

    def _news(self, said: MessageUpdate) -> Raw:
        """Return what an update says that was not said before: usage mostly stays as it was."""
        before, self._used = self._used, said.usage
        same = said.usage is not UNSET and said.usage == before
        return Raw(json.encode(replace(said, usage=UNSET) if same else said))

    def _whole(self, heard: DecodedLine) -> None:
        message = heard.message.message
        if message.role == "assistant":
            self._said(heard)
            self._count(message.usage)
        elif message.role == "toolResult":
            self.report_native(_without_result(heard))
        else:
            self.report_native(heard.native)

    def _said(self, heard: DecodedLine) -> None:
        """Tell an answer's parts; the last of them has pi's own words for them all."""
        parts = [
            (_WHOLE[block.type], {"item": f"{self._message}-{n}", "text": text})
            for n, block in enumerate(heard.message.message.blocks)
            if block.type in _WHOLE and (text := block.text or block.thinking)
        ]
        for name, data in parts[:-1]:
            self._tell(name, data)
        if parts:
            name, data = parts[-1]
            self._tell(name, {**data, "native": heard.native})
        else:
            self.report_native(heard.native)

    def _count(self, used: Usage | None) -> None:
        if used is None or not used.total_tokens:
            return
        sums = {
            name: getattr(self._usage, name) + getattr(used, name)
            for name in Usage.__struct_fields__
            if name != "cost"
        }
        self._usage, self._cost = Usage(**sums), self._cost + used.cost.total
        self._tell("usage", self._sum())

    def _sum(self) -> dict[str, Any]:
        usage = self._usage
        return {
            "input_tokens": usage.input + usage.cache_read + usage.cache_write,
            "cached_tokens": usage.cache_read,
            "output_tokens": usage.output,
            "reasoning_tokens": usage.reasoning,
            "total_tokens": usage.total_tokens,
            "context_window": self.context_window,
            "cost_usd": self._cost,
        }

    # Tools.

    def _tool(self, heard: DecodedLine) -> None:
        said: ToolStart = heard.message
        self._tools[said.tool_call_id] = said.tool_name
        self._tell(
            "tool-start",
            {
                "item": said.tool_call_id,
                "tool": said.tool_name,
                "title": _title(said),
                "input": said.args,
                "native": heard.native,
            },
        )

    def _prints(self, heard: DecodedLine) -> None:
        item, output = heard.message.tool_call_id, heard.message.partial_result.text
        new = _added(self._printed.get(item, ""), output)
        self._printed[item] = output
        if new:
            self._tell("tool-output", {"item": item, "text": new})

    def _done(self, heard: DecodedLine) -> None:
        said: ToolEnd = heard.message
        self._tools.pop(said.tool_call_id, None)
        self._printed.pop(said.tool_call_id, None)
        failed = "cut" if self.cutting else "failed"
        self._tell(
            "tool-done",
            {
                "item": said.tool_call_id,
                "tool": said.tool_name,
                "status": failed if said.is_error else "completed",
                "output": said.result.text,
                "exit_code": _exit_code(said),
                "native": heard.native,
            },
        )

    # Pauses and ends.

    def _ends(self, heard: DecodedLine) -> None:
        """Tell that something is over, without all the messages that were told before."""
        told: dict[str, Any] = {"type": heard.kind}
        if isinstance(heard.message, AgentEnd) and heard.message.will_retry is not UNSET:
            told["willRetry"] = heard.message.will_retry
        self.report_native(told)

    def _pauses(self, heard: DecodedLine) -> None:
        said: RetryOrCompaction = heard.message
        if heard.kind == "auto_retry_start":
            wait = (
                f"attempt {said.attempt} of {said.max_attempts} in {said.delay_ms / 1000:g} s"
            )
            self.report_warning(f"{said.error_message or 'It failed'}: {wait}", heard.native)
        elif heard.kind.endswith("compaction_end") and said.result is not None:
            tokens = said.result.tokens_before
            self._tell("compact", {"tokens_before": tokens, "native": heard.native})
            self._count(said.result.usage)
        elif heard.kind.endswith("compaction_end") and said.error_message:
            self.report_warning(said.error_message, heard.native)
        else:
            self.report_native(heard.native)

    # Extensions.

    def _failed(self, heard: DecodedLine) -> None:
        said: ExtensionError = heard.message
        self.report_warning(f"{said.extension_path}: {said.event}: {said.error}", heard.native)

    def _shown(self, heard: DecodedLine) -> None:
        said: DialogRequest = heard.message
        if said.method == "notify" and said.notify_type in {"warning", "error"}:
            self.report_warning(said.message, heard.native)
        else:
            self.report_native(heard.native)


_TOLD: Mapping[type, Callable[[PiTranslator, DecodedLine], None]] = {
    MessageStart: PiTranslator._begins,
    MessageUpdate: PiTranslator._grows,
    MessageEnd: PiTranslator._whole,
    ToolStart: PiTranslator._tool,
    ToolUpdate: PiTranslator._prints,
    ToolEnd: PiTranslator._done,
    TurnEnd: PiTranslator._ends,
    AgentEnd: PiTranslator._ends,
    RetryOrCompaction: PiTranslator._pauses,
    ExtensionError: PiTranslator._failed,
    DialogRequest: PiTranslator._shown,
}


def _without_result(heard: DecodedLine) -> Any:
    """Return a tool's message without what the tool's end has told."""
    message = dict(json.decode(heard.native, type=_Whole).message)
    for name in ("content", "details"):
        message.pop(name, None)
    return {"type": heard.kind, "message": message}


def _title(said: ToolStart) -> str:
    """Say in a line what a tool does: its command, its path, or its name."""
    try:
        args = json.decode(said.args)
    except ValueError:
        args = None
    given = args if isinstance(args, dict) else {}
    what = given.get("command") or given.get("path") or said.tool_name
    return str(what).strip().partition("\n")[0][:TITLE]


def _added(before: str, now: str) -> str:
    """Return what was printed since.

    Pi tells all that was printed, and of much output a window at its end: the window's
    beginning is looked for in what was there before.
    """
    if now.startswith(before):
        return now[len(before) :]
    at = before.find(now[:HEAD])
    known = before[at:] if at >= 0 else ""
    return now.removeprefix(known)


def _exit_code(said: ToolEnd) -> int | None:
    if said.tool_name != "bash":
        return None
    told = (said.result.structured_content or {}).get("exit_code")
    if isinstance(told, int):
        return told
    found = _EXIT.search(said.result.text)
    if found:
        return int(found[1])
    return None if said.is_error else 0
