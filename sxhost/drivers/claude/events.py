"""Lines of Claude Code, translated to events.

Claude sends a block of a message as pieces while the model writes it (``stream_event``), then
whole (``assistant``).  A text's item is the message's id and the block's index in it; a tool's
item is the call's own id.  Events of a subagent have ``parent``, the call that started it.
Not reported are the stream's events that only frame the pieces, and a ``system/init`` that is
the same as the last: Claude sends one for every message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Raw

from sxhost.codec.shorten import TITLE_MOST
from sxhost.drivers.claude.messages import (
    Assistant,
    Block,
    ModelEvent,
    RateLimitEvent,
    StreamEvent,
    System,
    User,
)
from sxhost.drivers.contracts import Reports
from sxhost.drivers.kit.open_items import OpenItems, TextEvent

__all__ = ["ClaudeTranslator"]

TITLE_FIELDS: Final = ("command", "file_path", "path", "pattern", "url", "query", "description")
"""Fields of a tool's input that say most to a person, the best first: one is in the title."""

CUT: Final = frozenset({"interrupted", "cancelled"})
"""Reasons of a call's not running (``non_execution_kind``) that are no refusal."""

_EXIT = re.compile(r"Exit code (\d+)(?:\n|\Z)")


class _Message:
    """The message that Claude, or one of its subagents, is writing: one block at a time."""

    def __init__(self) -> None:
        self.id = ""
        self.index = -1
        self.writing = False
        """Whether a block is being written, or all that began are whole."""

    def begin(self, message_id: str) -> None:
        self.id, self.index, self.writing = message_id, -1, False

    @property
    def item(self) -> str:
        return f"{self.id}:{self.index}"


class ClaudeTranslator:
    """Reports the events of a conversation; keeps its open blocks and tools' calls."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._messages: dict[str | None, _Message] = {}
        self._items = OpenItems(reports)
        self._last_init: tuple[Any, ...] = ()
        self.model = ""
        """The model in the last ``system/init``."""
        self.interrupting = False
        """Whether the turn is being stopped: calls that did not run are cut, not declined."""

    def report_native(self, line: bytes) -> None:
        """Report a line as native."""
        self._reports.report_event("native", {"native": Raw(line)})

    def cut_open_items(self, everything: bool) -> None:
        """Cut what Claude has left open; that of subagents, which may outlive a turn, only
        with `everything`.
        """
        self._items.cut(lambda opened: everything or opened.parent is None)
        self._messages = {} if everything else {p: m for p, m in self._messages.items() if p}

    def _report(self, name: str, parent: str | None, **data: Any) -> None:
        if parent is not None:
            data["parent"] = parent
        self._reports.report_event(name, data)

    # The model's stream.

    def stream_event_received(self, stream_event: StreamEvent) -> None:
        """Report a piece of text; note where messages and blocks begin."""
        handle = _STREAM_HANDLERS.get(stream_event.event.type)
        if handle is not None:
            handle(self, stream_event.event, stream_event.parent_tool_use_id)

    def _message_started(self, event: ModelEvent, parent: str | None) -> None:
        self._cut_block(parent)
        self._message_of(parent).begin(event.message.id)

    def _block_started(self, event: ModelEvent, parent: str | None) -> None:
        self._cut_block(parent)
        message = self._message_of(parent)
        message.index, message.writing = event.index, True

    def _piece(self, event: ModelEvent, parent: str | None) -> None:
        whole = _DELTAS.get(event.delta.type)
        if whole is None:
            return
        item, text = self._message_of(parent).item, event.delta.text or event.delta.thinking
        self._items.open_text(item, whole, parent=parent)
        self._items.add(item, text)
        self._report(f"{whole}-delta", parent, item=item, text=text)

    def _message_of(self, parent: str | None) -> _Message:
        return self._messages.setdefault(parent, _Message())

    def _cut_block(self, parent: str | None) -> None:
        """Cut a block that will not come whole: the model was asked again."""
        self._items.cut(lambda opened: not opened.tool and opened.parent == parent)

    # Whole messages.

    def assistant_received(self, assistant: Assistant, line: bytes) -> None:
        """Report whole blocks: texts, reasoning, the start of tools' calls."""
        content, parent = assistant.message.content, assistant.parent_tool_use_id
        if assistant.error is not None:
            self._warn(_text(content), line)
        elif isinstance(content, str):
            self.report_native(line)
        else:
            self._blocks(assistant, content, parent, line)

    def _blocks(
        self, assistant: Assistant, content: list[Block], parent: str | None, line: bytes
    ) -> None:
        message = self._message_of(parent)
        if message.id != assistant.message.id:
            self._cut_block(parent)
            message.begin(assistant.message.id)
        for block in content:
            if not message.writing:
                message.index += 1
            message.writing = False
            report = _BLOCK_HANDLERS.get(block.type)
            if report is None:
                self.report_native(line)
            else:
                report(self, block, message.item, parent, assistant.aborted)

    def _message(self, block: Block, item: str, parent: str | None, cut: bool) -> None:
        self._text_ended("message", block.text, item, parent, cut)

    def _thinking(self, block: Block, item: str, parent: str | None, cut: bool) -> None:
        self._text_ended("thinking", block.thinking, item, parent, cut)

    def _text_ended(
        self, name: str, text: str, item: str, parent: str | None, cut: bool
    ) -> None:
        self._items.end(item)
        more = {"cut": True} if cut else {}
        self._report(name, parent, item=item, text=text, **more)

    def _tool_started(self, block: Block, item: str, parent: str | None, _cut: bool) -> None:
        name, item = block.name, block.id or item
        self._items.open_tool(item, name, parent=parent)
        title = _title(block)
        self._report("tool-start", parent, item=item, tool=name, title=title, input=block.input)

    # Results of tools.

    def user_received(self, user: User, line: bytes) -> None:
        """Report the ends of tools' calls; other texts that Claude put in are native."""
        content = user.message.content
        results = [] if isinstance(content, str) else content
        results = [block for block in results if block.type == "tool_result"]
        reasons = {meta.id: meta.non_execution_kind for meta in user.tool_result_meta}
        for block in results:
            reason = reasons.get(block.tool_use_id)
            if self._items.has_ended(block.tool_use_id):
                self.report_native(line)
            else:
                self._tool_ended(block, user.parent_tool_use_id, reason)
        if not results:
            self.report_native(line)

    def _tool_ended(self, block: Block, parent: str | None, reason: str | None) -> None:
        item, text = block.tool_use_id, _text(block.content)
        ended = self._items.end(item)
        status = self._status(block, reason)
        tool = ended.tool if ended else ""
        data: dict[str, Any] = {"tool": tool, "status": status, "output": text}
        code = _EXIT.match(text) if block.is_error and reason is None else None
        if code is not None:
            data["exit_code"] = int(code[1])
        self._report("tool-done", parent, item=item, **data)

    def _status(self, block: Block, reason: str | None) -> str:
        if reason is not None:
            return "cut" if self.interrupting or reason in CUT else "declined"
        return "failed" if block.is_error else "completed"

    # Claude Code itself.

    def system_received(self, system: System, line: bytes) -> None:
        """Report a ``system`` line, by its subtype."""
        report = _SYSTEM_HANDLERS.get(system.subtype)
        if report is None:
            self.report_native(line)
        else:
            report(self, system, line)

    def _init(self, system: System, line: bytes) -> None:
        now = (
            system.session_id,
            system.model,
            system.permission_mode,
            system.cwd,
            system.tools,
        )
        if now != self._last_init:
            self._last_init, self.model = now, system.model
            self.report_native(line)

    def _compacted(self, _system: System, line: bytes) -> None:
        self._reports.report_event("compact", {"native": Raw(line)})

    def _retried(self, system: System, line: bytes) -> None:
        reason = " ".join(str(part) for part in (system.error_status, system.error) if part)
        self._warn(
            f"The model failed ({reason or 'unknown'}); it is asked again in"
            f" {system.retry_delay_ms / 1000:.1f} s, {system.attempt} of {system.max_retries}.",
            line,
        )

    def _status_changed(self, system: System, line: bytes) -> None:
        """Report a status, but for ``requesting``: each call of the model has one."""
        if system.status != "requesting":
            self.report_native(line)

    def rate_limit_received(self, limit: RateLimitEvent, line: bytes) -> None:
        """Report a rate limit as a warning, where it is near or reached."""
        if limit.info.status in {"", "allowed"}:
            self.report_native(line)
        else:
            self._warn(f"The limit {limit.info.kind or 'of use'}: {limit.info.status}.", line)

    def _warn(self, text: str, line: bytes) -> None:
        self._reports.report_event("warning", {"text": text, "native": Raw(line)})


