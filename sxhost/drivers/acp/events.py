"""Notifications ``session/update`` of ACP, translated to events.

ACP does not end messages.  One goes on until the agent sends something else (a thought, a tool
call, a plan, a piece with another id), or until the turn ends.  Updates about the session
(usage, title, settings) may come in the middle of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec
from msgspec import Raw

from sxhost.drivers.acp.messages import PromptResult, ToolCall
from sxhost.drivers.acp.settings import SessionSettings
from sxhost.drivers.acp.tools import OpenToolCall, ToolCallTracker
from sxhost.drivers.acp.updates import (
    AgentMessageChunk,
    AgentThoughtChunk,
    CommandsUpdate,
    CompactionUpdate,
    ConfigOptionsUpdate,
    ModeUpdate,
    NoticeUpdate,
    PlanUpdate,
    SessionUpdate,
    ToolCallStart,
    ToolCallUpdate,
    Update,
    UsageUpdate,
    UserMessageChunk,
)
from sxhost.drivers.contracts import Reports
from sxhost.drivers.kit.open_items import OpenItems
from sxhost.model.event_types import (
    CompactEvent,
    MessageDeltaEvent,
    NativeEvent,
    PlanEvent,
    ThinkingDeltaEvent,
    UsageEvent,
)

__all__ = ["UpdateTranslator"]

Chunk = AgentMessageChunk | AgentThoughtChunk

_PIECES: Mapping[type[Chunk], type[MessageDeltaEvent | ThinkingDeltaEvent]] = {
    AgentMessageChunk: MessageDeltaEvent,
    AgentThoughtChunk: ThinkingDeltaEvent,
}
_decode = msgspec.json.Decoder(SessionUpdate).decode

TOKEN_NAMES: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("inputTokens", "input_tokens"),
    "cached_tokens": ("cachedReadTokens", "cachedInputTokens"),
    "cache_write_tokens": ("cachedWriteTokens", "cacheWriteInputTokens"),
    "output_tokens": ("outputTokens", "output_tokens"),
    "reasoning_tokens": ("thoughtTokens", "reasoningOutputTokens"),
}
"""An event's counts of tokens, and the names that agents have for them."""


