"""Our events as Codex's ``EventMsg``: one table, an entry for each name.

Each function returns the frame's type and fields, or None where Codex would say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sxhost.faces.codex_sse.fields import EventFields, snaked
from sxhost.faces.codex_sse.translate_tools import begun, done, output

__all__ = ["ENDS", "FRAMES", "Frame"]

Frame = tuple[str, dict[str, Any]] | None
Frames = Mapping[str, Callable[[EventFields], Frame]]

# The conversation and its turns.


def _configured(told: EventFields) -> Frame:
    about = told.about
    known: dict[str, Any] = {}
    if about.approval_policy:
        known["approval_policy"] = about.approval_policy
    if about.sandbox:
        known["sandbox_policy"] = {"type": about.sandbox}
    return "session_configured", {
        "session_id": told.words.native_id or "",
        "session": about.session,
        "model": about.model,
        "model_provider_id": about.provider,
        **known,
        "cwd": about.cwd,
        "history_log_id": 0,
        "history_entry_count": 0,
    }


def _task_started(told: EventFields) -> Frame:
    return "task_started", {"turn_id": told.words.native_id or "", "model_context_window": None}


def _task_over(told: EventFields) -> Frame:
    return _OVER.get(told.words.status, _task_complete)(told)


def _task_complete(told: EventFields) -> Frame:
    return "task_complete", {**_turn(told), "last_agent_message": told.last}


def _task_aborted(told: EventFields) -> Frame:
    return "turn_aborted", {**_turn(told), "reason": "interrupted"}


def _task_failed(told: EventFields) -> Frame:
    turn = told.params.turn
    info = turn.error.codex_error_info if turn and turn.error else None
    message = told.words.reason or "The turn has failed."
    return "error", {"message": message, "codex_error_info": snaked(info)}


def _turn(told: EventFields) -> dict[str, str]:
    turn = told.params.turn
    return {"turn_id": turn.id} if turn else {}


_OVER: Final[Frames] = {"interrupted": _task_aborted, "failed": _task_failed}

# Words.


def _user_message(told: EventFields) -> Frame:
    return "user_message", {"message": told.words.text}


def _message(told: EventFields) -> Frame:
    return "agent_message", {"message": told.words.text}


def _message_delta(told: EventFields) -> Frame:
    return "agent_message_delta", {"delta": told.words.text}


def _thinking(told: EventFields) -> Frame:
    item = told.params.item
    raw = item is not None and not item.summary
    return f"agent_reasoning{'_raw_content' * raw}", {"text": told.words.text}


def _thinking_delta(told: EventFields) -> Frame:
    return _THOUGHTS.get(told.native.method, _reasoning_delta)(told)


def _reasoning_delta(told: EventFields) -> Frame:
    return "agent_reasoning_delta", {"delta": told.words.text}


def _raw_delta(told: EventFields) -> Frame:
    return "agent_reasoning_raw_content_delta", {"delta": told.words.text}


def _section(told: EventFields) -> Frame:
    params = told.params
    place = {"item_id": params.item_id or "", "summary_index": params.summary_index}
    return "agent_reasoning_section_break", place


_PART: Final = "item/reasoning/summaryPartAdded"
_THOUGHTS: Final[Frames] = {"item/reasoning/textDelta": _raw_delta, _PART: _section}

# What else there is to tell.


def _plan(told: EventFields) -> Frame:
    steps = [{"step": s.content, "status": s.status} for s in told.words.entries]
    return "plan_update", {"explanation": told.words.text or None, "plan": steps}


def _diff(told: EventFields) -> Frame:
    return "turn_diff", {"unified_diff": told.words.diff}


def _usage(told: EventFields) -> Frame:
    usage, words = told.params.token_usage, told.words
    total = {
        "input_tokens": words.input_tokens,
        "cached_input_tokens": words.cached_tokens,
        "output_tokens": words.output_tokens,
        "reasoning_output_tokens": words.reasoning_tokens,
        "total_tokens": words.total_tokens,
    }
    info = {
        "total_token_usage": snaked(usage.total) if usage else total,
        "last_token_usage": snaked(usage.last) if usage else total,
        "model_context_window": words.context_window,
    }
    return "token_count", {"info": info, "rate_limits": None}


def _compact(_told: EventFields) -> Frame:
    return "context_compacted", {}


def _warning(told: EventFields) -> Frame:
    return _WARNINGS.get(told.native.method, _plain_warning)(told)


def _plain_warning(told: EventFields) -> Frame:
    return "warning", {"message": told.words.text}


def _stream_error(told: EventFields) -> Frame:
    error = told.params.error
    if error is None:
        return _plain_warning(told)
    return "stream_error", {
        "message": error.message,
        "codex_error_info": snaked(error.codex_error_info),
        "additional_details": error.additional_details,
    }


def _deprecation(told: EventFields) -> Frame:
    params = told.params
    return "deprecation_notice", {"summary": params.summary, "details": params.details}


_WARNINGS: Final[Frames] = {"error": _stream_error, "deprecationNotice": _deprecation}


def _stalled(told: EventFields) -> Frame:
    message = f"Nothing was heard of the agent for {told.words.silent_s:.0f} seconds."
    return "background_event", {"message": message}


def _native(told: EventFields) -> Frame:
    tell = _NATIVE.get(told.native.method)
    return tell(told) if tell else None


_NATIVE: Final[Frames] = {_PART: _section}


FRAMES: Final[Frames] = {
    "started": _configured,
    "turn-started": _task_started,
    "user-message": _user_message,
    "message": _message,
    "message-delta": _message_delta,
    "thinking": _thinking,
    "thinking-delta": _thinking_delta,
    "tool-start": begun,
    "tool-output": output,
    "tool-done": done,
    "plan": _plan,
    "diff": _diff,
    "usage": _usage,
    "compact": _compact,
    "warning": _warning,
    "stalled": _stalled,
    "native": _native,
    "complete": _task_over,
    "error": _task_failed,
}
"""What the driver's events (`sxhost.drivers.contracts`) and the host's own are called by
Codex.
"""

ENDS: Final = frozenset({"complete", "error"})
"""Events that end a turn, if they name one."""
