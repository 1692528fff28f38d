"""A session's state, derived from its log and from its silence.

All are pure functions: `apply_events` folds events into a session, `derive_state` adds the
silence since, and `state_since_boot` is for sessions that have not reported since the host
began.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec.structs import replace

from sxhost.model.activity import lines_after
from sxhost.model.event import Event
from sxhost.model.event_types import (
    ApprovalResolvedEvent,
    BackgroundEvent,
    CompleteEvent,
    ErrorEvent,
    StartedEvent,
    ThinkingEvent,
    ToolDoneEvent,
    ToolStartEvent,
    TurnStartedEvent,
    decode_event,
)
from sxhost.model.limits import Limits
from sxhost.model.rights import HOST_EVENTS
from sxhost.model.session import (
    BackgroundTask,
    Session,
    State,
    StateName,
)
from sxhost.model.turn import Turn, TurnStatus

__all__ = [
    "ACTIVE_STATES",
    "MESSAGE_EVENTS",
    "apply_events",
    "changes_by_silence",
    "derive_state",
    "state_since_boot",
]

ACTIVE_STATES: Final = frozenset({"working", "waiting", "stalled"})
"""The states that a summary's `state` has as ``active``; the others are ``idle``."""

MESSAGE_EVENTS: Final = frozenset({"user-message", "message", "tool-done"})
"""Events that count as messages of the conversation (`message_count`)."""

_STATE_AFTER: Final[dict[str, StateName]] = {
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
    "asleep": "idle",
    "handed-over": "idle",
    "complete": "idle",
    "error": "idle",
    "idle": "idle",
    "stalled": "stalled",
    "ended": "ended",
}
"""Events that set the state.  All other events leave it as it is."""

_CHANGE_PENDING: Final = frozenset(
    {"approval-requested", "approval-resolved", "complete", "error", "idle", "ended"}
)
_REPEATED: Final = frozenset({"startup", "compact"})
"""Reasons of a start that hooks may tell in the middle of a turn."""
_CHANGE_TURN: Final = frozenset({"turn-started", "complete", "error"})
_CHANGE_BACKGROUND: Final = frozenset(
    {"background", "complete", "started", "asleep", "handed-over", "ended"}
)
_SAME_PROCESS: Final = frozenset({"compact", "clear"})
"""Why a hook says that a session has started, though its process is the same."""
_REASON_LENGTH: Final = 160
_LOST_PROMISES: Final = 3
"""Heartbeats that a lost session has missed; a stalled one has missed the first."""


def apply_events(session: Session, events: Sequence[Event], at: int) -> Session:
    """Return the session after `events` (in order, at least one), received at `at` (ms)."""
    turn = session.turn
    over = session.turn_over or (turn is not None and turn.status != "running")
    now = _Now(
        session.state.name,
        session.state.since_ms,
        session.pending_approvals,
        session.background,
        turn,
        over,
        session.message_count,
    )
    for event in events:
        now.apply_event(event, session)
    lines = lines_after(session, events)
    return replace(
        session,
        state=now.state(session.state),
        pending_approvals=now.pending,
        background=now.tasks,
        opening=lines.opening,
        preview=lines.preview,
        activity=lines.activity,
        turn_over=now.turn_over,
        usage=session.usage if now.usage is None else now.usage.value(),
        turn=now.turn,
        last_event=events[-1].event,
        event_count=events[-1].seq,
        message_count=now.messages,
        last_seen_ms=at,
    )