class UpdateTranslator:
    """Reports the events of one conversation.

    While it is `muted`, the past is being replayed: only updates about the present state of
    the session are reported.  `stem` begins the ids of messages that have none of the agent's.
    """

    def __init__(self, reports: Reports, settings: SessionSettings, stem: str = "") -> None:
        self._items = OpenItems(reports)
        self._settings = settings
        self.tools = ToolCallTracker(self._items)
        self.silent = True
        """Whether this turn has had no text and no tool call so far."""
        self.session = ""
        self.muted = False
        self.passed_over = 0
        """How many updates were dropped while muted."""
        self.compacted = False
        """Whether the agent has reported a compaction in this turn."""
        self._new_ids = (f"{stem}{number}" for number in count(1))
        self._text_type: type[Chunk] | None = None
        self._message_id: str | None = None
        self._item = ""
        self._usage: dict[str, Any] = {}
        self._commands = b""
        self._compactions: set[str] = set()

    # Updates and turns.

    def update_received(self, params: Raw) -> None:
        """Report an update as the event that it means; an unknown one as native."""
        try:
            notification = _decode(params)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._unknown_update(params)
            return
        if self.session and notification.session_id != self.session:
            self._unknown_update(params)
        elif self.muted and type(notification.update) not in _PRESENT:
            self.passed_over += 1
        else:
            self.silent = self.silent and type(notification.update) in _NOT_ANSWERS
            self._report(notification.update, params)

    def _report(self, update: Update, params: Raw) -> None:
        match update:
            case AgentMessageChunk() | AgentThoughtChunk():
                self._chunk(update, params)
            case ToolCallStart():
                self._end_text()
                self.tools.call_started(update, params)
            case ToolCallUpdate():
                self.tools.call_updated(update, params)
            case PlanUpdate(entries=entries):
                self._end_text()
                self._items.report(PlanEvent(entries=entries, native=params))
            case UserMessageChunk():
                self._end_text()
                self._items.report_native(params)
            case _:
                self._report_state(update, params)

    def _report_state(self, update: Update, params: Raw) -> None:
        """Report an update about the session, which may come in the middle of a message."""
        match update:
            case UsageUpdate():
                self._usage_update(update)
            case NoticeUpdate():
                self._notice(update, params)
            case CompactionUpdate():
                self._compaction_update(update, params)
            case CommandsUpdate():
                self._commands_update(update, params)
            case ConfigOptionsUpdate():
                self._settings.options_updated(update)
                self._items.report_native(params)
            case _:
                self._items.report_native(params)

    def permission_requested(self, call: ToolCall, params: Raw) -> OpenToolCall:
        """Report the tool call of a request for permission; return what is known of it."""
        self.silent = False
        self._end_text()
        return self.tools.permission_requested(call, params)

    def turn_started(self) -> None:
        """Begin a turn: updates are reported from now on."""
        self.muted = False
        self.compacted = False
        self.silent = True
        self._end_text()
        self._items.begin_turn()

    def turn_ended(self) -> None:
        """End the open message, and cut the open tool calls: the turn is over."""
        self._end_text()
        self.tools.cut_open_items()

    def add_turn_usage(self, result: PromptResult) -> None:
        """End the open message, and add the turn's tokens to the conversation's."""
        self._end_text()
        quota = (result.meta or {}).get("quota")
        tokens = result.usage or (quota.get("token_count") if isinstance(quota, dict) else None)
        if not isinstance(tokens, dict):
            return
        counts = {
            name: next((tokens[n] for n in known_names if isinstance(tokens.get(n), int)), 0)
            for name, known_names in TOKEN_NAMES.items()
        }
        if any(counts.values()):
            sums = {name: self._usage.get(name, 0) + used for name, used in counts.items()}
            self._report_usage({**self._usage, **sums})

    # Kinds of updates.

    def _unknown_update(self, params: Raw) -> None:
        if self.muted:
            self.passed_over += 1
        else:
            self._items.report_native(params)

    def _chunk(self, update: Chunk, params: Raw) -> None:
        text = update.content.text
        if text is None:
            self._items.report_native(params)
            return
        if type(update) is not self._text_type or update.message_id != self._message_id:
            self._end_text()
            self._text_type, self._message_id = type(update), update.message_id
            self._item = self._item_of(update.message_id)
        if text:
            self._items.report(_PIECES[type(update)](item=self._item, text=text))

    def _item_of(self, name: str | None) -> str:
        """Return the agent's id of a text, or a new one where that was used before.

        An agent may go on under the same id after a tool call; to the host it is another item.
        """
        is_new = name is not None and not self._items.has_ended(name)
        return name if name is not None and is_new else next(self._new_ids)

    def _end_text(self) -> None:
        """Report the open text as whole: ACP does not say whether it broke off."""
        self._items.complete(self._item)
        self._text_type, self._message_id, self._item = None, None, ""

    def _usage_update(self, update: UsageUpdate) -> None:
        """Report tokens and cost; some agents say 0 tokens where a turn has failed."""
        usage = {**self._usage, "context_window": update.size}
        if update.used:
            usage["total_tokens"] = update.used
        if update.cost is not None and update.cost.currency == "USD":
            usage["cost_usd"] = update.cost.amount
        self._report_usage(usage)

    def _report_usage(self, usage: dict[str, Any]) -> None:
        if usage != self._usage:
            self._usage = usage
            self._items.report(UsageEvent(**usage))

    def _notice(self, update: NoticeUpdate, params: Raw) -> None:
        text = f"{update.title}: {update.description}" if update.description else update.title
        if update.severity == "info":
            self._items.report(NativeEvent(text=text, native=params))
        else:
            self._items.report_warning(text, params)

    def _compaction_update(self, update: CompactionUpdate, params: Raw) -> None:
        """Report the end of a compaction, once: some agents send it twice."""
        if update.status == "completed" and update.compaction_id not in self._compactions:
            self.compacted = True
            self._compactions.add(update.compaction_id)
            self._items.report(CompactEvent(native=params))
        elif update.status == "failed":
            text = (
                f"The conversation could not be shortened: {update.error or 'no reason told'}"
            )
            self._items.report_warning(text, params)
        else:
            self._items.report_native(params)

    def _commands_update(self, update: CommandsUpdate, params: Raw) -> None:
        """Store the slash commands; the long list is reported only where it has changed."""
        self._settings.commands_updated(update)
        if bytes(params) != self._commands:
            self._commands = bytes(params)
            self._items.report_native(params)


_PRESENT = frozenset({UsageUpdate, CommandsUpdate, ConfigOptionsUpdate, ModeUpdate})
"""Updates about the present state of the session, not about what has happened in it."""

_NOT_ANSWERS = _PRESENT | {UserMessageChunk}
