"""What an agent had begun and will never end: read from the log, and ended as cut.

A driver cuts what is open when its agent ends.  When the host was killed, or an attached
program, nobody has: its pieces would be all there is of a text, and would never leave the log.
"""

from __future__ import annotations

from typing import Final

from sxhost.agents.event_writer import fitting
from sxhost.drivers.kit.open_items import OpenItems
from sxhost.model.event import EventDraft
from sxhost.model.event_types import (
    PIECES,
    WHOLE_OF,
    AgentEvent,
    ToolStartEvent,
    decode_event,
    encode_data,
)
from sxhost.model.pieces import NATIVE
from sxhost.store.contracts import EventLog

__all__ = ["cut_unfinished"]

PAGE: Final = 1000
"""Events that are read at once."""

BEGINS_ANEW: Final = frozenset({"started", "ended", "turn-started", "complete", "error"})
"""What is open before one of these is not of the turn that was broken off."""

READ: Final = (BEGINS_ANEW | PIECES | {*WHOLE_OF.values(), ToolStartEvent.name}) - {NATIVE}


class Collected:
    """Takes events."""

    def __init__(self) -> None:
        self.events: list[AgentEvent] = []

    def report_event(self, event: AgentEvent, turn: str | None = None) -> None:  # noqa: ARG002
        """Take an event."""
        self.events.append(event)


async def cut_unfinished(log: EventLog, session_id: str, event_size: int) -> list[EventDraft]:
    """Return what ends the texts and calls that a session's last turn has left open."""
    reports = Collected()
    open_items, seq = OpenItems(reports), 0
    while page := await log.read_events(session_id, seq=seq, limit=PAGE, names=READ):
        for event in page:
            if event.event in BEGINS_ANEW:
                open_items = OpenItems(reports)
            else:
                open_items.report(decode_event(event))
        seq = page[-1].seq
        reports.events.clear()
    reports.events.clear()
    open_items.cut()
    return [
        EventDraft(event=event.name, data=fitting(encode_data(event), event_size))
        for event in reports.events
    ]
