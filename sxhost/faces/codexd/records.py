"""Sessions of the host as codexd's session records, and snapshots of all: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, cast

from sxhost.codec.json import encode
from sxhost.faces.codexd.records_wire import (
    ENDPOINT,
    CodexdChild,
    CodexdDaemon,
    CodexdEvent,
    CodexdIdentity,
    CodexdRecentEvents,
    CodexdRunRegistry,
    CodexdSession,
    CodexdSessionRegistry,
    CodexdSnapshot,
    Purpose,
    iso,
)
from sxhost.faces.codexd.requests_to_host import METADATA_KEY
from sxhost.model.session import Session
from sxhost.model.turn import Turn

__all__ = ["HostMoment", "session_record", "snapshot_of", "turn_id_of"]

Object = dict[str, object]


def session_record(session: Session) -> CodexdSession:
    """Return codexd's record of a session."""
    settings = _settings(session)
    launch, turn = session.launch, session.turn
    pid = session.process.pid if session.process else 0
    closed = not pid and settings.get("ephemeral") is True
    return CodexdSession(
        session_id=session.id,
        purpose=cast("Purpose", settings.get("purpose", "duplex")),
        thread_id=session.native_id or (launch.resume if launch else None),
        status="closed" if closed else "active",
        endpoint=ENDPOINT,
        child_pid=pid or None,
        created_at=iso(session.start_ms),
        updated_at=iso(max(session.start_ms, session.last_seen_ms)),
        cwd=session.cwd or None,
        model=session.model or None,
        model_provider=session.provider or None,
        metadata=_metadata(session.metadata),
        current_turn_id=turn_id_of(turn) if turn and turn.status == "running" else None,
        last_turn_id=turn_id_of(turn),
        last_turn_status=TURN_STATUS.get(turn.status, "failed") if turn else None,
        last_turn_error=_turn_error(turn) if turn else None,
        approval_policy=settings.get("approvalPolicy"),
        base_instructions=settings.get("baseInstructions"),
        config=settings.get("config"),
        developer_instructions=settings.get("developerInstructions"),
        ephemeral=settings.get("ephemeral"),
        personality=settings.get("personality"),
        sandbox=settings.get("sandbox"),
        service_tier=settings.get("serviceTier"),
    )


SHOWN: Final = frozenset(
    {
        "approvalPolicy",
        "baseInstructions",
        "config",
        "developerInstructions",
        "ephemeral",
        "personality",
        "sandbox",
        "serviceTier",
    }
)
"""Fields of a request that its record repeats."""


def _settings(session: Session) -> Object:
    """Return a session's settings: those of its request, and those in force where turns have
    changed them.
    """
    requested = _object(session.metadata.get(METADATA_KEY))
    launch = session.launch
    if launch is None:
        return requested
    native = {k: v for k, v in launch.native.items() if k in SHOWN}
    in_force = {
        "approvalPolicy": launch.approval_policy or launch.native.get("approvalPolicy"),
        "sandbox": launch.sandbox or launch.native.get("sandboxPolicy"),
    }
    return {**native, **requested, **{k: v for k, v in in_force.items() if v is not None}}


def _metadata(metadata: Mapping[str, object]) -> dict[str, str]:
    """Return metadata as texts: codexd's clients know nothing else."""
    requested = metadata.get(METADATA_KEY)
    if isinstance(requested, dict):
        others = {name: value for name, value in metadata.items() if name != METADATA_KEY}
        metadata = {**others, **_object(requested.get("metadata"))}
    return {k: v if isinstance(v, str) else encode(v).decode() for k, v in metadata.items()}


TURN_STATUS: Final[Mapping[str, Literal["inProgress", "completed"]]] = {
    "running": "inProgress",
    "completed": "completed",
}


def _turn_error(turn: Turn) -> str | None:
    return None if turn.status in TURN_STATUS else turn.reason or turn.status


def turn_id_of(turn: Turn | None) -> str | None:
    """Return a turn's id in records: codex's own, if there is one."""
    return (turn.native_id or str(turn.id)) if turn else None


class HostMoment(NamedTuple):
    """A host at one moment: start and present in Unix milliseconds, process, epoch."""

    since_ms: int
    now_ms: int
    pid: int
    epoch: str


def snapshot_of(
    sessions: Sequence[Session], events: Sequence[CodexdEvent], moment: HostMoment
) -> CodexdSnapshot:
    """Return the snapshot of all sessions and the newest `events`."""
    now, since = iso(moment.now_ms), iso(moment.since_ms)
    reported = iso(max((session.last_seen_ms for session in sessions), default=moment.since_ms))
    newest = events[-1].created_at if events else since
    child = child_of(sessions, events)
    return CodexdSnapshot(
        daemon=CodexdDaemon(started_at=since, updated_at=now, pid=moment.pid, child=child),
        identity=CodexdIdentity(daemon_id=f"sxhost-{moment.epoch}", created_at=since),
        recent_events=CodexdRecentEvents(updated_at=newest, events=list(events)),
        run_registry=CodexdRunRegistry(updated_at=since),
        session_registry=CodexdSessionRegistry(
            updated_at=reported, sessions=[session_record(session) for session in sessions]
        ),
    )


def child_of(sessions: Sequence[Session], events: Sequence[CodexdEvent]) -> CodexdChild:
    """Return what is known of codex's process; the newest one, where there are several."""
    begun = _last(events, "session.registered")
    started = begun.created_at if begun else None
    for session in reversed(sessions):
        if session.process is not None and session.process.pid:
            pid = session.process.pid
            return CodexdChild(status="running", pid=pid, started_at=started)
    ended = _last(events, "app-server.transport.closed")
    if ended is None:
        return CodexdChild(status="stopped" if sessions else "idle")
    how = ended.detail or {}
    code, signal = how.get("exitCode"), how.get("signal")
    in_order = code == 0
    return CodexdChild(
        status="stopped" if in_order else "failed",
        started_at=started,
        exited_at=ended.created_at,
        exit_code=code if isinstance(code, int) else None,
        signal=signal if isinstance(signal, str) else None,
        last_error=None if in_order else ended.message,
    )


def _last(events: Sequence[CodexdEvent], name: str) -> CodexdEvent | None:
    return next((event for event in reversed(events) if event.type == name), None)


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}
