"""Lines of Claude Code, translated to events.

Claude sends a block of a message as pieces while the model writes it (``stream_event``), then
whole (``assistant``).  A text's item is the message's id and the block's index in it; a tool's
item is the call's own id.  Events of a subagent have ``parent``, the call that started it.
Not reported are the stream's events that only frame the pieces, and a ``system/init`` that is
the same as the last: Claude sends one for every message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET, Raw

from sxhost.codec.shorten import TITLE_MOST
from sxhost.drivers.claude.messages import (
    Assistant,
    Block,
    Line,
    RateLimitEvent,
    StreamEvent,
    System,
    User,
)
from sxhost.drivers.contracts import Reports
from sxhost.drivers.kit.open_items import OpenItems
from sxhost.model.event_types import (
    AgentEvent,
    CompactEvent,
    MessageDeltaEvent,
    MessageEvent,
    ThinkingDeltaEvent,
    ThinkingEvent,
    ToolDoneEvent,
    ToolStartEvent,
    ToolStatus,
    raw_json,
)
from sxhost.model.pictures import split_pictures

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
        self._messages: dict[str | None, _Message] = {}
        self._items = OpenItems(reports)
        self._last_init: tuple[Any, ...] = ()
        self.model = ""
        """The model in the last ``system/init``."""
        self.interrupting = False
        """Whether the turn is being stopped: calls that did not run are cut, not declined."""

    def report_native(self, line: bytes) -> None:
        """Report a line as native."""
        self._items.report_native(Raw(line))

    def line_received(self, message: Line, line: bytes) -> None:
        """Report a line as the event that it means; one of an unknown kind as native."""
        match message:
            case StreamEvent():
                self._stream_event_received(message)
            case Assistant():
                self._assistant_received(message, line)
            case User():
                self._user_received(message, line)
            case System():
                self._system_received(message, line)
            case RateLimitEvent(info=limit) if limit.status not in {"", "allowed"}:
                text = f"The limit {limit.kind or 'of use'}: {limit.status}."
                self._items.report_warning(text, Raw(line))
            case _:
                self.report_native(line)

    def begin_turn(self) -> None:
        """Close what came after the last turn's end; a turn begins."""
        self._items.begin_turn()

    def cut_open_items(self, everything: bool) -> None:
        """Cut what Claude has left open; that of subagents, which may outlive a turn, only
        with `everything`.
        """
        self._items.cut(
            lambda opened: everything or opened.parent is None, interrupted=everything
        )
        self._messages = {} if everything else {p: m for p, m in self._messages.items() if p}

    # The model's stream.

    def _stream_event_received(self, stream_event: StreamEvent) -> None:
        """Report a piece of text; note where messages and blocks begin."""
        event, parent = stream_event.event, stream_event.parent_tool_use_id
        message = self._message_of(parent)
        match event.type:
            case "message_start":
                self._cut_block(parent)
                message.begin(event.message.id)
            case "content_block_start":
                self._cut_block(parent)
                message.index, message.writing = event.index, True
            case "content_block_delta" if piece := _DELTAS.get(event.delta.type):
                text = event.delta.text or event.delta.thinking
                self._items.report(piece(item=message.item, text=text, parent=parent))

    def _message_of(self, parent: str | None) -> _Message:
        return self._messages.setdefault(parent, _Message())

    def _cut_block(self, parent: str | None) -> None:
        """Cut a block that will not come whole: the model was asked again."""
        self._items.cut(lambda opened: not opened.is_tool and opened.parent == parent)

    # Whole messages.

    def _assistant_received(self, assistant: Assistant, line: bytes) -> None:
        """Report whole blocks: texts, reasoning, the start of tools' calls."""
        content, parent = assistant.message.content, assistant.parent_tool_use_id
        if assistant.error is not None:
            self._items.report_warning(_text(content), Raw(line))
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
            event = _event_of(block, message.item, parent, cut=assistant.aborted)
            if event is None:
                self.report_native(line)
            else:
                self._items.report(event)

    # Results of tools.

    def _user_received(self, user: User, line: bytes) -> None:
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
        opened = self._items.get(item)
        code = _EXIT.match(text) if block.is_error and reason is None else None
        self._items.report(
            ToolDoneEvent(
                item=item,
                tool=opened.tool if opened else "",
                status=self._status(block, reason),
                output=text,
                images=split_pictures(block.content)[1],
                exit_code=int(code[1]) if code else UNSET,
                parent=parent,
            )
        )

    def _status(self, block: Block, reason: str | None) -> ToolStatus:
        if reason is not None:
            return "cut" if self.interrupting or reason in CUT else "declined"
        return "failed" if block.is_error else "completed"

    # Claude Code itself.

    def _system_received(self, system: System, line: bytes) -> None:
        """Report a ``system`` line, by its subtype."""
        match system.subtype:
            case "init":
                self._init(system, line)
            case "status" if system.status == "requesting":
                pass  # each call of the model has one
            case "compact_boundary":
                self._items.report(CompactEvent(native=Raw(line)))
            case "api_retry":
                reason = " ".join(
                    str(part) for part in (system.error_status, system.error) if part
                )
                delay, attempt = system.retry_delay_ms / 1000, system.attempt
                self._items.report_warning(
                    f"The model failed ({reason or 'unknown'}); it is asked again in"
                    f" {delay:.1f} s, {attempt} of {system.max_retries}.",
                    Raw(line),
                )
            case _:
                self.report_native(line)

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


def _event_of(block: Block, item: str, parent: str | None, *, cut: bool) -> AgentEvent | None:
    """Return the event that a whole block is; None if none is for it."""
    match block.type:
        case "text":
            return MessageEvent(item=item, text=block.text, cut=cut, parent=parent)
        case "thinking":
            return ThinkingEvent(item=item, text=block.thinking, cut=cut, parent=parent)
        case "tool_use" | "server_tool_use":
            return ToolStartEvent(
                item=block.id or item,
                tool=block.name,
                title=_title(block),
                input=raw_json(block.input),
                parent=parent,
            )
    return None


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


_DELTAS: Final[Mapping[str, type[MessageDeltaEvent | ThinkingDeltaEvent]]] = {
    "text_delta": MessageDeltaEvent,
    "thinking_delta": ThinkingDeltaEvent,
}
