"""How a session began, what it says and does now, a line each, for lists: pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from sxhost.model.event_types import (
    AgentEvent,
    ApprovalRequestedEvent,
    AsleepEvent,
    CompleteEvent,
    EndedEvent,
    ErrorEvent,
    IdleEvent,
    MessageEvent,
    StartedEvent,
    ToolDoneEvent,
    ToolStartEvent,
    TurnStartedEvent,
    UserMessageEvent,
    decode_event,
)
from sxhost.model.session import NO_ACTIVITY, Activity, Event, Session

__all__ = ["SessionLines", "first_words", "lines_after"]

LINE: Final = 160
"""Characters of a line."""

OPENING: Final = 60
"""Characters of the line that stands for a title."""

_STARTS: Final = frozenset({ToolStartEvent.name, ApprovalRequestedEvent.name})
_ENDS: Final = frozenset(
    kind.name
    for kind in (
        AsleepEvent,
        CompleteEvent,
        EndedEvent,
        ErrorEvent,
        IdleEvent,
        MessageEvent,
        StartedEvent,
        ToolDoneEvent,
        TurnStartedEvent,
    )
)
_CHANGES: Final = _STARTS | _ENDS | {UserMessageEvent.name}


class SessionLines(Struct, frozen=True):
    """The lines of a session: its first prompt, its agent's last words, and what it does."""

    opening: str
    preview: str
    activity: Activity


def lines_after(session: Session, events: Iterable[Event]) -> SessionLines:
    """Return the lines of a session after events."""
    lines = SessionLines(session.opening, session.preview, session.activity)
    for event in events:
        if event.event in _CHANGES:
            data = decode_event(event)
            lines = SessionLines(
                _opening(lines, data),
                _preview(lines, event, data),
                _activity(lines, event, data),
            )
    return lines


def _opening(lines: SessionLines, data: AgentEvent) -> str:
    match data:
        case UserMessageEvent(text=text, parent=None) if not lines.opening:
            return first_words(text)
    return lines.opening


def first_words(prompt: str) -> str:
    """Return the first words of a prompt in one line, as a title."""
    words = " ".join(prompt[: 4 * OPENING].split())
    if len(words) <= OPENING:
        return words
    cut = words[:OPENING].rpartition(" ")[0] or words[: OPENING - 1]
    return f"{cut}…"


def _preview(lines: SessionLines, event: Event, data: AgentEvent) -> str:
    match data:
        case MessageEvent(text=text, parent=None):
            return _line(text or event.plain_text()) or lines.preview
        case ErrorEvent(reason=reason):
            return _line(reason) or lines.preview
    return lines.preview


def _activity(lines: SessionLines, event: Event, data: AgentEvent) -> Activity:
    runs = lines.activity
    match data:
        case ToolStartEvent(title=title, tool=tool, item=item, late=late):
            return runs if late else Activity(_line(title or tool), event.ts_ms, item)
        case ApprovalRequestedEvent(title=title):
            return Activity(_line(title), event.ts_ms)
        case ToolDoneEvent(item=item) if runs.item and item != runs.item:
            return runs  # the call that has ended is another one
        case MessageEvent(parent=str()) | UserMessageEvent():
            return runs
    return NO_ACTIVITY


def _line(text: str) -> str:
    """Return the beginning of a text in one line."""
    return " ".join(text[: 4 * LINE].split())[:LINE]
