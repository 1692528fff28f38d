"""The host's events as codexd's event records: pure, an event in, a record out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import UNSET

from sxhost.faces.codexd.records import turn_id_of
from sxhost.faces.codexd.records_wire import CodexdEvent, Level, iso
from sxhost.model.event import Event
from sxhost.model.event_types import (
    NULL,
    WHOLE_OF,
    ApprovalResolvedEvent,
    CompleteEvent,
    EndedEvent,
    ErrorEvent,
    StartedEvent,
    TurnStartedEvent,
    decode_event,
)
from sxhost.model.session import Session
from sxhost.model.turn import CutReason

__all__ = ["DELTAS", "event_record", "gap_record"]

DELTAS: Final = frozenset(WHOLE_OF)
"""Events that are pieces of others; snapshots leave them out."""

MAX_MESSAGE: Final = 200
"""Characters of a record's message."""

Object = dict[str, object]


class TranslatedEvent(NamedTuple):
    """The parts of a record that depend on what the event is."""

    level: Level
    type: str
    message: str
    detail: Object


def event_record(event: Event, session: Session | None) -> CodexdEvent:
    """Return the record of an event of `session`, which may be forgotten by now (None)."""
    value = event.value()
    data: Object = value if isinstance(value, dict) else {"data": value}
    translated = _translate(event, data)
    return CodexdEvent(
        seq=event.id,
        created_at=iso(event.ts_ms),
        level=translated.level,
        type=translated.type,
        message=translated.message,
        detail=_with_ids(translated.detail, event, data, session),
    )


def _with_ids(detail: Object, event: Event, data: Object, session: Session | None) -> Object:
    """Put the ids that an event is about before its detail, whose own ids take precedence."""
    ids = _ids(event, data, session)
    known = {k: v for k, v in detail.items() if k not in ids or v is not None}
    return {**ids, **known, "sessionId": event.session}


def _ids(event: Event, data: Object, session: Session | None) -> Object:
    """Return the ids of the session, its thread, and the turn if it is known which."""
    params = _object(_object(data.get("native")).get("params"))
    native_id = data.get("native_id")
    thread = native_id if event.event == "started" else session and session.native_id
    ids: Object = {"sessionId": event.session, "threadId": thread or None}
    turn = None if event.event == "started" else native_id
    turn = turn or params.get("turnId") or _object(params.get("turn")).get("id")
    if turn is None and session and session.turn and session.turn.id == data.get("turn"):
        turn = turn_id_of(session.turn)
    return ids if turn is None else {**ids, "turnId": turn}


def _translate(event: Event, data: Object) -> TranslatedEvent:
    match decode_event(event):
        case StartedEvent(native_id=native_id):
            message = f"Codex session for thread {native_id or None} is registered."
            return TranslatedEvent("info", "session.registered", message, {})
        case TurnStartedEvent():
            message = "The turn has started."
            return TranslatedEvent("info", "app-server.turn.started", message, {})
        case CompleteEvent(turn=int()) | ErrorEvent(turn=int()) as end:
            return _turn_ended(end)
        case EndedEvent() as end:
            return _closed(end)
        case ApprovalResolvedEvent():
            return _of_the_host(event, data)
    return _native(event, data)


def _turn_ended(end: CompleteEvent | ErrorEvent) -> TranslatedEvent:
    """Translate the end of a turn; if codex has not reported it, the record says why."""
    status, reason = str(end.status), end.reason or ""
    if status == "failed" and end.native in (UNSET, NULL):
        failure = reason if reason in FAILURES else CutReason.PROCESS_ENDED
        message = f"The turn has failed, and codex has not told of its end: {reason}."
        detail: Object = {"status": status, "failureClass": failure, "reason": reason}
        return TranslatedEvent("error", "app-server.turn.completed.missing", message, detail)
    message = f"The turn is {status}: {reason}" if reason else f"The turn is {status}."
    level: Level = "error" if status == "failed" else "info"
    ended: Object = {"status": status, "reason": reason or None}
    return TranslatedEvent(level, "app-server.turn.completed", _short(message), ended)


FAILURES: Final = frozenset({CutReason.PROCESS_ENDED, CutReason.HOST_ENDED})
"""Reasons of turns that have failed although codex did not say so."""


def _closed(end: EndedEvent) -> TranslatedEvent:
    detail: Object = {
        "exitCode": None if end.code is UNSET else end.code,
        "signal": None if end.signal is UNSET else end.signal,
        "stderr": _short(end.stderr or ""),
    }
    message = _short(end.reason or "The app server has ended.")
    return TranslatedEvent("warn", "app-server.transport.closed", message, detail)


def _native(event: Event, data: Object) -> TranslatedEvent:
    """Translate under the name of codex's own method, else under the host's event."""
    native = _object(data.get("native"))
    method = native.get("method")
    if not isinstance(method, str):
        return _of_the_host(event, data)
    name = f"app-server.{method.replace('/', '.')}"
    detail = _object(native.get("params"))
    if event.event == "approval-requested":
        detail = {**detail, "approvalId": data.get("id")}
    return TranslatedEvent(
        LEVELS.get(event.event, "info"), name, _text_of(data) or name, detail
    )


def _of_the_host(event: Event, data: Object) -> TranslatedEvent:
    name = f"session.{event.event}"
    detail = {key: value for key, value in data.items() if key != "native"}
    return TranslatedEvent(
        LEVELS.get(event.event, "info"), name, _text_of(data) or name, detail
    )


LEVELS: Final[dict[str, Level]] = {"error": "error", "warning": "warn", "stalled": "warn"}


def _text_of(data: Object) -> str:
    """Return the text of an event for a reader, if it has any."""
    texts = (data.get(name) for name in ("text", "title", "reason", "tool"))
    return _short(next((text for text in texts if isinstance(text, str) and text), ""))


def _short(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 1]}…"


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def gap_record(fields: Mapping[str, object], now_ms: int) -> CodexdEvent:
    """Return the record of a gap: events between two cursors that retention has dropped."""
    start, end = str(fields["from"]), str(fields["to"])
    return CodexdEvent(
        seq=int(end.rpartition(":")[2]),
        created_at=iso(now_ms),
        level="warn",
        type="codexd.gap",
        message=f"Events are missing ({fields['reason']}): this client has not kept up.",
        detail={"from": start, "to": end, "reason": fields["reason"]},
    )
