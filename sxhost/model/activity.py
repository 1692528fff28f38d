"""How a session began, what it says and does now, a line each, for lists: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from sxhost.model.event import Event
from sxhost.model.event_types import (
    AgentEvent,
    ApprovalRequestedEvent,
    AsleepEvent,
    CompleteEvent,
    EndedEvent,
    ErrorEvent,
    HandedOverEvent,
    IdleEvent,
    MessageEvent,
    StartedEvent,
    ToolDoneEvent,
    ToolStartEvent,
    TurnStartedEvent,
    UserMessageEvent,
    decode_event,
)
from sxhost.model.session import NO_ACTIVITY, Activity, Session

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
        HandedOverEvent,
        IdleEvent,
        MessageEvent,
        StartedEvent,
        ToolDoneEvent,
        TurnStartedEvent,
    )
)
_CHANGES: Final = _STARTS | _ENDS
_SPEAKS: Final = frozenset({MessageEvent.name, ErrorEvent.name})


class SessionLines(Struct, frozen=True):
    """The lines of a session: its first prompt, its agent's last words, and what it does."""

    opening: str
    preview: str
    activity: Activity


def lines_after(session: Session, events: Sequence[Event]) -> SessionLines:
    """Return the lines of a session after events; of a batch, few are decoded."""
    opening = session.opening or _opening_of(events)
    changes = [event for event in events if event.event in _CHANGES]
    if not changes:
        return SessionLines(opening, session.preview, session.activity)
    return SessionLines(
        opening,
        _preview_after(session.preview, changes),
        _activity_after(session.activity, changes),
    )


def _opening_of(events: Sequence[Event]) -> str:
    for event in events:
        if event.event == UserMessageEvent.name:
            match decode_event(event):
                case UserMessageEvent(text=text, parent=None) if opening := first_words(text):
                    return opening
    return ""


def first_words(prompt: str) -> str:
    """Return the first words of a prompt in one line, as a title."""
    words = " ".join(prompt[: 4 * OPENING].split())
    if len(words) <= OPENING:
        return words
    cut = words[:OPENING].rpartition(" ")[0] or words[: OPENING - 1]
    return f"{cut}…"


def _preview_after(preview: str, events: Sequence[Event]) -> str:
    """Return the last words of an agent: those of the last event that has any."""
    for event in reversed(events):
        if event.event in _SPEAKS and (words := _words(event)):
            return words
    return preview


def _words(event: Event) -> str:
    match decode_event(event):
        case MessageEvent(text=text, parent=None):
            return _line(text or event.plain_text())
        case ErrorEvent(reason=reason):
            return _line(reason)
    return ""


def _activity_after(runs: Activity, events: Sequence[Event]) -> Activity:
    """Return what runs after events: the last that settles it matters, and those behind."""
    last: list[tuple[Event, AgentEvent]] = []
    for event in reversed(events):
        data = decode_event(event)
        last.append((event, data))
        if _settles(data):
            break
    for event, data in reversed(last):
        runs = _activity(runs, event, data)
    return runs


def _settles(data: AgentEvent) -> bool:
    """Tell whether after an event the same runs, whatever has run before."""
    match data:
        case ToolStartEvent(late=late):
            return not late
        case ToolDoneEvent():
            return False
        case MessageEvent(parent=parent):
            return parent is None
    return True


def _activity(runs: Activity, event: Event, data: AgentEvent) -> Activity:
    match data:
        case ToolStartEvent(title=title, tool=tool, item=item, late=late):
            return runs if late else Activity(_line(title or tool), event.ts_ms, item)
        case ApprovalRequestedEvent(title=title):
            return Activity(_line(title), event.ts_ms)
        case ToolDoneEvent(item=item) if runs.item and item != runs.item:
            return runs  # the call that has ended is another one
        case MessageEvent(parent=str()):
            return runs
    return NO_ACTIVITY


def _line(text: str) -> str:
    """Return the beginning of a text in one line."""
    return " ".join(text[: 4 * LINE].split())[:LINE]
