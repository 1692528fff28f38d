"""Claude Code's transcript: ``projects/<directory>/<session>.jsonl`` in its own directory.

It writes a line for each block of a message, some 0.1 s late and often after the hook that
tells of it; lines of one message have its id and repeat its usage, which grows.  Subagents have
files of their own, all of whose lines (in old versions some of the main file) have
`isSidechain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct, field

from sxhost.agent_files.facts import Fact, FactKind, UsedTokens, tool_title
from sxhost.agent_files.records import decode_record, text_of

__all__ = ["ClaudeTranscript"]

INTERRUPTED: Final = "[Request interrupted by user"
"""Begins what Claude writes in its user's name after Esc, or after a tool was refused."""

NOT_TYPED: Final = ("<command-", "<local-command-", "<bash-", "<task-notification", "Caveat: ")
"""Begin what stands in a user's line but was never said to the model by its user."""

SYNTHETIC: Final = "<synthetic>"


class _Block(Struct, frozen=True):
    type: str = ""
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: Any = None
    tool_use_id: str = ""
    content: Any = None
    is_error: bool | None = None


class _Tokens(Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: dict[str, Any] | None = None


class _Message(Struct, frozen=True):
    id: str = ""
    model: str | None = None
    content: str | list[_Block] = ""
    usage: _Tokens | None = None


class _Record(Struct, frozen=True, rename="camel"):
    type: str = ""
    subtype: str = ""
    uuid: str = ""
    prompt_id: str = ""
    is_sidechain: bool = False
    is_meta: bool = False
    is_compact_summary: bool = False
    is_api_error_message: bool = False
    tool_denial_kind: str = ""
    tool_denial_before_run: bool = False
    message: _Message | None = None
    content: Any = None
    error: Any = None
    custom_title: str = ""
    ai_title: str = ""
    summary: str = ""
    total_cost_usd: float | None = field(default=None, name="totalCostUSD")


class _Spending:
    """What the messages of one model in one transcript have used."""

    def __init__(self) -> None:
        self.total = UsedTokens()
        self._message = ""
        self._before = UsedTokens()
        """What all messages before this one have used."""

    def add(self, message_id: str, used: UsedTokens) -> bool:
        """Add what a line says that its message has used; return whether that is news."""
        if message_id != self._message:
            self._message, self._before = message_id, self.total
        before, self.total = self.total, self._before + used
        return self.total != before


class ClaudeTranscript:
    """Reads one transcript; knows the turn, the model and the usage so far."""

    def __init__(self) -> None:
        self._turn = ""
        self._model = ""
        self._spent: dict[tuple[str, str], _Spending] = {}
        """What was used: by files (its own has no name, those of subagents have) and models."""
        self._cost: float | None = None

    def read_line(self, line: bytes) -> Sequence[Fact]:
        """Return what a line says."""
        record = decode_record(line, _Record)
        if record is None or record.is_sidechain:
            return ()
        if record.type == "user" and record.message is not None:
            return tuple(self._user_facts(record, record.message.content))
        if record.type == "assistant" and record.message is not None:
            return tuple(self._model_facts(record, record.message))
        return tuple(self._noted(record))

    def _user_facts(self, record: _Record, content: str | list[_Block]) -> Iterator[Fact]:
        if record.is_meta or record.is_compact_summary:
            return
        self._turn = record.prompt_id or self._turn
        blocks = [_Block("text", content)] if isinstance(content, str) else content
        for index, block in enumerate(blocks):
            if block.type == "tool_result":
                yield self._tool_done(record, block)
            elif block.type == "text" and block.text.startswith(INTERRUPTED):
                yield self._fact(record, "interrupted", index)
            elif block.type == "text" and not block.text.startswith(NOT_TYPED):
                yield self._fact(record, "prompt", index, text=block.text, by="prompt")

    def _tool_done(self, record: _Record, block: _Block) -> Fact:
        status = "failed" if block.is_error else "completed"
        if record.tool_denial_kind:
            status = "declined" if record.tool_denial_before_run else "cut"
        data = {"item": block.tool_use_id, "status": status, "output": text_of(block.content)}
        return Fact(kind="tool-done", id=block.tool_use_id, turn=self._turn, data=data)

    def _model_facts(self, record: _Record, message: _Message) -> Iterator[Fact]:
        if record.is_api_error_message:
            blocks = message.content if isinstance(message.content, list) else []
            reason = "\n".join(block.text for block in blocks) or str(record.error)
            yield self._fact(record, "error", reason=reason)
            return
        if message.model and message.model not in (SYNTHETIC, self._model):
            self._model = message.model
            yield self._fact(record, "model", "model", model=message.model)
        blocks = message.content if isinstance(message.content, list) else []
        for index, block in enumerate(blocks):
            if block.type == "text" and block.text:
                yield self._fact(record, "message", index, text=block.text)
            elif block.type == "thinking" and block.thinking:
                yield self._fact(record, "thinking", index, text=block.thinking)
            elif block.type == "tool_use":
                title = tool_title(block.name, block.input)
                data = {"item": block.id, "tool": block.name, "title": title}
                data["input"] = block.input
                yield Fact(kind="tool-start", id=block.id, turn=self._turn, data=data)
        if message.usage is not None and message.model != SYNTHETIC:
            yield from self._used(record, message, "")

    def read_subagent_line(self, name: str, line: bytes) -> Sequence[Fact]:
        """Return what a line of a subagent's transcript says of what is used.

        :param name: whose transcript it is.
        """
        record = decode_record(line, _Record)
        if record is None or record.message is None or record.message.usage is None:
            return ()
        return tuple(self._used(record, record.message, name))

    def _used(self, record: _Record, message: _Message, name: str) -> Iterator[Fact]:
        used = _usage(message.usage or _Tokens())
        spending = self._spent.setdefault((name, message.model or self._model), _Spending())
        if spending.add(message.id, used):
            yield self._usage_fact(record.uuid, message={"id": message.id, **used.fields()})

    def _usage_fact(self, fact_id: str, **more: Any) -> Fact:
        models: dict[str, UsedTokens] = {}
        for (_, model), one in self._spent.items():
            models[model] = models.get(model, UsedTokens()) + one.total
        data = sum(models.values(), UsedTokens()).fields() | more
        data["models"] = {model: used.fields() for model, used in models.items()}
        if self._cost is not None:
            data["cost_usd"] = self._cost
        return Fact(kind="usage", id=f"{fact_id}:usage", turn=self._turn, data=data)

    def _noted(self, record: _Record) -> Iterator[Fact]:
        if record.type == "system" and record.subtype == "turn_duration":
            yield self._fact(record, "complete")
        elif record.type == "system" and record.subtype == "compact_boundary":
            yield self._fact(record, "compact")
        elif record.type == "system" and record.subtype == "api_error":
            yield self._fact(record, "warning", text=_error_text(record))
        elif title := record.custom_title or record.ai_title or record.summary:
            yield Fact(kind="title", id=f"title:{title[:100]}", data={"title": title})
        elif record.type == "cost-state" and record.total_cost_usd not in (None, self._cost):
            self._cost = record.total_cost_usd
            yield self._usage_fact(f"cost:{self._cost}")

    def _fact(self, record: _Record, kind: FactKind, part: int | str = 0, **data: Any) -> Fact:
        return Fact(kind=kind, id=f"{record.uuid}:{part}", turn=self._turn, data=data)


def _usage(tokens: _Tokens) -> UsedTokens:
    cached = tokens.cache_read_input_tokens or 0
    created = tokens.cache_creation_input_tokens or 0
    given = (tokens.input_tokens or 0) + cached + created
    answered = tokens.output_tokens or 0
    thought = (tokens.output_tokens_details or {}).get("thinking_tokens")
    return UsedTokens(
        input_tokens=given,
        cached_tokens=cached,
        output_tokens=answered,
        reasoning_tokens=thought if isinstance(thought, int) else 0,
        total_tokens=given + answered,
    )


def _error_text(record: _Record) -> str:
    """Return what went wrong in a call of the model that is tried again."""
    error = record.error
    while isinstance(error, dict):
        error = error.get("message") or error.get("error") or ""
    return error if isinstance(error, str) and error else "The model's API has failed."
