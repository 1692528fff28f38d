"""What an event says, in a line for a person; machines are given the event itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import UNSET

from sxhost.cli.formats import age, count, diff_extent, reason_text, usage_text
from sxhost.model.approval import TERMINAL, Approval
from sxhost.model.event import Event
from sxhost.model.event_types import (
    AgentEvent,
    ApprovalMovedEvent,
    ApprovalRequestedEvent,
    ApprovalResolvedEvent,
    AsleepEvent,
    BackgroundEvent,
    CompactEvent,
    CompleteEvent,
    DiffEvent,
    EndedEvent,
    ErrorEvent,
    HandedOverEvent,
    IdleEvent,
    MessageDeltaEvent,
    MessageEvent,
    NativeEvent,
    PlanEntry,
    PlanEvent,
    StalledEvent,
    StartedEvent,
    ThinkingDeltaEvent,
    ThinkingEvent,
    ToolDoneEvent,
    ToolOutputEvent,
    ToolStartEvent,
    TurnStartedEvent,
    UsageEvent,
    UserMessageEvent,
    WarningEvent,
    decode_event,
)

__all__ = ["DECISIONS", "decided_text", "decision_text", "event_text", "value_text"]

BY: Final[Mapping[str, str]] = {
    "own": "you",
    "agent": "the agent",
    "host": "the host",
}
"""Who decided (`sxhost.model.approval.Resolution.by`), for a person."""

DECISIONS: Final[Mapping[str, str]] = {
    "approve": "approved",
    "approve_session": "approved for the session",
    "deny": "denied",
    "cancel": "canceled",
}
"""Decisions as what was done."""


def event_text(event: Event) -> str:
    """Return what an event says, with the line breaks it has; empty if its name says all.

    Attached agents fire any data under any name: what has no meaning is shown as it is.
    """
    value = event.value()
    if value is None:
        return ""
    text = _text(decode_event(event)) if isinstance(value, dict) else ""
    return text or value_text(value)


def value_text(value: object) -> str:
    """Return any JSON value as a person writes it: a text, a list with commas, named values."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dict():
            named = ((name, value_text(inner)) for name, inner in value.items())
            return ", ".join(f"{name}: {text}" for name, text in named if text)
        case list():
            return ", ".join(filter(None, map(value_text, value)))
    return str(value)


def decision_text(approval: Approval) -> str:
    """Return how an approval was closed: ``approved by you``; empty while it waits."""
    how = approval.resolution
    if how is None:
        return ""
    if approval.state != "answered":
        return approval.state
    if how.by == TERMINAL:
        return decided_text(how.decision, how.by)
    decision, why = how.decision, how.reason or ""
    if how.answers:
        decision, why = "answered", value_text([*how.answers.values()])
    return f"{decided_text(decision, how.by)}{f': {why}' if why else ''}"


def decided_text(decision: str, by: str) -> str:
    """Return what was decided by whom: ``denied by the rule no-deploys``."""
    done = DECISIONS.get(decision, decision)
    if by == TERMINAL:
        return f"{done} at the terminal"
    if by.startswith("policy "):
        return f"{done} by the rule {by.removeprefix('policy ')}"
    return f"{done} by {BY.get(by, by)}"


def _text(event: AgentEvent) -> str:
    match event:
        case (
            UserMessageEvent(text=text)
            | MessageEvent(text=text)
            | MessageDeltaEvent(text=text)
            | ThinkingEvent(text=text)
            | ThinkingDeltaEvent(text=text)
            | ToolOutputEvent(text=text)
            | WarningEvent(text=text)
            | NativeEvent(text=text)
            | IdleEvent(text=text)
        ):
            pass
        case ToolStartEvent() | ToolDoneEvent():
            text = _tool_text(event)
        case ApprovalRequestedEvent() | ApprovalMovedEvent() | ApprovalResolvedEvent():
            text = _approval_text(event)
        case HandedOverEvent(words=text):
            pass
        case StartedEvent() | EndedEvent() | AsleepEvent() | StalledEvent():
            text = _agent_text(event)
        case TurnStartedEvent() | CompleteEvent() | ErrorEvent() | BackgroundEvent():
            text = _turn_text(event)
        case _:
            text = _conversation_text(event)
    return text


def _tool_text(event: ToolStartEvent | ToolDoneEvent) -> str:
    if isinstance(event, ToolStartEvent):
        return event.title or event.tool
    status = "" if event.status == "completed" else event.status
    code = f"exit status {event.exit_code}" if event.exit_code not in (0, None, UNSET) else ""
    output = "" if event.output is UNSET else value_text(event.output)
    how = ", ".join(filter(None, (status, code)))
    return ": ".join(filter(None, (event.tool, how, output)))


def _approval_text(
    event: ApprovalRequestedEvent | ApprovalMovedEvent | ApprovalResolvedEvent,
) -> str:
    about = f"{event.id}: {event.title or event.kind}"
    if isinstance(event, ApprovalMovedEvent):
        where = "here again" if event.at_terminal_ms is None else "only at its terminal"
        return f"{about} ({where})"
    return f"{about} ({how})" if (how := decision_text(event)) else about


def _agent_text(event: StartedEvent | EndedEvent | AsleepEvent | StalledEvent) -> str:
    match event:
        case StartedEvent():
            return " ".join(event.command) or " ".join(
                filter(None, (event.agent, event.reason))
            )
        case EndedEvent():
            return event.reason
        case AsleepEvent():
            return f"after {age(event.idle_s)} without work"
        case StalledEvent():
            return f"silent for {age(event.silent_s)}"


def _turn_text(event: TurnStartedEvent | CompleteEvent | ErrorEvent | BackgroundEvent) -> str:
    if isinstance(event, BackgroundEvent):
        return (
            "; ".join(task.title or task.kind or task.id for task in event.tasks) or "nothing"
        )
    turn = f"turn {event.turn}" if event.turn is not None else ""
    if isinstance(event, TurnStartedEvent):
        return turn
    how = (
        reason_text(event.reason or "")
        or (event.status if event.status != "completed" else "")
        or ""
    )
    return ": ".join(filter(None, (turn, how)))


def _conversation_text(event: AgentEvent) -> str:
    match event:
        case PlanEvent():
            return event.text or _plan_text(event.entries)
        case DiffEvent():
            return _diff_text(event)
        case UsageEvent():
            return usage_text(
                {
                    name: getattr(event, name)
                    for name in event.__struct_fields__
                    if name != "native"
                }
            )
        case CompactEvent(tokens_before=int(before)):
            return f"from {count(before)} tokens"
        case CompactEvent(text=text):
            return text
    return ""


def _plan_text(entries: Sequence[PlanEntry]) -> str:
    done = sum(entry.get("status") == "completed" for entry in entries)
    left = [entry.get("content", "") for entry in entries if entry.get("status") != "completed"]
    return f"{done} of {len(entries)} done{f'; next: {left[0]}' if left else ''}"


def _diff_text(event: DiffEvent) -> str:
    paths = [line[6:] for line in event.diff.splitlines() if line.startswith("+++ b/")]
    return f"{event.path or ', '.join(paths) or 'files'} {diff_extent(event.diff)}"