class _Now(msgspec.Struct):
    """What events change of a session, while they are folded into it."""

    name: StateName
    since_ms: int
    pending: int
    tasks: list[BackgroundTask]
    turn: Turn | None
    turn_over: bool
    messages: int
    latest: Event | None = None
    """The last event that has set the state."""
    usage: Event | None = None
    """The last event that tells what was used."""

    def apply_event(self, event: Event, session: Session) -> None:
        name = event.event
        self._note(name, event, session)
        new = _STATE_AFTER.get(name)
        if new is None and self.name == "stalled" and _is_of_agent(session, event):
            new = "working"
        if name == "started" and self._runs() and _is_repeated_start(session, event):
            return
        if self.turn_over and self._begins_no_turn(event, session):
            new = self._rested()
        elif new == "working":
            new = self._worked(event, session)
        elif new is not None:
            self.turn_over = self.turn_over or new in ("idle", "ended")
            new = _state_at_rest(self.pending, self.tasks) if new == "idle" else new
        if new is not None:
            self.since_ms = self.since_ms if new == self.name else event.ts_ms
            self.name, self.latest = new, event

    def _note(self, name: str, event: Event, session: Session) -> None:
        """Note what an event changes beside the state; most change nothing else."""
        if name in MESSAGE_EVENTS:
            self.messages += 1
        elif name == "usage":
            self.usage = event
        if name in _CHANGE_TURN and session.kind == "hosted":  # others have no turns
            self.turn = _turn_after(self.turn, event)
        if name in _CHANGE_BACKGROUND:
            self.tasks = _background_after(self.tasks, event, session)
        if name in _CHANGE_PENDING:
            self.pending = _pending_approvals(name, self.pending, session, self.tasks)

    def _runs(self) -> bool:
        return self.name in ("working", "waiting") and not self.turn_over

    def _begins_no_turn(self, event: Event, session: Session) -> bool:
        """Return whether an event after a turn leaves its agent at rest."""
        if event.event == "approval-resolved":
            is_others = session.kind == "hosted" or bool(self.tasks)
            return is_others or _is_withdrawal(event)
        return event.event == "background"

    def _rested(self) -> StateName | None:
        """Return the state after an event that begins no turn; None: it is as it was."""
        new = _state_at_rest(self.pending, self.tasks)
        return None if self.name == "ended" or new == self.name != "working" else new

    def _worked(self, event: Event, session: Session) -> StateName | None:
        """Return the state after an event of work; None if it is none of the agent itself."""
        if _is_late(event, self.turn if session.kind == "hosted" else None):
            return None
        if self.turn_over and self.tasks and _has_parent(event):
            return None
        self.turn_over = False
        if not self.pending:
            return "working"
        is_same = self.name == "waiting" and event.event != "approval-resolved"
        return None if is_same else "waiting"

    def state(self, before: State) -> State:
        if self.latest is None:
            return before
        rests = self.turn_over and self.name == "working"
        return State(self.name, "background" if rests else _reason(self.latest), self.since_ms)


def derive_state(session: Session, silent: float, limits: Limits) -> State:
    """Return the state now, `silent` seconds after the session last reported.

    A session that promised a heartbeat is stalled after one that is missing, and lost after
    three.  Without a promise only a working session is expected to report: one that is idle,
    waits for a person, or has only a server running in the background, may stay so for days.
    """
    stall, lost = _silence_limits(session, limits)
    seen_ms = session.last_seen_ms
    if silent > lost:
        return State("lost", f"silent for {silent:.0f} s", seen_ms + int(lost * 1000))
    if silent > stall:
        return State("stalled", f"silent for {silent:.0f} s", seen_ms + int(stall * 1000))
    return session.state


def state_since_boot(session: Session, running: float, boot_ms: int, limits: Limits) -> State:
    """Return the state of a session that has not reported since the host began.

    The host has run for `running` seconds, since `boot_ms`.  An agent that worked before may
    have ended while the host was away.
    """
    rests = session.turn_over and session.state.name == "working"
    asks = session.state.name == "waiting" and session.pending_approvals
    if rests or asks or session.state.name not in ("working", "waiting"):
        return session.state
    _, lost = _silence_limits(session, limits)
    name: StateName = "lost" if running > min(lost, limits.lost_after) else "stalled"
    return State(name, "not heard from since the host restarted", boot_ms)


def changes_by_silence(session: Session) -> bool:
    """Tell whether `derive_state` or `state_since_boot` may say another state than the log."""
    if session.kind == "hosted":
        return False
    return bool(session.heartbeat_s) or session.state.name in ("working", "waiting")


def _silence_limits(session: Session, limits: Limits) -> tuple[float, float]:
    """Return after how many seconds of silence a session is stalled, and lost."""
    if session.state.name == "ended":
        return float("inf"), float("inf")
    if session.heartbeat_s:
        return session.heartbeat_s, session.heartbeat_s * _LOST_PROMISES
    if session.state.name == "working" and not session.turn_over:
        return limits.stall_after, limits.lost_after
    return float("inf"), float("inf")


