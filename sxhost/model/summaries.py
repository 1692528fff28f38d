"""Sessions as entries of a list, and the filters of queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sxhost.model.approval import Approval, ApprovalQuery
from sxhost.model.session import Session, SessionQuery, Summary
from sxhost.model.session_state import ACTIVE_STATES

__all__ = ["filter_approvals", "summarize", "summary_filter"]


def summarize(view: Session, queued: int, project: str) -> Summary:
    """Return a session (with its state of now) as an entry; `queued` messages wait for it."""
    turn = view.turn
    return Summary(
        id=view.id,
        state="active" if view.state.name in ACTIVE_STATES else "idle",
        last_event=view.last_event,
        event_count=view.event_count,
        model=view.model,
        provider=view.provider,
        detail_state=view.state.name,
        reason=view.state.reason,
        since_ms=view.state.since_ms,
        agent=view.agent,
        kind=view.kind,
        title=view.shown_title,
        cwd=view.cwd,
        git_branch=view.git_branch,
        labels=view.labels,
        start_time=view.start_ms // 1000,
        last_seen_ms=view.last_seen_ms,
        queued_messages=queued,
        pending_approvals=view.pending_approvals,
        rest=view.rest,
        preview=view.preview,
        activity=view.activity.title,
        activity_since_ms=view.activity.since_ms or None,
        turn_since_ms=turn.start_ms if turn and turn.status == "running" else None,
        input_tokens=count_of(view, "input_tokens"),
        output_tokens=count_of(view, "output_tokens"),
        cost_usd=cost_of(view),
        seen_seq=view.seen_seq,
        flagged=view.flagged,
        project=project,
    )


def _usage(view: Session) -> Mapping[str, object]:
    return view.usage if isinstance(view.usage, dict) else {}


def count_of(view: Session, name: str) -> int | None:
    """Return a count of a session's usage; attached agents may report anything."""
    value = _usage(view).get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def cost_of(view: Session) -> float | None:
    """Return the US dollars that a session has used, as far as its agent tells."""
    value = _usage(view).get("cost_usd")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def filter_approvals(approvals: Sequence[Approval], query: ApprovalQuery) -> list[Approval]:
    """Return the pending approvals, or all if `query` says so."""
    return [a for a in approvals if query.all or a.state == "pending"]


def _is_below(path: str, directory: str) -> bool:
    return bool(path) and f"{path.rstrip('/')}/".startswith(f"{directory}/")


def summary_filter(query: SessionQuery) -> Callable[[Summary], bool]:
    """Return a predicate: whether a summary matches `query`."""
    name, _, value = query.label.partition(":")
    directory = query.dir.rstrip("/")

    def matches(view: Summary) -> bool:
        return (
            view.id > query.after
            and query.state in ("", view.state, view.detail_state)
            and (not name or view.labels.get(name) == value)
            and query.agent in ("", view.agent)
            and query.project in ("", view.project)
            and (not query.dir or _is_below(view.cwd, directory))
        )

    return matches
