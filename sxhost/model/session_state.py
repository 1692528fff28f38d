"""What a session's log says about its state, and what silence adds to it.

Both are pure functions: `after` folds events into a session, `derive` looks at it now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sxhost.model.limits import Limits
from sxhost.model.rights import HOST_EVENTS
from sxhost.model.session import Event, Session, State, StateName
from sxhost.model.turn import Turn, TurnStatus

__all__ = ["ACTIVE", "SPOKEN", "after", "derive", "unheard"]

ACTIVE: Final = frozenset({"working", "waiting", "stalled"})
"""The states that the source system's clients are told as ``active``."""

SPOKEN: Final = frozenset({"user-message", "message", "tool-done"})
"""Events that are messages of the conversation."""

_MEANS: Final[dict[str, StateName]] = {
    "thinking": "working",
    "tool-start": "working",
    "tool-done": "working",
    "user-message": "working",
    "turn-started": "working",
    "compact": "working",
    "message-delta": "working",
    "approval-requested": "waiting",
    "approval-resolved": "working",
    "started": "idle",
    "complete": "idle",
    "error": "idle",
    "idle": "idle",
    "stalled": "stalled",
    "ended": "ended",
}
"""Events that change the state.  Every other name is activity and leaves it as it is."""

_SETTLES: Final = frozenset(
    {"approval-requested", "approval-resolved", "complete", "error", "idle", "ended"}
)
_REASON_LENGTH: Final = 160
_LOST_PROMISES: Final = 3


def after(session: Session, events: Sequence[Event], at: int) -> Session:
    """Return the session as it is after `events` (in order, at least one), heard of `at` ms."""
    name, since, pending = session.state.name, session.state.since_ms, session.pending_approvals
    telling: Event | None = None
    turn = session.turn
    for event in events:
        turn = _turn(session, turn, event)
        means = _MEANS.get(event.event)
        if means is None and name == "stalled" and _is_its_own(session, event):
            means = "working"
        if means is None or (means == "working" and _is_late(event, turn)):
            continue
        pending = _pending(event.event, pending)
        if means == "working" and event.event == "approval-resolved" and pending:
            means = "waiting"
        if means != name:
            name, since = means, event.ts_ms
        telling = event
    state = session.state if telling is None else State(name, _reason(telling), since)
    return replace(
        session,
        state=state,
        pending_approvals=pending,
        usage=_usage(session, events),
        turn=turn,
        last_event=events[-1].event,
        event_count=events[-1].seq,
        message_count=session.message_count + sum(e.event in SPOKEN for e in events),
        last_seen_ms=at,
    )


def derive(session: Session, silent: float, limits: Limits) -> State:
    """Return the state now, `silent` seconds after the session was last heard from.

    A session that promised a heartbeat is stalled when it breaks it once and lost when it
    breaks it three times over.  Without a promise only work may not be silent: a session
    that is idle, or that waits for a person, may be so for days.
    """
    stall, lost = _patience(session, limits)
    heard = session.last_seen_ms
    if silent > lost:
        return State("lost", f"silent for {silent:.0f} s", heard + int(lost * 1000))
    if silent > stall:
        return State("stalled", f"silent for {silent:.0f} s", heard + int(stall * 1000))
    return session.state


def unheard(session: Session, running: float, boot_ms: int, limits: Limits) -> State:
    """Return the state of a session that has not reported since the host began.

    `running` is for how many seconds it has.  What was at work may have ended meanwhile.
    """
    if session.state.name not in ("working", "waiting"):
        return session.state
    _, lost = _patience(session, limits)
    name: StateName = "lost" if running > min(lost, limits.lost_after) else "stalled"
    return State(name, "not heard from since the host restarted", boot_ms)


def _patience(session: Session, limits: Limits) -> tuple[float, float]:
    if session.state.name == "ended":
        return float("inf"), float("inf")
    if session.heartbeat_s:
        return session.heartbeat_s, session.heartbeat_s * _LOST_PROMISES
    if session.state.name == "working":
        return limits.stall_after, limits.lost_after
    return float("inf"), float("inf")


def _pending(name: str, pending: int) -> int:
    if name not in _SETTLES:
        return pending
    if name == "approval-requested":
        return pending + 1
    if name == "approval-resolved":
        return max(0, pending - 1)
    return 0


def _is_its_own(session: Session, event: Event) -> bool:
    """Tell whether an event is of the session's agent: others may leave notes in a log."""
    return session.launch is None or event.event in HOST_EVENTS


def _reason(event: Event) -> str:
    """Return the event's name, with its data where that is a text."""
    data = bytes(event.data)
    if not data.startswith(b'"') or data == b'""':
        return event.event
    return f"{event.event}: {msgspec.json.decode(data)}"[:_REASON_LENGTH]


def _is_late(event: Event, turn: Turn | None) -> bool:
    """Tell whether an event comes after its turn: what is said then is no work any more."""
    over = turn is not None and turn.status != "running"
    return over and event.event not in ("turn-started", "user-message")


def _turn(session: Session, turn: Turn | None, event: Event) -> Turn | None:
    """Return the turn that runs, or the last one; only a host tells of them, by number."""
    if session.launch is not None and event.event in ("turn-started", "complete", "error"):
        return _turned(turn, event)
    return turn


def _turned(turn: Turn | None, event: Event) -> Turn | None:
    said = _said(event)
    if said.turn is None:
        return turn
    if event.event == "turn-started":
        return Turn(id=said.turn, native_id=said.native_id, start_ms=event.ts_ms)
    if turn is None or turn.id != said.turn:
        return turn
    status: TurnStatus = "failed" if event.event == "error" else said.status
    return replace(turn, status=status, reason=said.reason, end_ms=event.ts_ms)


class _Said(Struct, frozen=True):
    """What an event says of a turn."""

    turn: int | None = None
    native_id: str | None = None
    status: TurnStatus = "completed"
    reason: str = ""


def _said(event: Event) -> _Said:
    try:
        return msgspec.json.decode(event.data, type=_Said)
    except msgspec.DecodeError:
        return _Said()


def _usage(session: Session, events: Sequence[Event]) -> object:
    latest = next((e for e in reversed(events) if e.event == "usage"), None)
    return session.usage if latest is None else latest.value()
