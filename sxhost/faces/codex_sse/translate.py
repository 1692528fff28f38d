"""The host's events as Codex's ``EventMsg``: one table, `FRAMES`, with an entry for each name.

Each function returns the type and the fields of a frame, or None where Codex would send none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Never

from sxhost.faces.codex_sse.fields import EventFields, to_snake_case
from sxhost.faces.codex_sse.translate_tools import tool_done, tool_output, tool_started
from sxhost.model.event_types import (
    AgentEvent,
    CompactEvent,
    CompleteEvent,
    DiffEvent,
    ErrorEvent,
    MessageDeltaEvent,
    MessageEvent,
    NativeEvent,
    PlanEvent,
    StalledEvent,
    StartedEvent,
    ThinkingDeltaEvent,
    ThinkingEvent,
    TurnStartedEvent,
    UsageEvent,
    UserMessageEvent,
    WarningEvent,
)

__all__ = ["FRAMES", "Frame"]

Frame = tuple[str, dict[str, object]] | None
Translate = Callable[[EventFields[Never]], Frame]
"""A function for events of one type: `FRAMES` has it under the name of that type."""

# The conversation and its turns.


def _configured(event: EventFields[StartedEvent]) -> Frame:
    conversation = event.conversation
    known: dict[str, object] = {}
    if conversation.approval_policy:
        known["approval_policy"] = conversation.approval_policy
    if conversation.sandbox:
        known["sandbox_policy"] = {"type": conversation.sandbox}
    return "session_configured", {
        "session_id": event.data.native_id or "",
        "session": conversation.session,
        "model": conversation.model,
        "model_provider_id": conversation.provider,
        **known,
        "cwd": conversation.cwd,
        "history_log_id": 0,
        "history_entry_count": 0,
    }


def _task_started(event: EventFields[TurnStartedEvent]) -> Frame:
    return "task_started", {"turn_id": event.data.native_id or "", "model_context_window": None}


def _turn_ended(event: EventFields[CompleteEvent]) -> Frame:
    return _TURN_ENDS.get(event.data.status, _task_complete)(event)


def _task_complete(event: EventFields[CompleteEvent]) -> Frame:
    return "task_complete", {**_turn_id_of(event), "last_agent_message": event.last_message}


def _task_aborted(event: EventFields[CompleteEvent]) -> Frame:
    return "turn_aborted", {**_turn_id_of(event), "reason": "interrupted"}


def _task_failed(event: EventFields[CompleteEvent | ErrorEvent]) -> Frame:
    turn = event.params.turn
    info = turn.error.codex_error_info if turn and turn.error else None
    message = event.data.reason or "The turn has failed."
    return "error", {"message": message, "codex_error_info": to_snake_case(info)}


def _turn_id_of(event: EventFields[CompleteEvent]) -> dict[str, str]:
    turn = event.params.turn
    return {"turn_id": turn.id} if turn else {}


_TURN_ENDS: Final[Mapping[str | None, Callable[[EventFields[CompleteEvent]], Frame]]] = {
    "interrupted": _task_aborted,
    "failed": _task_failed,
}

# Messages and thinking.


def _user_message(event: EventFields[UserMessageEvent]) -> Frame:
    return "user_message", {"message": event.data.text}


def _message(event: EventFields[MessageEvent]) -> Frame:
    return "agent_message", {"message": event.data.text}


def _message_delta(event: EventFields[MessageDeltaEvent]) -> Frame:
    return "agent_message_delta", {"delta": event.data.text}


def _thinking(event: EventFields[ThinkingEvent]) -> Frame:
    item = event.params.item
    raw = item is not None and not item.summary
    return f"agent_reasoning{'_raw_content' * raw}", {"text": event.data.text}


def _thinking_delta(event: EventFields[ThinkingDeltaEvent]) -> Frame:
    return _THINKING_DELTAS.get(event.native.method, _reasoning_delta)(event)


def _reasoning_delta(event: EventFields[ThinkingDeltaEvent]) -> Frame:
    return "agent_reasoning_delta", {"delta": event.data.text}


def _raw_delta(event: EventFields[ThinkingDeltaEvent]) -> Frame:
    return "agent_reasoning_raw_content_delta", {"delta": event.data.text}


def _section(event: EventFields[AgentEvent]) -> Frame:
    params = event.params
    place = {"item_id": params.item_id or "", "summary_index": params.summary_index}
    return "agent_reasoning_section_break", place


_SUMMARY_PART: Final = "item/reasoning/summaryPartAdded"
_THINKING_DELTAS: Final[Mapping[str, Callable[[EventFields[ThinkingDeltaEvent]], Frame]]] = {
    "item/reasoning/textDelta": _raw_delta,
    _SUMMARY_PART: _section,
}

# Plans, diffs, usage, warnings.


def _plan(event: EventFields[PlanEvent]) -> Frame:
    steps = [
        {"step": entry.get("content", ""), "status": entry.get("status", "")}
        for entry in event.data.entries
    ]
    return "plan_update", {"explanation": event.data.text or None, "plan": steps}


def _diff(event: EventFields[DiffEvent]) -> Frame:
    return "turn_diff", {"unified_diff": event.data.diff}


def _usage(event: EventFields[UsageEvent]) -> Frame:
    usage, data = event.params.token_usage, event.data
    total = {
        "input_tokens": data.input_tokens or 0,
        "cached_input_tokens": data.cached_tokens or 0,
        "output_tokens": data.output_tokens or 0,
        "reasoning_output_tokens": data.reasoning_tokens or 0,
        "total_tokens": data.total_tokens or 0,
    }
    info = {
        "total_token_usage": to_snake_case(usage.total) if usage else total,
        "last_token_usage": to_snake_case(usage.last) if usage else total,
        "model_context_window": data.context_window or None,
    }
    return "token_count", {"info": info, "rate_limits": None}


def _compact(_event: EventFields[CompactEvent]) -> Frame:
    return "context_compacted", {}


def _warning(event: EventFields[WarningEvent]) -> Frame:
    return _WARNINGS.get(event.native.method, _plain_warning)(event)


def _plain_warning(event: EventFields[WarningEvent]) -> Frame:
    return "warning", {"message": event.data.text}


def _stream_error(event: EventFields[WarningEvent]) -> Frame:
    error = event.params.error
    if error is None:
        return _plain_warning(event)
    return "stream_error", {
        "message": error.message,
        "codex_error_info": to_snake_case(error.codex_error_info),
        "additional_details": error.additional_details,
    }


def _deprecation(event: EventFields[WarningEvent]) -> Frame:
    params = event.params
    return "deprecation_notice", {"summary": params.summary, "details": params.details}


_WARNINGS: Final[Mapping[str, Callable[[EventFields[WarningEvent]], Frame]]] = {
    "error": _stream_error,
    "deprecationNotice": _deprecation,
}


def _stalled(event: EventFields[StalledEvent]) -> Frame:
    message = f"Nothing was heard of the agent for {event.data.silent_s:.0f} seconds."
    return "background_event", {"message": message}


def _native(event: EventFields[NativeEvent]) -> Frame:
    return _section(event) if event.native.method == _SUMMARY_PART else None


FRAMES: Final[Mapping[str, Translate]] = {
    "started": _configured,
    "turn-started": _task_started,
    "user-message": _user_message,
    "message": _message,
    "message-delta": _message_delta,
    "thinking": _thinking,
    "thinking-delta": _thinking_delta,
    "tool-start": tool_started,
    "tool-output": tool_output,
    "tool-done": tool_done,
    "plan": _plan,
    "diff": _diff,
    "usage": _usage,
    "compact": _compact,
    "warning": _warning,
    "stalled": _stalled,
    "native": _native,
    "complete": _turn_ended,
    "error": _task_failed,
}
"""How each event is translated (`sxhost.model.event_types` has their types)."""
