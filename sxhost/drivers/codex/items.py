"""What ``codex app-server`` tells of a conversation, as reports: notices in, events out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import DecodeError, ValidationError, json
from msgspec.structs import replace

from sxhost.codec.shorten import TEXT_KEPT, BoundedText
from sxhost.drivers.codex.notifications import (
    DiffParams,
    ErrorParams,
    ItemParams,
    Notification,
    PlanParams,
    SummaryPartParams,
    TurnParams,
    UsageParams,
    WarningParams,
)
from sxhost.drivers.codex.tools import SPEECH, TOOLS, Item, text_of, tool_of
from sxhost.drivers.contracts import Reports
from sxhost.model.turn import TurnStatus
from sxhost.process.contracts import Exit

__all__ = ["ItemTranslator"]

OUTPUT_KEPT: Final = 65_536
"""Characters of a tool's output that are kept in case that it is cut."""

CUT_KEPT: Final = 256
"""Items that were cut and whose late words are still known as such."""

TURN_STATUS: Final[Mapping[str, TurnStatus]] = {
    "completed": "completed",
    "interrupted": "interrupted",
}
PLAN_STATUS: Final = {"inProgress": "in_progress"}

DELTAS: Final = {
    "item/agentMessage/delta": "message-delta",
    "item/reasoning/summaryTextDelta": "thinking-delta",
    "item/reasoning/textDelta": "thinking-delta",
    "item/commandExecution/outputDelta": "tool-output",
    "item/fileChange/outputDelta": "tool-output",
    "item/mcpToolCall/progress": "tool-output",
}
"""BoundedText of an item, and the event that each becomes."""

WHOLE: Final = {"message-delta": "message", "thinking-delta": "thinking"}


class _Opened:
    """An item that is not completed: the event it ends in and what came of it so far."""

    __slots__ = ("event", "item", "text")

    def __init__(self, event: str, item: Item | None = None) -> None:
        self.event = event
        self.item = item
        self.text = BoundedText(OUTPUT_KEPT if event == "tool-done" else TEXT_KEPT)


