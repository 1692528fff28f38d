"""Lines of pi, translated to events.

The same things come many times over pi's wire: whole messages with their end, with the end of
a model's answer, with that of a run.  Each goes into the log once; the later lines are native,
without what was there before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType, json, to_builtins
from msgspec.structs import replace

from sxhost.codec.shorten import first_line
from sxhost.drivers.contracts import Reports
from sxhost.drivers.kit.open_items import OpenItems
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
from sxhost.model.event_types import (
    CompactEvent,
    MessageDeltaEvent,
    MessageEvent,
    ThinkingDeltaEvent,
    ThinkingEvent,
    ToolDoneEvent,
    ToolOutputEvent,
    ToolStartEvent,
    ToolStatus,
    UsageEvent,
)
from sxhost.model.pictures import split_pictures

__all__ = ["PiTranslator"]

_EXIT = re.compile(r"Command exited with code (\d+)\s*\Z")
_DELTAS: Mapping[str, type[MessageDeltaEvent | ThinkingDeltaEvent]] = {
    "text_delta": MessageDeltaEvent,
    "thinking_delta": ThinkingDeltaEvent,
}
_WHOLE: Mapping[str, type[MessageEvent | ThinkingEvent]] = {
    "text": MessageEvent,
    "thinking": ThinkingEvent,
}

WINDOW_HEAD = 256
"""Characters of a window of output by which its place in the earlier output is found."""


class _MessageLine(Struct, frozen=True):
    message: dict[str, Raw]


class PiTranslator:
    """Reports the events of one conversation; keeps its open texts and tools' calls."""

    def __init__(self, reports: Reports) -> None:
        self.open_items = OpenItems(reports)
        self._report = self.open_items.report
        self._message_id = 0
        self._last_usage: Any = UNSET
        self._usage = Usage()
        self._cost = 0.0
        self.context_window: int | None = None
        self.cutting = False
        """Whether the turn is being interrupted: a tool that fails now was cut."""

    def line_received(self, line: DecodedLine) -> None:
        """Report a line as the event that it means."""
        handle = _HANDLERS.get(type(line.message))
        if handle is None:
            self.open_items.report_native(line.native)
        else:
            handle(self, line)

    def restore_usage(self, stats: SessionStats) -> None:
        """Set the counts of tokens and cost to those of a session that is resumed."""
        tokens = stats.tokens
        self._usage = Usage(
            tokens.input,
            tokens.output,
            tokens.cache_read,
            tokens.cache_write,
            total_tokens=tokens.total,
        )
        self._cost = stats.cost

    # Messages.

    def _message_started(self, line: DecodedLine) -> None:
        """Report the start of a message; those of others are whole, and come with their end."""
        message = line.message.message
        if message.role == "assistant":
            self._message_id = message.timestamp or self._message_id + 1
            self._last_usage = UNSET
            self.open_items.report_native(line.native)
        else:
            self.open_items.report_native(
                {"type": line.kind, "message": {"role": message.role}}
            )

    def _message_updated(self, line: DecodedLine) -> None:
        delta: Delta = line.message.assistant_message_event
        event = _DELTAS.get(delta.type)
        if event and delta.delta:
            item = f"{self._message_id}-{delta.content_index}"
            native = self._without_known_usage(line.message)
            self._report(event(item=item, text=delta.delta, native=native))
        elif delta.type.startswith("toolcall_") or delta.delta is UNSET:
            self.open_items.report_native(self._without_known_usage(line.message))

    def _without_known_usage(self, update: MessageUpdate) -> Raw:
        """Return an update without its usage where that is the same as in the last one."""
        before, self._last_usage = self._last_usage, update.usage
        same = update.usage is not UNSET and update.usage == before
        return Raw(json.encode(replace(update, usage=UNSET) if same else update))

    def _message_ended(self, line: DecodedLine) -> None:
        message = line.message.message
        if message.role == "assistant":
            self._answer_ended(line)
        elif message.role == "toolResult":
            self.open_items.report_native(_without_result(line))
        else:
            self.open_items.report_native(line.native)

    def _answer_ended(self, line: DecodedLine) -> None:
        """Report an answer's texts and usage; the last text has pi's line for them all.

        Of an answer without texts, its usage has the line, so that it stays in the log.
        """
        blocks = [
            (_WHOLE[block.type], f"{self._message_id}-{number}", text)
            for number, block in enumerate(line.message.message.blocks)
            if block.type in _WHOLE and (text := block.text or block.thinking)
        ]
        for number, (event, item, text) in enumerate(blocks, 1):
            native = line.native if number == len(blocks) else UNSET
            self._report(event(item=item, text=text, native=native))
        for opened in self.open_items:
            if not opened.is_tool:  # the answer has no such block after all
                self.open_items.end(opened.beginning.item)
        has_usage = self._add_usage(
            line.message.message.usage, UNSET if blocks else line.native
        )
        if not blocks and not has_usage:
            self.open_items.report_native(line.native)

    def _add_usage(self, used: Usage | None, native: Raw | UnsetType = UNSET) -> bool:
        """Add up and report what was used; tell whether anything was."""
        if used is None or not used.total_tokens:
            return False
        sums = {
            name: getattr(self._usage, name) + getattr(used, name)
            for name in Usage.__struct_fields__
            if name != "cost"
        }
        self._usage, self._cost = Usage(**sums), self._cost + used.cost.total
        usage = self._usage
        self._report(
            UsageEvent(
                input_tokens=usage.input + usage.cache_read + usage.cache_write,
                cached_tokens=usage.cache_read,
                cache_write_tokens=usage.cache_write,
                output_tokens=usage.output,
                reasoning_tokens=usage.reasoning,
                total_tokens=usage.total_tokens,
                context_window=self.context_window,
                cost_usd=self._cost,
                native=native,
            )
        )
        return True

    # Tools.

    def _tool_started(self, line: DecodedLine) -> None:
        call: ToolStart = line.message
        self._report(
            ToolStartEvent(
                item=call.tool_call_id,
                tool=call.tool_name,
                title=_title(call),
                input=call.args,
                native=line.native,
            )
        )

    def _tool_updated(self, line: DecodedLine) -> None:
        item, output = line.message.tool_call_id, line.message.partial_result.text
        opened = self.open_items.get(item)
        if opened is None:
            self.open_items.report_native(line.native)
            return
        new, opened.state = _added(opened.state or "", output), output
        if new:
            self._report(ToolOutputEvent(item=item, text=new))

    def _tool_ended(self, line: DecodedLine) -> None:
        end: ToolEnd = line.message
        if self.open_items.has_ended(end.tool_call_id):
            self.open_items.report_native(line.native)
            return
        failed: ToolStatus = "cut" if self.cutting else "failed"
        self._report(
            ToolDoneEvent(
                item=end.tool_call_id,
                tool=end.tool_name,
                status=failed if end.is_error else "completed",
                output=end.result.text,
                images=split_pictures(to_builtins(end.result.content))[1],
                exit_code=_exit_code(end),
                native=line.native,
            )
        )

    # Ends, retries, compactions.

    def _run_ended(self, line: DecodedLine) -> None:
        """Report that a run is over, without its messages: all were reported before."""
        data: dict[str, Any] = {"type": line.kind}
        if isinstance(line.message, AgentEnd) and line.message.will_retry is not UNSET:
            data["willRetry"] = line.message.will_retry
        self.open_items.report_native(data)

    def _retry_or_compaction(self, line: DecodedLine) -> None:
        step: RetryOrCompaction = line.message
        if line.kind == "auto_retry_start":
            wait = (
                f"attempt {step.attempt} of {step.max_attempts} in {step.delay_ms / 1000:g} s"
            )
            self.open_items.report_warning(
                f"{step.error_message or 'It failed'}: {wait}", line.native
            )
        elif line.kind.endswith("compaction_end") and step.result is not None:
            tokens = step.result.tokens_before
            self._report(CompactEvent(tokens_before=tokens, native=line.native))
            self._add_usage(step.result.usage)
        elif line.kind.endswith("compaction_end") and step.error_message:
            self.open_items.report_warning(step.error_message, line.native)
        else:
            self.open_items.report_native(line.native)

    # Extensions.

    def _extension_failed(self, line: DecodedLine) -> None:
        error: ExtensionError = line.message
        self.open_items.report_warning(
            f"{error.extension_path}: {error.event}: {error.error}", line.native
        )

    def _extension_shows(self, line: DecodedLine) -> None:
        request: DialogRequest = line.message
        if request.method == "notify" and request.notify_type in {"warning", "error"}:
            self.open_items.report_warning(request.message, line.native)
        else:
            self.open_items.report_native(line.native)


