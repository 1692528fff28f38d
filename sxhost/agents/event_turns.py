"""Which turn an event belongs to: words belong to the turn that has caused them.

An event of the log belongs to the turn in which it stands, but for those that come after their
turn's end: a command that runs on in the background prints, a subagent goes on, a program says
its last words late.  The next turn may run by then.
"""

from __future__ import annotations

from typing import Final

from sxhost.model.event_types import (
    AgentEvent,
    DiffEvent,
    MessageDeltaEvent,
    MessageEvent,
    PlanEvent,
    ThinkingDeltaEvent,
    ThinkingEvent,
    ToolDoneEvent,
    ToolOutputEvent,
    ToolStartEvent,
    UsageEvent,
)

__all__ = ["EventTurns"]

KEPT: Final = 512
"""How many open items, calls of tools and turns' ids are remembered of each, the newest."""

_BEGIN: Final = (MessageDeltaEvent, ThinkingDeltaEvent, ToolStartEvent)
_END: Final = (MessageEvent, ThinkingEvent, ToolDoneEvent)
_WORK: Final = (*_BEGIN, *_END, ToolOutputEvent, PlanEvent, DiffEvent, UsageEvent)
"""Events that come of a turn; others (notices, warnings) may come at any time."""


class EventTurns:
    """Says of each event of a hosted agent whether it is late, and of which turn then."""

    def __init__(self) -> None:
        self._turn = 0
        self._runs = False
        self._of_ids: dict[str, int] = {}
        self._of_items: dict[str, int] = {}
        self._of_calls: dict[str, int] = {}

    def turn_began(self, number: int, native_id: str | None) -> None:
        """Note that the agent has begun a turn; `native_id` is its own id of it."""
        self._turn, self._runs = number, True
        if native_id:
            _remember(self._of_ids, native_id, number)

    def turn_ended(self) -> None:
        """Note that the agent has ended its turn."""
        self._runs = False

    def late_turn_of(self, event: AgentEvent, native_id: str | None = None) -> int | None:
        """Return the number of the turn that has ended, if an event belongs to one.

        `native_id` is the agent's own id of the turn, where it names one.  Else an item belongs
        to the turn in which it began, what a subagent does to the one that has started it.
        """
        named = self._of_ids.get(native_id or "")
        turn = named or self._turn_of_item(event) or self._turn
        self._note_item(event, turn)
        if turn in (0, self._turn) and self._runs:
            return None
        is_its = named is not None or turn != self._turn or isinstance(event, _WORK)
        return turn if turn and is_its and "turn" in event.__struct_fields__ else None

    def _turn_of_item(self, event: AgentEvent) -> int | None:
        item, parent = getattr(event, "item", ""), getattr(event, "parent", None)
        return self._of_items.get(item) or self._of_calls.get(parent or "")

    def _note_item(self, event: AgentEvent, turn: int) -> None:
        if isinstance(event, _BEGIN):
            _remember(self._of_items, event.item, turn)
        if isinstance(event, ToolStartEvent):
            _remember(self._of_calls, event.item, turn)
        if isinstance(event, _END):
            self._of_items.pop(event.item, None)


def _remember(turns: dict[str, int], key: str, turn: int) -> None:
    turns[key] = turn
    if len(turns) > KEPT:
        del turns[next(iter(turns))]
