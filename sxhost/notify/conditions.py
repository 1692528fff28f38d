"""What is so of sessions that somebody may want to know: pure functions of lists.

A condition is looked at, not heard: so nothing is missed while the host was away, and what is
over before anybody was told is never told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from sxhost.model.approval import Approval
from sxhost.model.session import Summary
from sxhost.notify.rules import Kind, NotifyRule

__all__ = ["WORDS", "SessionCondition", "WorkTime", "conditions", "matches", "note_work"]

WORDS: Final[Mapping[Kind, str]] = {
    "asks": "Needs your answer",
    "failed": "Failed",
    "done": "Done",
    "stalled": "Fell silent",
    "lost": "Lost",
    "ended": "Ended",
}
"""The conditions, as a person reads them before a session's name."""


class SessionCondition(Struct, frozen=True):
    """Something that is so of a session since a time (Unix ms); `key` tells it from others."""

    kind: Kind
    session: Summary
    key: str
    since_ms: int
    words: str = ""
    """What the agent says of it."""
    worked_s: float = 0.0
    """For how long it had worked, of one that is done."""


class WorkTime(Struct, frozen=True):
    """When a session's work began and, if it is over, ended (Unix ms)."""

    began_ms: int
    ended_ms: int = 0


def note_work(
    known: Mapping[str, WorkTime], sessions: Iterable[Summary]
) -> dict[str, WorkTime]:
    """Return the work of sessions after one more look at them."""
    noted: dict[str, WorkTime] = {}
    for session in sessions:
        work = known.get(session.id)
        if session.detail_state in ("working", "waiting", "stalled"):
            running = work is not None and not work.ended_ms
            began = work.began_ms if work is not None and running else session.since_ms
            noted[session.id] = WorkTime(session.turn_since_ms or began)
        elif work is not None and session.detail_state == "idle":
            noted[session.id] = WorkTime(work.began_ms, work.ended_ms or session.since_ms)
    return noted


def conditions(
    sessions: Iterable[Summary], asked: Sequence[Approval], work: Mapping[str, WorkTime]
) -> list[SessionCondition]:
    """Return all that is so, in no order."""
    by_id = {session.id: session for session in sessions}
    found = [
        SessionCondition(
            "asks", by_id[one.session], f"asks {one.session} {one.id}", one.opened_ms, one.title
        )
        for one in asked
        if one.session in by_id
    ]
    for session in by_id.values():
        known = work.get(session.id)
        kind = _kind(session, known)
        if kind is not None:
            took = (known.ended_ms - known.began_ms) / 1000 if known and kind == "done" else 0.0
            key = f"{kind} {session.id} {session.since_ms}"
            found.append(
                SessionCondition(kind, session, key, session.since_ms, session.preview, took)
            )
    return found


def _kind(session: Summary, work: WorkTime | None) -> Kind | None:
    if session.has_failed:
        return "failed"
    state = session.detail_state
    if state == "idle":
        return "done" if work is not None and work.ended_ms else None
    if state in ("stalled", "lost", "ended"):
        return state
    return None


def matches(rule: NotifyRule, condition: SessionCondition) -> bool:
    """Tell whether a rule is about a condition, whatever the hour."""
    session = condition.session
    name, colon, value = rule.label.partition(":")
    return (
        condition.kind in rule.when
        and rule.agent in ("", session.agent)
        and rule.project in ("", session.project)
        and rule.session in ("", session.id)
        and (not colon or session.labels.get(name) == value)
        and (condition.kind != "done" or condition.worked_s >= rule.work_s)
    )