_HANDLERS: Mapping[type, Callable[[PiTranslator, DecodedLine], None]] = {
    MessageStart: PiTranslator._message_started,
    MessageUpdate: PiTranslator._message_updated,
    MessageEnd: PiTranslator._message_ended,
    ToolStart: PiTranslator._tool_started,
    ToolUpdate: PiTranslator._tool_updated,
    ToolEnd: PiTranslator._tool_ended,
    TurnEnd: PiTranslator._run_ended,
    AgentEnd: PiTranslator._run_ended,
    RetryOrCompaction: PiTranslator._retry_or_compaction,
    ExtensionError: PiTranslator._extension_failed,
    DialogRequest: PiTranslator._extension_shows,
}


def _without_result(line: DecodedLine) -> Any:
    """Return a tool's message without its result, which the tool's end has reported."""
    message = dict(json.decode(line.native, type=_MessageLine).message)
    for name in ("content", "details"):
        message.pop(name, None)
    return {"type": line.kind, "message": message}


def _title(call: ToolStart) -> str:
    """Return one line about a tool's call: its command, its path, or its name."""
    try:
        args = json.decode(call.args)
    except ValueError:
        args = None
    arguments = args if isinstance(args, dict) else {}
    subject = arguments.get("command") or arguments.get("path") or call.tool_name
    return first_line(str(subject).strip())


def _added(before: str, output: str) -> str:
    """Return what was printed since.

    Pi sends all output so far, and of much output only a window at its end: the beginning of
    the window is looked for in the output before.
    """
    if output.startswith(before):
        return output[len(before) :]
    start = before.find(output[:WINDOW_HEAD])
    seen = before[start:] if start >= 0 else ""
    return output.removeprefix(seen)


def _exit_code(end: ToolEnd) -> int | None:
    if end.tool_name != "bash":
        return None
    code = (end.result.structured_content or {}).get("exit_code")
    if isinstance(code, int):
        return code
    found = _EXIT.search(end.result.text)
    if found:
        return int(found[1])
    return None if end.is_error else 0
