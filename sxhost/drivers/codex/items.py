"""Notifications of ``codex app-server`` about a conversation, translated to events.

Codex does not complete what an interruption or a steer has cut: `ItemTranslator` does.  A
command that the model does not wait for outlives its turn: it runs in the background, and its
notifications name the turn that has started it, also while the next one runs.
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
from sxhost.drivers.codex.tools import TOOLS, Item, text_of, tool_done, tool_started
from sxhost.drivers.contracts import Reports
from sxhost.drivers.kit.background_tasks import TASKS_MOST, background_task
from sxhost.drivers.kit.open_items import OpenItems
from sxhost.model.event_types import (
    AgentEvent,
    BackgroundEvent,
    CompactEvent,
    DiffEvent,
    MessageDeltaEvent,
    MessageEvent,
    NativeEvent,
    PlanEntry,
    PlanEvent,
    ThinkingDeltaEvent,
    ThinkingEvent,
    ToolOutputEvent,
    ToolStartEvent,
    UsageEvent,
    WarningEvent,
)
from sxhost.model.turn import TurnStatus
from sxhost.process.contracts import ChildExit
from sxhost.waiting import Signal

__all__ = ["ItemTranslator"]

TURN_STATUS: Final[Mapping[str, TurnStatus]] = {
    "completed": "completed",
    "interrupted": "interrupted",
}
PLAN_STATUS: Final = {"inProgress": "in_progress"}

DELTAS: Final[Mapping[str, type[MessageDeltaEvent | ThinkingDeltaEvent | ToolOutputEvent]]] = {
    "item/agentMessage/delta": MessageDeltaEvent,
    "item/reasoning/summaryTextDelta": ThinkingDeltaEvent,
    "item/reasoning/textDelta": ThinkingDeltaEvent,
    "item/commandExecution/outputDelta": ToolOutputEvent,
    "item/fileChange/outputDelta": ToolOutputEvent,
    "item/mcpToolCall/progress": ToolOutputEvent,
}
"""Notifications of an item's next piece, and the event that each becomes."""