def _pending_approvals(
    name: str, pending: int, session: Session, tasks: Sequence[BackgroundTask]
) -> int:
    """Return how many approvals are pending after an event of this name, which may change it.

    The host withdraws those of its agents one by one.
    """
    if name == "approval-requested":
        return pending + 1
    if name == "approval-resolved":
        return max(0, pending - 1)
    asker_may_wait = bool(tasks) or session.kind == "hosted"
    return pending if asker_may_wait and name != "ended" else 0


def _background_after(
    tasks: list[BackgroundTask], event: Event, session: Session
) -> list[BackgroundTask]:
    """Return what runs in the background after an event that may change it."""
    match decode_event(event):
        case BackgroundEvent(tasks=changed):
            return changed
        case CompleteEvent(background=left) if left or session.kind == "attached":
            return left
        case CompleteEvent():
            return tasks
        case StartedEvent(reason=reason) if reason in _SAME_PROCESS:
            return tasks
    return []


def _state_at_rest(pending: int, tasks: Sequence[BackgroundTask]) -> StateName:
    """Return the state of a session whose turn is over."""
    if pending:
        return "waiting"
    return "working" if tasks else "idle"


def _is_withdrawal(event: Event) -> bool:
    """Return whether an approval was closed since nobody asks any more."""
    match decode_event(event):
        case ApprovalResolvedEvent(state=state):
            return state == "withdrawn"
    return False


class _Parentage(msgspec.Struct):
    parent: str = ""


def _has_parent(event: Event) -> bool:
    """Return whether an event is of a subagent."""
    with suppress(ValueError, RecursionError):
        return bool(msgspec.json.decode(event.data, type=_Parentage).parent)
    return False


def _is_of_agent(session: Session, event: Event) -> bool:
    """Return whether an event is the agent's: clients may append to a hosted session too."""
    return session.kind == "attached" or event.event in HOST_EVENTS


def _reason(event: Event) -> str:
    """Return an event's name, with its data if that is a text; or that its turn was cut."""
    data = bytes(event.data)
    if event.event == "complete" and b'"interrupted"' in data:
        match decode_event(event):
            case CompleteEvent(status="interrupted"):
                return "interrupted"
    if not data.startswith(b'"') or data == b'""':
        return event.event
    return f"{event.event}: {msgspec.json.decode(data)}"[:_REASON_LENGTH]


def _is_late(event: Event, turn: Turn | None) -> bool:
    """Return whether an event comes after its turn has ended: it is not work any more."""
    if event.event in ("turn-started", "user-message"):
        return False
    if turn is None:
        return b'"late"' in bytes(event.data) and _says_late(event)
    return turn.status != "running" or (
        b'"turn"' in bytes(event.data) and _is_of_another(event, turn)
    )


def _says_late(event: Event) -> bool:
    match decode_event(event):
        case ThinkingEvent(late=late) | ToolStartEvent(late=late) | ToolDoneEvent(late=late):
            return late
    return False


def _is_of_another(event: Event, turn: Turn) -> bool:
    """Return whether an event is of an earlier turn than the one that runs."""
    late = getattr(decode_event(event), "turn", None)
    return isinstance(late, int) and late < turn.id


def _is_repeated_start(session: Session, event: Event) -> bool:
    """Return whether a start is none: Codex tells of it late, Claude after compaction."""
    match decode_event(event):
        case StartedEvent(reason=reason):
            return session.kind == "attached" and reason in _REPEATED
    return False


def _turn_after(turn: Turn | None, event: Event) -> Turn | None:
    """Return the turn that runs after an event that may change it, or the last one."""
    match decode_event(event):
        case TurnStartedEvent(turn=int(number), native_id=native_id):
            return Turn(id=number, native_id=native_id, start_ms=event.ts_ms)
        case CompleteEvent() | ErrorEvent() as end if turn is not None and end.turn == turn.id:
            is_failed = isinstance(end, ErrorEvent)
            status: TurnStatus = "failed" if is_failed else end.status or "completed"
            return replace(turn, status=status, reason=end.reason or "", end_ms=event.ts_ms)
    return turn