def _title(block: Block) -> str:
    arguments = block.input if isinstance(block.input, dict) else {}
    texts = (arguments[name] for name in TITLE_FIELDS if isinstance(arguments.get(name), str))
    subject = next(texts, "")
    return f"{block.name}: {subject}"[:TITLE_MOST] if subject else block.name


def _text(content: Any) -> str:
    """Return the text of a content: it is a string, or blocks of which some have text."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(filter(None, map(_block_text, blocks)))


def _block_text(block: Any) -> str:
    text = block.text if isinstance(block, Block) else None
    if isinstance(block, dict):
        text = block.get("text")
    return text if isinstance(text, str) else ""


_STREAM_HANDLERS: Final[
    Mapping[str, Callable[[ClaudeTranslator, ModelEvent, str | None], None]]
] = {
    "message_start": ClaudeTranslator._message_started,
    "content_block_start": ClaudeTranslator._block_started,
    "content_block_delta": ClaudeTranslator._piece,
}
_DELTAS: Final[Mapping[str, TextEvent]] = {
    "text_delta": "message",
    "thinking_delta": "thinking",
}
"""Pieces of the model's stream, and the event of the whole text that they belong to."""
_BLOCK_HANDLERS: Final[
    Mapping[str, Callable[[ClaudeTranslator, Block, str, str | None, bool], None]]
] = {
    "text": ClaudeTranslator._message,
    "thinking": ClaudeTranslator._thinking,
    "tool_use": ClaudeTranslator._tool_started,
    "server_tool_use": ClaudeTranslator._tool_started,
}
_SYSTEM_HANDLERS: Final[Mapping[str, Callable[[ClaudeTranslator, System, bytes], None]]] = {
    "init": ClaudeTranslator._init,
    "status": ClaudeTranslator._status_changed,
    "compact_boundary": ClaudeTranslator._compacted,
    "api_retry": ClaudeTranslator._retried,
}