class ItemTranslator:
    """Reports the events of one conversation; keeps its open items and its running turn."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self.open_items = OpenItems(reports)
        self._begun_turn = self._ended_turn = self._last_diff = ""
        self._turn_began = Signal()
        self._background: list[str] = []
        """Commands that have outlived their turn."""
        self.turn: str | None = None
        """Codex's id of the running turn."""

    # Notifications.

    def notification_received(self, notification: Notification) -> None:
        """Report a notification as the event that it means; one of another shape as native."""
        self.open_items.turn = notification.turn
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
        self.open_items.report(NativeEvent(native=notification.native))

    # Items.

    def _piece_received(
        self,
        event: type[MessageDeltaEvent | ThinkingDeltaEvent | ToolOutputEvent],
        notification: Notification,
    ) -> None:
        item, text = notification.item, notification.text
        if self.open_items.has_ended(item):
            self.pass_through(notification)
        else:
            self.open_items.report(event(item=item, text=text, native=notification.native))

    def _part_added(self, notification: Notification) -> None:
        if json.decode(notification.params, type=SummaryPartParams).summary_index == 0:
            self.pass_through(notification)
            return
        self._piece_received(ThinkingDeltaEvent, replace(notification, text="\n\n"))

    def _item_started(self, notification: Notification) -> None:
        item = json.decode(notification.params, type=ItemParams).item
        if item.type == "userMessage":
            # codex drops what it was saying, without a word
            self._cut_texts()
        if item.type in TOOLS:
            self.open_items.report(tool_started(item, notification.native))
            return
        self.open_items.forget(item.id)  # what was cut may begin anew under its id
        self.pass_through(notification)

    def _item_completed(self, notification: Notification) -> None:
        item = json.decode(notification.params, type=ItemParams).item
        event = None if self.open_items.has_ended(item.id) else _whole_event(item, notification)
        if event is None:
            self.open_items.end(item.id)
            self.pass_through(notification)
        else:
            self.open_items.report(event)
        if item.id in self._background:
            self._background.remove(item.id)
            self._report_background()

    def changes_of(self, item_id: str) -> list[Any]:
        """Return the file changes of an open item; its request for approval has none itself."""
        opened = self.open_items.get(item_id)
        if opened is None or not isinstance(opened.beginning, ToolStartEvent):
            return []
        changes = json.decode(opened.beginning.input).get("changes")
        return changes if isinstance(changes, list) else []

    def _cut_texts(self) -> None:
        self.open_items.cut(lambda opened: not opened.is_tool)

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
            self.open_items.begin_turn()
            self._reports.turn_started(turn)
            self._turn_began.fire()

    async def wait_for_begin(self, turn: str) -> None:
        """Return once codex has begun a turn that it has accepted, or that is over."""
        while self.turn == turn != self._begun_turn:
            await self._turn_began.wait()

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
        self.turn = self.open_items.turn = None
        self._turn_began.fire()
        self.open_items.cut(
            lambda opened: (
                opened.tool != "commandExecution"
                or (status == "interrupted" and opened.beginning.item not in self._background)
            ),
            interrupted=status == "interrupted",
        )
        commands = [opened.beginning.item for opened in self.open_items]
        if commands != self._background:
            self._background = commands
            self._report_background()
        self._reports.turn_ended(status, reason, native)

    def process_exited(self, how: ChildExit) -> None:
        """Report that the process has ended, and before it that open items are cut."""
        self.turn = self.open_items.turn = None
        self._turn_began.fire()
        self._background.clear()  # the end of the process says as much
        self.open_items.cut()
        self._reports.exited(how)

    # Commands in the background.

    def cut_background(self) -> None:
        """Report that commands in the background were ended: codex was told to."""
        commands, self._background, self.open_items.turn = self._background, [], None
        if commands:
            self.open_items.cut(
                lambda opened: opened.beginning.item in commands, interrupted=True
            )
            self._report_background()

    def _report_background(self) -> None:
        tasks = [
            background_task(opened.beginning.item, "command", opened.beginning.title)
            for opened in self.open_items
            if opened.beginning.item in self._background
            and isinstance(opened.beginning, ToolStartEvent)
        ]
        self._reports.report_event(BackgroundEvent(tasks=tasks[:TASKS_MOST]))

    # Plans, diffs, usage, warnings.

    def _plan(self, notification: Notification) -> None:
        plan = json.decode(notification.params, type=PlanParams)
        entries = [
            PlanEntry(content=step.step, status=PLAN_STATUS.get(step.status, step.status))
            for step in plan.plan
        ]
        text = plan.explanation or ""
        self.open_items.report(
            PlanEvent(entries=entries, text=text, native=notification.native)
        )

    def _diff(self, notification: Notification) -> None:
        diff = json.decode(notification.params, type=DiffParams).diff
        if diff != self._last_diff:  # codex repeats it with each answer of the model
            self._last_diff = diff
            self.open_items.report(DiffEvent(diff=diff, native=notification.native))

    def _usage(self, notification: Notification) -> None:
        usage = json.decode(notification.params, type=UsageParams).token_usage
        total = usage.total
        self.open_items.report(
            UsageEvent(
                input_tokens=total.input_tokens,
                cached_tokens=total.cached_input_tokens,
                cache_write_tokens=total.cache_write_input_tokens,
                output_tokens=total.output_tokens,
                reasoning_tokens=total.reasoning_output_tokens,
                total_tokens=total.total_tokens,
                context_window=usage.model_context_window,
                native=notification.native,
            )
        )

    def _error(self, notification: Notification) -> None:
        """Report an error as a warning, but for one that ends the turn: its end has it."""
        params = json.decode(notification.params, type=ErrorParams)
        if params.will_retry:
            self._cut_texts()  # the model's answer begins anew
        if params.will_retry or self.turn is None:
            self._warn(
                notification, params.error.message, params.error.additional_details or ""
            )
        else:
            self.pass_through(notification)

    def _warning(self, notification: Notification) -> None:
        params = json.decode(notification.params, type=WarningParams)
        self._warn(notification, params.message or params.summary, params.details or "")

    def _warn(self, notification: Notification, *parts: str) -> None:
        text = ": ".join(filter(None, parts))
        self.open_items.report(WarningEvent(text=text, native=notification.native))


def _whole_event(item: Item, notification: Notification) -> AgentEvent | None:
    """Return the event that has a completed item whole; None if none is for it."""
    native = notification.native
    if item.type in TOOLS:
        return tool_done(item, native)
    text = text_of(item)
    if item.type == "plan":
        return PlanEvent(item=item.id, entries=[], text=text, native=native)
    if item.type == "agentMessage":
        return MessageEvent(item=item.id, text=text, native=native)
    if item.type == "reasoning" and text:
        return ThinkingEvent(item=item.id, text=text, native=native)
    if item.type == "contextCompaction":
        return CompactEvent(item=item.id, native=native)
    return None


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
