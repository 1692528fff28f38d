"""Codex's rollout: ``sessions/YYYY/MM/DD/rollout-<time>-<id>.jsonl`` in its own directory.

A line is ``{"timestamp", "type", "payload"}``.  What the model says stands in it twice, as
``response_item`` (read here) and as ``event_msg``; what its user has typed is read from the
latter, since the former has the context around it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from sxhost.agent_files.facts import Fact, FactKind, UsedTokens, tool_title
from sxhost.agent_files.records import decode_record, text_of

__all__ = ["CodexRollout"]

CALLS: Final = frozenset({"function_call", "custom_tool_call", "local_shell_call"})
OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
ENDS: Final[Mapping[str, FactKind]] = {
    "task_complete": "complete",
    "turn_aborted": "interrupted",
}
ABORTED: Final = "aborted by user"


class _Item(Struct, frozen=True):
    """An item of a turn, in an ``item_completed``."""

    type: str = ""
    id: str = ""
    content: Any = None


class _Tokens(Struct, frozen=True):
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0
    total_tokens: int = 0


class _TokenCount(Struct, frozen=True):
    total_token_usage: _Tokens = _Tokens()
    last_token_usage: _Tokens = _Tokens()
    model_context_window: int | None = None


class _Payload(Struct, frozen=True):
    type: str = ""
    id: str | None = None
    turn_id: str | None = None
    role: str = ""
    name: str = ""
    model: str | None = None
    call_id: str | None = None
    arguments: Any = None
    input: Any = None
    action: Any = None
    output: Any = None
    content: Any = None
    summary: Any = None
    message: Any = None
    error: Any = None
    item: _Item | None = None
    info: _TokenCount | None = None
    thread_name: str | None = None


class _Record(Struct, frozen=True):
    timestamp: str = ""
    type: str = ""
    payload: _Payload = _Payload()


class CodexRollout:
    """Reads one rollout; knows the turn, the model and the usage so far."""

    def __init__(self) -> None:
        self._turn = ""
        self._model = ""
        self._usage = _TokenCount()
        self._open: dict[str, str] = {}
        """The tools of calls that have no output yet, by call."""

    def read_line(self, line: bytes) -> Sequence[Fact]:
        """Return what a line says."""
        record = decode_record(line, _Record)
        if record is None:
            return ()
        payload = record.payload
        if record.type == "turn_context":
            self._turn = payload.turn_id or self._turn
            return tuple(self._model_fact(payload.model))
        if record.type == "response_item":
            return tuple(self._response_item(record, payload))
        if record.type == "event_msg":
            return tuple(self._event(record, payload))
        if record.type == "compacted":
            return (self._fact("compact", record.timestamp),)
        return ()

    def _model_fact(self, model: str | None) -> Iterator[Fact]:
        if model and model != self._model:
            self._model = model
            yield self._fact("model", f"{self._turn}:{model}", model=model)

    def _response_item(self, record: _Record, payload: _Payload) -> Iterator[Fact]:
        item_id = payload.id or record.timestamp
        call = payload.call_id or ""
        if payload.type == "message" and payload.role == "assistant":
            if text := text_of(payload.content):
                yield self._fact("message", item_id, text=text)
        elif payload.type == "reasoning":
            if text := text_of(payload.summary) or text_of(payload.content):
                yield self._fact("thinking", item_id, text=text)
        elif payload.type in CALLS and call:
            yield self._tool_start(call, payload)
        elif payload.type in OUTPUTS and call in self._open:
            tool, output = self._open.pop(call), _output(payload.output)
            status = "cut" if output.endswith(ABORTED) else "completed"
            data = {"item": call, "tool": tool, "status": status, "output": output}
            yield Fact(kind="tool-done", id=call, turn=self._turn, data=data)

    def _tool_start(self, call: str, payload: _Payload) -> Fact:
        given = payload.arguments or payload.input or payload.action
        if isinstance(given, str):
            try:
                given = msgspec.json.decode(given)
            except msgspec.DecodeError:
                given = {"input": given}
        tool = self._open[call] = payload.name or payload.type
        data = {"item": call, "tool": tool, "title": tool_title(tool, given), "input": given}
        return Fact(kind="tool-start", id=call, turn=self._turn, data=data)

    def _event(self, record: _Record, payload: _Payload) -> Iterator[Fact]:
        if payload.type == "task_started":
            self._turn = payload.turn_id or self._turn
        elif payload.type == "task_complete" and payload.error:
            yield self._fact("error", self._turn, reason=_reason(payload.error))
        elif payload.type in ENDS:
            yield self._fact(ENDS[payload.type], self._turn)
        elif payload.type == "token_count" and payload.info not in (None, self._usage):
            yield self._used(record, payload.info)
        elif payload.type == "thread_name_updated" and payload.thread_name:
            yield self._fact("title", payload.thread_name[:100], title=payload.thread_name)
        elif payload.type in ("stream_error", "warning") and payload.message:
            yield self._fact("warning", record.timestamp, text=_reason(payload.message))
        else:
            yield from self._prompt(record, payload)

    def _prompt(self, record: _Record, payload: _Payload) -> Iterator[Fact]:
        item = payload.item
        if payload.type == "item_completed" and item is not None and item.type == "UserMessage":
            yield self._fact("prompt", item.id, text=text_of(item.content), by="prompt")
        elif payload.type == "user_message" and isinstance(payload.message, str):
            fact_id = f"{record.timestamp}:prompt"  # versions before `item_completed`
            yield self._fact("prompt", fact_id, text=payload.message, by="prompt")

    def _used(self, record: _Record, info: _TokenCount | None) -> Fact:
        self._usage = info = info or _TokenCount()
        window = info.model_context_window
        data = {**_usage(info.total_token_usage).fields()}
        data["message"] = _usage(info.last_token_usage).fields()
        if window:
            data["context_window"] = window
        if self._model:
            data["model"] = self._model
        return self._fact("usage", f"{record.timestamp}:{data['total_tokens']}", **data)

    def _fact(self, kind: FactKind, fact_id: str, **data: Any) -> Fact:
        return Fact(kind=kind, id=fact_id, turn=self._turn, data=data)


def _usage(tokens: _Tokens) -> UsedTokens:
    return UsedTokens(
        input_tokens=tokens.input_tokens,
        cached_tokens=tokens.cached_input_tokens,
        cache_write_tokens=tokens.cache_write_input_tokens,
        output_tokens=tokens.output_tokens,
        reasoning_tokens=tokens.reasoning_output_tokens,
        total_tokens=tokens.total_tokens,
    )


def _output(output: Any) -> str:
    """Return what a tool gave back: a text, parts of one, or JSON with an ``output``."""
    if isinstance(output, dict):
        output = output.get("output") or output.get("content")
    return text_of(output)


def _reason(error: Any) -> str:
    """Return the innermost message of an error, which may be JSON within JSON."""
    for _ in range(4):
        if isinstance(error, dict):
            error = error.get("message") or error.get("error")
        elif isinstance(error, str) and error.startswith("{"):
            try:
                error = msgspec.json.decode(error)
            except msgspec.DecodeError:
                break
    return error if isinstance(error, str) else "Codex gives no reason."