class ItemTranslator:
    """Tells `reports` of one conversation.  `turn` is the running turn's native id."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._open: dict[str, _Opened] = {}
        self._cut: dict[str, None] = {}
        self._announced = self._ended = self._last_diff = ""
        self.turn: str | None = None

    # What codex tells.

    def notification_received(self, told: Notification) -> None:
        """Report a notice about this conversation."""
        event = DELTAS.get(told.method)
        if event is not None:
            self._piece(event, told)
            return
        try:
            _TELL.get(told.method, ItemTranslator.pass_through)(self, told)
        except (ValidationError, DecodeError, RecursionError):
            self.pass_through(told)

    def pass_through(self, told: Notification) -> None:
        """Report a notice as it is."""
        self._reports.event("native", {"native": told.native})

    def _tell(self, event: str, told: Notification, /, **data: Any) -> None:
        data["native"] = told.native
        self._reports.event(event, data)

    # Items.

    def _piece(self, event: str, told: Notification) -> None:
        if told.item in self._cut:
            self.pass_through(told)
            return
        opened = self._open.get(told.item)
        if opened is None and event in WHOLE:
            opened = self._open[told.item] = _Opened(WHOLE[event])
        if opened is not None:
            opened.text.add(told.text)
        self._tell(event, told, item=told.item, text=told.text)

    def _part_added(self, told: Notification) -> None:
        if json.decode(told.params, type=SummaryPartParams).summary_index == 0:
            self.pass_through(told)
            return
        self._piece("thinking-delta", replace(told, text="\n\n"))

    def _item_started(self, told: Notification) -> None:
        item = json.decode(told.params, type=ItemParams).item
        self._cut.pop(item.id, None)
        if item.type == "userMessage":
            self.cut_open_items(
                words_only=True
            )  # codex drops what it was saying, without a word
        if item.type in TOOLS:
            self._open[item.id] = _Opened("tool-done", item)
            self._tell("tool-start", told, **tool_of(item, with_input=True))
            return
        if item.type in SPEECH:
            self._open[item.id] = _Opened(SPEECH[item.type])
        self.pass_through(told)

    def _item_completed(self, told: Notification) -> None:
        item = json.decode(told.params, type=ItemParams).item
        self._open.pop(item.id, None)
        if item.id in self._cut:
            del self._cut[item.id]
            self.pass_through(told)
        elif item.type in TOOLS:
            self._tell("tool-done", told, **tool_of(item), **TOOLS[item.type].outcome(item))
        elif item.type in SPEECH:
            self._said(item, told)
        elif item.type == "contextCompaction":
            self._tell("compact", told, item=item.id)
        else:
            self.pass_through(told)

    def _said(self, item: Item, told: Notification) -> None:
        text = text_of(item)
        if item.type == "plan":
            self._tell("plan", told, item=item.id, text=text, entries=[])
        elif text or item.type == "agentMessage":
            self._tell(SPEECH[item.type], told, item=item.id, text=text)
        else:
            self.pass_through(told)

    def changes_of(self, item_id: str) -> list[Any]:
        """Return the changes that an open item wants to make to files."""
        opened = self._open.get(item_id)
        item = opened.item if opened else None
        return item.changes if item is not None and isinstance(item.changes, list) else []

    def cut_open_items(self, *, words_only: bool = False) -> None:
        """Close what is open: nothing more comes of it."""
        for name, opened in list(self._open.items()):
            if not words_only or opened.event != "tool-done":
                del self._open[name]
                self._cut[name] = None
                self._report_cut(name, opened)
        for name in list(self._cut)[:-CUT_KEPT]:
            del self._cut[name]

    def _report_cut(self, name: str, opened: _Opened) -> None:
        text = str(opened.text)
        if opened.item is not None:
            ends = {"status": "cut", "output": text, "exit_code": None}
            self._reports.event("tool-done", {**tool_of(opened.item), **ends})
        elif text:
            self._reports.event(opened.event, {"item": name, "text": text, "cut": True})

    # Turns.

    def turn_accepted(self, turn: str) -> None:
        """Know that a turn runs, unless it is over already."""
        if turn != self._ended:
            self.turn = turn

    def _turn_started(self, told: Notification) -> None:
        turn = json.decode(told.params, type=TurnParams).turn.id
        self.turn_accepted(turn)
        if turn != self._announced:
            self._announced = turn
            self._reports.turn_began(turn)

    def _turn_completed(self, told: Notification) -> None:
        turn = json.decode(told.params, type=TurnParams).turn
        if self.turn not in (turn.id, None) or turn.id == self._ended:
            self.pass_through(told)
            return
        reason = turn.error.message if turn.error else ""
        status = TURN_STATUS.get(turn.status, "failed")
        self.end_turn(status, reason, told.native, turn.id)

    def end_turn(
        self, status: TurnStatus, reason: str, native: Any = None, turn: str | None = None
    ) -> None:
        """Report the end of the running turn, and that what it left open is cut."""
        self._ended = turn or self.turn or ""
        self.turn = None
        self.cut_open_items()
        self._reports.turn_ended(status, reason, native)

    def process_exited(self, how: Exit) -> None:
        """Report that nothing more comes."""
        self.cut_open_items()
        self.turn = None
        self._reports.gone(how)

    # The rest.

    def _plan(self, told: Notification) -> None:
        plan = json.decode(told.params, type=PlanParams)
        entries = [
            {"content": step.step, "status": PLAN_STATUS.get(step.status, step.status)}
            for step in plan.plan
        ]
        self._tell("plan", told, entries=entries, text=plan.explanation or "")

    def _diff(self, told: Notification) -> None:
        diff = json.decode(told.params, type=DiffParams).diff
        if diff != self._last_diff:  # codex says it once more with each answer of the model
            self._last_diff = diff
            self._tell("diff", told, diff=diff)

    def _usage(self, told: Notification) -> None:
        usage = json.decode(told.params, type=UsageParams).token_usage
        total = usage.total
        self._tell(
            "usage",
            told,
            input_tokens=total.input_tokens,
            cached_tokens=total.cached_input_tokens,
            output_tokens=total.output_tokens,
            reasoning_tokens=total.reasoning_output_tokens,
            total_tokens=total.total_tokens,
            context_window=usage.model_context_window,
        )

    def _error(self, told: Notification) -> None:
        """Warn of what codex tries again; what ends a turn is told at its end."""
        said = json.decode(told.params, type=ErrorParams)
        if said.will_retry:
            self.cut_open_items(words_only=True)  # what it was saying begins anew
        if said.will_retry or self.turn is None:
            parts = said.error.message, said.error.additional_details
            self._tell("warning", told, text=": ".join(filter(None, parts)))
        else:
            self.pass_through(told)

    def _warning(self, told: Notification) -> None:
        said = json.decode(told.params, type=WarningParams)
        parts = said.message or said.summary, said.details
        self._tell("warning", told, text=": ".join(filter(None, parts)))


_TELL: Final[Mapping[str, Callable[[ItemTranslator, Notification], None]]] = {
    "item/started": ItemTranslator._item_started,
    "item/completed": ItemTranslator._item_completed,
    "item/reasoning/summaryPartAdded": ItemTranslator._part_added,
    "turn/started": ItemTranslator._turn_started,
    "turn/completed": ItemTranslator._turn_completed,
    "turn/plan/updated": ItemTranslator._plan,
    "turn/diff/updated": ItemTranslator._diff,
    "thread/tokenUsage/updated": ItemTranslator._usage,
    "error": ItemTranslator._error,
    "warning": ItemTranslator._warning,
    "guardianWarning": ItemTranslator._warning,
    "configWarning": ItemTranslator._warning,
    "deprecationNotice": ItemTranslator._warning,
}
