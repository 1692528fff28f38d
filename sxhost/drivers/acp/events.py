"""From ``session/update`` of ACP to events: what is said, thought, planned and used.

A message goes on until the agent says something else: a thought, a tool call, a plan, a
message of another id, or until the turn ends.  What tells of the session (usage, title,
settings) may come in the middle of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import msgspec
from msgspec import Raw

from sxhost.codec.shorten import BoundedText
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
    UsageUpdate,
    UserMessageChunk,
)

__all__ = ["UpdateTranslator"]

Tell = Callable[[str, Any], None]
Chunk = AgentMessageChunk | AgentThoughtChunk

_decode = msgspec.json.Decoder(SessionUpdate).decode

SPENT: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("inputTokens", "input_tokens"),
    "cached_tokens": ("cachedReadTokens", "cachedInputTokens"),
    "output_tokens": ("outputTokens", "output_tokens"),
    "reasoning_tokens": ("thoughtTokens", "reasoningOutputTokens"),
}
"""What a turn has used, by the names that agents have for it."""


class UpdateTranslator:
    """What happens in a conversation, told as events.

    While it is `muted`, only what tells of the present state of the session is told: the
    past is being replayed.  `stem` begins the names of messages that the agent has none for.
    """

    def __init__(self, tell: Tell, settings: SessionSettings, stem: str = "") -> None:
        self._tell = tell
        self._settings = settings
        self.tools = ToolCallTracker(tell)
        self.silent = True
        """Whether nothing was said or done in this turn."""
        self.session = ""
        self.muted = False
        self.passed_over = 0
        """How much was not told."""
        self.compacted = False
        """Whether the agent has told of a compaction in this turn."""
        self._names = (f"{stem}{number}" for number in count(1))
        self._voice = ""
        self._id: str | None = None
        self._item = ""
        self._text = BoundedText()
        self._used: set[str] = set()
        self._usage: dict[str, Any] = {}
        self._commands = b""
        self._compactions: set[str] = set()

    # What the agent says.

    def update_received(self, params: Raw) -> None:
        """Hear an update."""
        try:
            said = _decode(params)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._strange(params)
            return
        if self.session and said.session_id != self.session:
            self._strange(params)
        elif self.muted and type(said.update) not in _PRESENT:
            self.passed_over += 1
        else:
            self.silent = self.silent and type(said.update) in _ASIDE
            _HEARD[type(said.update)](self, said.update, params)

    def permission_requested(self, call: ToolCall, params: Raw) -> OpenToolCall:
        """Leave is asked for a tool call; return what is known of it."""
        self.silent = False
        self._close()
        return self.tools.permission_requested(call, params)

    def turn_started(self) -> None:
        """A turn begins."""
        self.muted = False
        self.compacted = False
        self.silent = True
        self._close()

    def turn_ended(self) -> None:
        """A turn is over, or will have no more words: what is open is closed."""
        self._close()
        self.tools.cut_open_calls()
        self._used.clear()

    def add_turn_usage(self, said: PromptResult) -> None:
        """Add what a turn has used to what the conversation has; no more words come in it."""
        self._close()
        quota = (said.meta or {}).get("quota")
        tokens = said.usage or (quota.get("token_count") if isinstance(quota, dict) else None)
        if not isinstance(tokens, dict):
            return
        found = {
            name: next((tokens[n] for n in theirs if isinstance(tokens.get(n), int)), 0)
            for name, theirs in SPENT.items()
        }
        if any(found.values()):
            sums = {name: self._usage.get(name, 0) + used for name, used in found.items()}
            self._use({**self._usage, **sums})

    # How it is told.

    def _strange(self, params: Raw) -> None:
        if self.muted:
            self.passed_over += 1
        else:
            self._tell("native", {"native": params})

    def _said(self, said: AgentMessageChunk, params: Raw) -> None:
        self._chunk("message", said, params)

    def _thought(self, said: AgentThoughtChunk, params: Raw) -> None:
        self._chunk("thinking", said, params)

    def _chunk(self, voice: str, said: Chunk, params: Raw) -> None:
        text = said.content.text
        if text is None:
            self._tell("native", {"native": params})
            return
        if voice != self._voice or said.message_id != self._id:
            self._close()
            self._open(voice, said.message_id)
        if text:
            self._text.add(text)
            self._tell(f"{voice}-delta", {"item": self._item, "text": text})

    def _open(self, voice: str, name: str | None) -> None:
        """Begin a message; where an id comes again, it is another piece of it."""
        fresh = name is not None and name not in self._used
        self._item = name if name is not None and fresh else next(self._names)
        self._used.add(self._item)
        self._voice, self._id = voice, name

    def _close(self) -> None:
        voice, text = self._voice, str(self._text)
        self._voice, self._id, self._text = "", None, BoundedText()
        if text:
            self._tell(voice, {"item": self._item, "text": text})

    def _echoed(self, _said: UserMessageChunk, params: Raw) -> None:
        self._close()
        self._tell("native", {"native": params})

    def _began(self, call: ToolCallStart, params: Raw) -> None:
        self._close()
        self.tools.call_started(call, params)

    def _went_on(self, call: ToolCallUpdate, params: Raw) -> None:
        self.tools.call_updated(call, params)

    def _planned(self, said: PlanUpdate, params: Raw) -> None:
        self._close()
        self._tell("plan", {"entries": said.entries, "native": params})

    def _filled(self, said: UsageUpdate, _params: Raw) -> None:
        """Some say 0 where a turn failed: that tells nothing of the conversation."""
        usage = {**self._usage, "context_window": said.size}
        if said.used:
            usage["total_tokens"] = said.used
        if said.cost is not None and said.cost.currency == "USD":
            usage["cost_usd"] = said.cost.amount
        self._use(usage)

    def _use(self, usage: dict[str, Any]) -> None:
        if usage != self._usage:
            self._usage = usage
            self._tell("usage", dict(usage))

    def _noticed(self, said: NoticeUpdate, params: Raw) -> None:
        text = f"{said.title}: {said.description}" if said.description else said.title
        name = "native" if said.severity == "info" else "warning"
        self._tell(name, {"text": text, "native": params})

    def _shortened(self, said: CompactionUpdate, params: Raw) -> None:
        """Some tell the end of one twice."""
        if said.status == "completed" and said.compaction_id not in self._compactions:
            self.compacted = True
            self._compactions.add(said.compaction_id)
            self._tell("compact", {"native": params})
        elif said.status == "failed":
            text = f"The conversation could not be shortened: {said.error or 'no reason told'}"
            self._tell("warning", {"text": text, "native": params})
        else:
            self._tell("native", {"native": params})

    def _commanded(self, said: CommandsUpdate, params: Raw) -> None:
        """Commands are long, and some tell them in every turn."""
        self._settings.commands_updated(said)
        if bytes(params) != self._commands:
            self._commands = bytes(params)
            self._tell("native", {"native": params})

    def _configured(self, said: ConfigOptionsUpdate, params: Raw) -> None:
        self._settings.options_updated(said)
        self._tell("native", {"native": params})

    def _moded(self, _said: ModeUpdate, params: Raw) -> None:
        self._tell("native", {"native": params})


_HEARD: Mapping[type, Callable[[UpdateTranslator, Any, Raw], None]] = {
    AgentMessageChunk: UpdateTranslator._said,
    AgentThoughtChunk: UpdateTranslator._thought,
    UserMessageChunk: UpdateTranslator._echoed,
    ToolCallStart: UpdateTranslator._began,
    ToolCallUpdate: UpdateTranslator._went_on,
    PlanUpdate: UpdateTranslator._planned,
    UsageUpdate: UpdateTranslator._filled,
    NoticeUpdate: UpdateTranslator._noticed,
    CompactionUpdate: UpdateTranslator._shortened,
    CommandsUpdate: UpdateTranslator._commanded,
    ConfigOptionsUpdate: UpdateTranslator._configured,
    ModeUpdate: UpdateTranslator._moded,
}

_PRESENT = frozenset({UsageUpdate, CommandsUpdate, ConfigOptionsUpdate, ModeUpdate})
"""What tells how the session is now, and not what has happened in it."""

_ASIDE = _PRESENT | {UserMessageChunk}
