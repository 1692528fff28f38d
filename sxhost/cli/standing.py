"""How sessions stand for whoever looks after many: who needs somebody, what each does now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, get_args

from sxhost.cli.formats import age, reason_text
from sxhost.model.approval import Approval
from sxhost.model.session import Summary

__all__ = [
    "COLOURS",
    "NEEDY",
    "ORDER",
    "OVER",
    "Standing",
    "by_need",
    "now_text",
    "oldest_by_session",
    "standing",
]

Standing = Literal[
    "approval",
    "question",
    "waiting",
    "stalled",
    "failed",
    "working",
    "idle",
    "asleep",
    "lost",
    "ended",
]
"""What a session needs, or does; in the order in which somebody wants to know."""

NEEDY: Final[Sequence[Standing]] = ("approval", "question", "waiting", "stalled", "failed")
"""Those that go on only if somebody does something."""

OVER: Final[Sequence[Standing]] = ("lost", "ended")

ORDER: Final[Mapping[Standing, int]] = {
    name: place for place, name in enumerate(get_args(Standing))
}

CALL: Final = "tool-start: "

COLOURS: Final[Mapping[Standing, str]] = {
    "approval": "yellow",
    "question": "yellow",
    "waiting": "yellow",
    "stalled": "red",
    "failed": "red",
    "working": "green",
    "asleep": "dim",
    "lost": "dim",
    "ended": "dim",
}


def oldest_by_session(approvals: Iterable[Approval]) -> dict[str, Approval]:
    """Return of each session the approval that has waited longest."""
    oldest: dict[str, Approval] = {}
    for approval in sorted(approvals, key=lambda one: one.opened_ms):
        oldest.setdefault(approval.session, approval)
    return oldest


def standing(session: Summary, asked: Approval | None = None) -> Standing:
    """Return how a session stands; `asked` is what its agent waits for, where that is known."""
    if session.pending_approvals:
        return "question" if asked is not None and asked.inquiries else "approval"
    if session.rest == "ended":
        return "ended"
    if session.detail_state == "idle":
        if session.has_failed:
            return "failed"
        return "asleep" if session.rest == "asleep" else "idle"
    return session.detail_state


def by_need(sessions: Iterable[Summary], asked: Mapping[str, Approval]) -> list[Summary]:
    """Return sessions in the order in which they need somebody.

    Of those the one that has waited longest is first, of the others the one heard last.
    """

    def key(session: Summary) -> tuple[int, int, str]:
        stands = standing(session, asked.get(session.id))
        waits = stands in NEEDY
        at = session.since_ms if waits else -session.last_seen_ms
        return ORDER[stands], at, session.id

    return sorted(sessions, key=key)


def now_text(session: Summary, asked: Approval | None, now_ms: int) -> str:
    """Return what a session does now and for how long: ``Bash: make test · 2 min``."""
    stands = standing(session, asked)
    what, since = session.preview, 0
    if stands in ("approval", "question", "waiting"):
        what, since = session.activity or session.preview, session.since_ms
        if asked is not None:
            what, since = _asked_text(asked), asked.opened_ms
    elif stands == "stalled":
        what, since = f"silent in {session.activity or 'its turn'}", session.last_seen_ms
    elif stands == "working":
        what, since = _work_text(session)
    elif stands == "failed":
        what = reason_text(session.preview or session.reason.removeprefix("error: "))
    if not since:
        return what
    return " · ".join(filter(None, (what, age((now_ms - since) / 1000))))


def _asked_text(asked: Approval) -> str:
    return asked.title or (asked.inquiries[0].text if asked.inquiries else asked.kind)


def _work_text(session: Summary) -> tuple[str, int]:
    """Return what a session works at, and since when (Unix ms)."""
    if session.activity:
        return session.activity, session.activity_since_ms or session.since_ms
    if session.reason == "background":
        return "in the background", session.since_ms
    if session.reason.startswith(CALL):  # an attached agent has fired a mere text
        return session.reason.removeprefix(CALL), session.since_ms
    return "thinking", session.turn_since_ms or session.since_ms
