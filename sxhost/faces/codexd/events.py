"""Our events as codexd tells them: pure, an event in, a record out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from sxhost.agents.session import CUT_SHORT
from sxhost.agents.supervisor import HOST_ENDED
from sxhost.faces.codexd.records import turn_name
from sxhost.faces.codexd.records_wire import CodexdEvent, Level, iso
from sxhost.model.session import Event, Session

__all__ = ["DELTAS", "event_record", "gap_record"]

DELTAS: Final = frozenset({"message-delta", "thinking-delta", "tool-output"})
"""Events that are pieces of others; a snapshot leaves them out."""

LONGEST: Final = 200
"""Characters of a message."""

Object = dict[str, Any]


class TranslatedEvent(NamedTuple):
    """What is told of an event."""

    level: Level
    type: str
    message: str
    detail: Object


def event_record(event: Event, session: Session | None) -> CodexdEvent:
    """Return an event as codexd tells it; `session` is the one that it is of."""
    value = event.value()
    data: Object = value if isinstance(value, dict) else {"data": value}
    told = _TELL.get(event.event, _native)(event, data)
    return CodexdEvent(
        seq=event.id,
        created_at=iso(event.ts_ms),
        level=told.level,
        type=told.type,
        message=told.message,
        detail=_with_ids(told.detail, event, data, session),
    )


def _with_ids(detail: Object, event: Event, data: Object, session: Session | None) -> Object:
    """Say first what it is about, where codex does not say it better."""
    ids = _ids(event, data, session)
    said = {k: v for k, v in detail.items() if k not in ids or v is not None}
    return {**ids, **said, "sessionId": event.session}


def _ids(event: Event, data: Object, session: Session | None) -> Object:
    """Return what an event is about: a session, its thread, a turn if it is known which."""
    told = _object(_object(data.get("native")).get("params"))
    native_id = data.get("native_id")
    thread = native_id if event.event == "started" else session and session.native_id
    ids: Object = {"sessionId": event.session, "threadId": thread or None}
    turn = None if event.event == "started" else native_id
    turn = turn or told.get("turnId") or _object(told.get("turn")).get("id")
    if turn is None and session and session.turn and session.turn.id == data.get("turn"):
        turn = turn_name(session.turn)
    return ids if turn is None else {**ids, "turnId": turn}


def _registered(_event: Event, data: Object) -> TranslatedEvent:
    message = f"Codex session for thread {data.get('native_id')} is registered."
    return TranslatedEvent("info", "session.registered", message, {})


def _turn_started(_event: Event, _data: Object) -> TranslatedEvent:
    return TranslatedEvent("info", "app-server.turn.started", "The turn has started.", {})


def _turn_over(event: Event, data: Object) -> TranslatedEvent:
    """Tell of a turn's end; where codex has not told of it, say why."""
    if "turn" not in data:
        return _native(event, data)
    status, reason = str(data.get("status")), str(data.get("reason") or "")
    if status == "failed" and data.get("native") is None:
        failure = reason if reason in FAILURES else CUT_SHORT
        message = f"The turn has failed, and codex has not told of its end: {reason}."
        detail = {"status": status, "failureClass": failure, "reason": reason}
        return TranslatedEvent("error", "app-server.turn.completed.missing", message, detail)
    message = f"The turn is {status}: {reason}" if reason else f"The turn is {status}."
    level: Level = "error" if status == "failed" else "info"
    ended: Object = {"status": status, "reason": reason or None}
    return TranslatedEvent(level, "app-server.turn.completed", _short(message), ended)


FAILURES: Final = frozenset({CUT_SHORT, HOST_ENDED})
"""Why turns fail that codex could not finish."""


def _closed(_event: Event, data: Object) -> TranslatedEvent:
    message = str(data.get("reason") or "The app server has ended.")
    detail = {"exitCode": data.get("code"), "signal": data.get("signal")}
    stderr = _short(str(data.get("stderr") or ""))
    return TranslatedEvent(
        "warn", "app-server.transport.closed", _short(message), {**detail, "stderr": stderr}
    )


def _native(event: Event, data: Object) -> TranslatedEvent:
    """Tell what codex has said under codex's name for it, else under ours."""
    native = _object(data.get("native"))
    method = native.get("method")
    if not isinstance(method, str):
        return _own(event, data)
    name = f"app-server.{method.replace('/', '.')}"
    detail = _object(native.get("params"))
    if event.event == "approval-requested":
        detail = {**detail, "approvalId": data.get("id")}
    return TranslatedEvent(
        LEVELS.get(event.event, "info"), name, _sentence(data) or name, detail
    )


def _own(event: Event, data: Object) -> TranslatedEvent:
    name = f"session.{event.event}"
    detail = {key: value for key, value in data.items() if key != "native"}
    return TranslatedEvent(
        LEVELS.get(event.event, "info"), name, _sentence(data) or name, detail
    )


LEVELS: Final[dict[str, Level]] = {"error": "error", "warning": "warn", "stalled": "warn"}

_TELL: Final[dict[str, Callable[[Event, Object], TranslatedEvent]]] = {
    "started": _registered,
    "turn-started": _turn_started,
    "complete": _turn_over,
    "error": _turn_over,
    "ended": _closed,
    "approval-resolved": _own,
}


def _sentence(data: Object) -> str:
    """Return what is said in words, if anything is."""
    words = (data.get(name) for name in ("text", "title", "reason", "tool"))
    return _short(next((word for word in words if isinstance(word, str) and word), ""))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _object(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def gap_record(fields: Mapping[str, Any], now_ms: int) -> CodexdEvent:
    """Return the event that tells of events which are gone, between two cursors."""
    start, end = str(fields["from"]), str(fields["to"])
    return CodexdEvent(
        seq=int(end.rpartition(":")[2]),
        created_at=iso(now_ms),
        level="warn",
        type="codexd.gap",
        message=f"Events are missing ({fields['reason']}): this client has not kept up.",
        detail={"from": start, "to": end, "reason": fields["reason"]},
    )
