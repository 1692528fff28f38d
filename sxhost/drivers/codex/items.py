"""Notifications of ``codex app-server`` about a conversation, translated to events.

Codex does not complete what an interruption or a steer has cut: `ItemTranslator` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import DecodeError, ValidationError, json
from msgspec.structs import replace

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
from sxhost.drivers.kit.open_items import OpenItems, TextEvent
from sxhost.model.turn import TurnStatus
from sxhost.process.contracts import ChildExit

__all__ = ["ItemTranslator"]

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
"""Notifications of an item's next piece, and the event that each becomes."""

WHOLE: Final[Mapping[str, TextEvent]] = {
    "message-delta": "message",
    "thinking-delta": "thinking",
}


class ItemTranslator:
    """Reports the events of one conversation; keeps its open items and its running turn."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self.open_items = OpenItems(reports)
        self._begun_turn = self._ended_turn = self._last_diff = ""
        self.turn: str | None = None
        """Codex's id of the running turn."""

    # Notifications.

    def notification_received(self, notification: Notification) -> None:
        """Report a notification as the event that it means; one of another shape as native."""
        event = DELTAS.get(notification.method)
        if event is not None:
            self._piece_received(event, notification)
            return
        try:
            _HANDLERS.get(notification.method, ItemTranslator.pass_through)(self, notification)
        except (ValidationError, DecodeError, RecursionError):
            self.pass_through(notification)

    def pass_through(self, notification: Notification) -> None:
        """Report a notification as native."""
        self._reports.report_event("native", {"native": notification.native})

    def _report(self, event: str, notification: Notification, /, **data: Any) -> None:
        data["native"] = notification.native
        self._reports.report_event(event, data)

    # Items.

    def _piece_received(self, event: str, notification: Notification) -> None:
        item = notification.item
        if self.open_items.has_ended(item):
            self.pass_through(notification)
            return
        if event in WHOLE:
            self.open_items.open_text(item, WHOLE[event])
        self.open_items.add(item, notification.text)
        self._report(event, notification, item=item, text=notification.text)

    def _part_added(self, notification: Notification) -> None:
        if json.decode(notification.params, type=SummaryPartParams).summary_index == 0:
            self.pass_through(notification)
            return
        self._piece_received("thinking-delta", replace(notification, text="\n\n"))

    def _item_started(self, notification: Notification) -> None:
        item = json.decode(notification.params, type=ItemParams).item
        if item.type == "userMessage":
            # codex drops what it was saying, without a word
            self._cut_texts()
        if item.type in TOOLS:
            fields = tool_of(item, with_input=True)
            self.open_items.open_tool(item.id, fields["tool"], native=item)
            self._report("tool-start", notification, **fields)
            return
        if item.type in SPEECH:
            self.open_items.open_text(item.id, SPEECH[item.type])
        self.pass_through(notification)

    def _item_completed(self, notification: Notification) -> None:
        item = json.decode(notification.params, type=ItemParams).item
        if self.open_items.has_ended(item.id):
            self.pass_through(notification)
            return
        self.open_items.end(item.id)
        if item.type in TOOLS:
            self._report(
                "tool-done", notification, **tool_of(item), **TOOLS[item.type].outcome(item)
            )
        elif item.type in SPEECH:
            self._text_completed(item, notification)
        elif item.type == "contextCompaction":
            self._report("compact", notification, item=item.id)
        else:
            self.pass_through(notification)

    def _text_completed(self, item: Item, notification: Notification) -> None:
        text = text_of(item)
        if item.type == "plan":
            self._report("plan", notification, item=item.id, text=text, entries=[])
        elif text or item.type == "agentMessage":
            self._report(SPEECH[item.type], notification, item=item.id, text=text)
        else:
            self.pass_through(notification)

    def changes_of(self, item_id: str) -> list[Any]:
        """Return the file changes of an open item; its request for approval has none itself."""
        opened = self.open_items.get(item_id)
        changes = opened.native.changes if opened and opened.native else None
        return changes if isinstance(changes, list) else []

    def _cut_texts(self) -> None:
        self.open_items.cut(lambda opened: not opened.tool)

    # Turns.

    def turn_accepted(self, turn: str) -> None:
        """Note a turn that codex has accepted; its end may have come before the answer."""
        if turn != self._ended_turn:
            self.turn = turn

    def _turn_started(self, notification: Notification) -> None:
        turn = json.decode(notification.params, type=TurnParams).turn.id
        self.turn_accepted(turn)
        if turn != self._begun_turn:
            self._begun_turn = turn
            self._reports.turn_started(turn)

    def _turn_completed(self, notification: Notification) -> None:
        turn = json.decode(notification.params, type=TurnParams).turn
        if self.turn not in (turn.id, None) or turn.id == self._ended_turn:
            self.pass_through(notification)
            return
        reason = turn.error.message if turn.error else ""
        status = TURN_STATUS.get(turn.status, "failed")
        self.end_turn(status, reason, notification.native, turn.id)

    def end_turn(
        self, status: TurnStatus, reason: str, native: Any = None, turn: str | None = None
    ) -> None:
        """Report the end of the running turn, and before it that its open items are cut."""
        self._ended_turn = turn or self.turn or ""
        self.turn = None
        self.open_items.cut()
        self._reports.turn_ended(status, reason, native)

    def process_exited(self, how: ChildExit) -> None:
        """Report that the process has ended, and before it that open items are cut."""
        self.open_items.cut()
        self.turn = None
        self._reports.gone(how)

    # Plans, diffs, usage, warnings.

    def _plan(self, notification: Notification) -> None:
        plan = json.decode(notification.params, type=PlanParams)
        entries = [
            {"content": step.step, "status": PLAN_STATUS.get(step.status, step.status)}
            for step in plan.plan
        ]
        self._report("plan", notification, entries=entries, text=plan.explanation or "")

    def _diff(self, notification: Notification) -> None:
        diff = json.decode(notification.params, type=DiffParams).diff
        if diff != self._last_diff:  # codex repeats it with each answer of the model
            self._last_diff = diff
            self._report("diff", notification, diff=diff)

    def _usage(self, notification: Notification) -> None:
        usage = json.decode(notification.params, type=UsageParams).token_usage
        total = usage.total
        self._report(
            "usage",
            notification,
            input_tokens=total.input_tokens,
            cached_tokens=total.cached_input_tokens,
            output_tokens=total.output_tokens,
            reasoning_tokens=total.reasoning_output_tokens,
            total_tokens=total.total_tokens,
            context_window=usage.model_context_window,
        )

    def _error(self, notification: Notification) -> None:
        """Report an error as a warning, but for one that ends the turn: its end has it."""
        params = json.decode(notification.params, type=ErrorParams)
        if params.will_retry:
            self._cut_texts()  # the model's answer begins anew
        if params.will_retry or self.turn is None:
            parts = params.error.message, params.error.additional_details
            self._report("warning", notification, text=": ".join(filter(None, parts)))
        else:
            self.pass_through(notification)

    def _warning(self, notification: Notification) -> None:
        params = json.decode(notification.params, type=WarningParams)
        parts = params.message or params.summary, params.details
        self._report("warning", notification, text=": ".join(filter(None, parts)))


_HANDLERS: Final[Mapping[str, Callable[[ItemTranslator, Notification], None]]] = {
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
