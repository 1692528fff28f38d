"""pi's session file: ``sessions/--<directory>--/<time>_<id>.jsonl`` in its own directory.

A tree of entries; it is read in the order in which it is written, which is what has happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from sxhost.agent_files.facts import Fact, FactKind, UsedTokens, tool_title
from sxhost.agent_files.records import decode_record

__all__ = ["PiSession"]

ENDS: Final = frozenset({"stop", "length"})


class _Cost(Struct, frozen=True):
    total: float = 0.0


class _Tokens(Struct, frozen=True, rename="camel"):
    """pi counts what is read from or written to a cache apart from the input."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cost: _Cost = _Cost()


class _Part(Struct, frozen=True):
    type: str = ""
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    arguments: Any = None


class _Message(Struct, frozen=True, rename="camel"):
    role: str = ""
    model: str = ""
    content: str | list[_Part] = ""
    usage: _Tokens | None = None
    stop_reason: str = ""
    error_message: str = ""
    tool_call_id: str = ""
    tool_name: str = ""
    is_error: bool = False


class _Entry(Struct, frozen=True, rename="camel"):
    type: str = ""
    id: str = ""
    model_id: str = ""
    name: str = ""
    message: _Message | None = None


class PiSession:
    """Reads one session file; knows the turn and the usage so far."""

    def __init__(self) -> None:
        self._turn = ""
        self._usage = UsedTokens()

    def read_line(self, line: bytes) -> Sequence[Fact]:
        """Return what a line says."""
        entry = decode_record(line, _Entry)
        if entry is None:
            return ()
        if entry.type == "message" and entry.message is not None:
            return tuple(self._message(entry, entry.message))
        if entry.type == "model_change":
            return (self._fact("model", entry, model=entry.model_id),)
        if entry.type == "session_info" and entry.name:
            return (self._fact("title", entry, title=entry.name),)
        if entry.type == "compaction":
            return (self._fact("compact", entry),)
        return ()

    def _message(self, entry: _Entry, message: _Message) -> Iterator[Fact]:
        if message.role == "user":
            self._turn = entry.id
            yield self._fact("prompt", entry, text=_text(message), by="prompt")
        elif message.role == "assistant":
            yield from self._answer(entry, message)
        elif message.role == "toolResult":
            status = "failed" if message.is_error else "completed"
            call, tool = message.tool_call_id, message.tool_name
            data = {"item": call, "tool": tool, "status": status, "output": _text(message)}
            yield Fact(kind="tool-done", id=call, turn=self._turn, data=data)

    def _answer(self, entry: _Entry, message: _Message) -> Iterator[Fact]:
        parts = message.content if isinstance(message.content, list) else []
        for index, part in enumerate(parts):
            if part.type == "text" and part.text:
                yield self._fact("message", entry, index, text=part.text)
            elif part.type == "thinking" and part.thinking:
                yield self._fact("thinking", entry, index, text=part.thinking)
            elif part.type == "toolCall":
                title = tool_title(part.name, part.arguments)
                data = {"item": part.id, "tool": part.name, "title": title}
                data["input"] = part.arguments
                yield Fact(kind="tool-start", id=part.id, turn=self._turn, data=data)
        yield from self._end_of_answer(entry, message)

    def _end_of_answer(self, entry: _Entry, message: _Message) -> Iterator[Fact]:
        if message.usage is not None and (used := _usage(message.usage)).total_tokens:
            self._usage += used
            fields = {**self._usage.fields(), "message": used.fields()}
            if message.model:
                fields["model"] = message.model
            yield self._fact("usage", entry, "usage", **fields)
        if message.stop_reason == "aborted":
            yield self._fact("interrupted", entry)
        elif message.stop_reason == "error":
            reason = message.error_message or "pi gives no reason."
            yield self._fact("error", entry, reason=reason)
        elif message.stop_reason in ENDS:
            yield self._fact("complete", entry)

    def _fact(self, kind: FactKind, entry: _Entry, part: int | str = 0, **data: Any) -> Fact:
        return Fact(kind=kind, id=f"{entry.id}:{part}", turn=self._turn, data=data)


def _text(message: _Message) -> str:
    content = message.content
    return content if isinstance(content, str) else "\n".join(p.text for p in content if p.text)


def _usage(tokens: _Tokens) -> UsedTokens:
    given = tokens.input + tokens.cache_read + tokens.cache_write
    return UsedTokens(
        input_tokens=given,
        cached_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        total_tokens=given + tokens.output,
        cost_usd=tokens.cost.total or None,
    )
