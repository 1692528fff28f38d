"""What is so of sessions, by their summaries and what is asked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sxhost.model.session import Summary
from sxhost.notify.conditions import WorkTime, conditions, note_work


def session(state: str = "idle", *, since_ms: int = 0, **fields: Any) -> Summary:
    whole = dict.fromkeys(("last_event", "model", "provider", "agent", "cwd", "git_branch"), "")
    counts = (
        "event_count",
        "start_time",
        "last_seen_ms",
        "queued_messages",
        "pending_approvals",
    )
    given = {
        **whole,
        **dict.fromkeys(counts, 0),
        "id": "a",
        "state": "idle",
        "kind": "attached",
    }
    given |= {"title": "", "labels": {}, "reason": "", "detail_state": state}
    return msgspec.convert({**given, "since_ms": since_ms, **fields}, Summary)


@pytest.mark.parametrize(
    ("state", "reason", "kind"),
    [
        ("idle", "error", "failed"),
        ("idle", "error: no model", "failed"),
        ("idle", "complete", None),
        ("working", "thinking", None),
        ("waiting", "approval-requested", None),
        ("stalled", "silent", "stalled"),
        ("lost", "silent", "lost"),
        ("ended", "ended", "ended"),
    ],
)
def test_state_is_a_condition(state: str, reason: str, kind: str | None) -> None:
    found = conditions([session(state, reason=reason)], [], {})
    assert [one.kind for one in found] == ([kind] if kind else [])


def test_work_lasts_from_its_first_look_to_its_end() -> None:
    known: dict[str, WorkTime] = {}
    for state, since in [("working", 1000), ("waiting", 5000), ("working", 9000)]:
        known = note_work(known, [session(state, since_ms=since)])
    assert known == {"a": WorkTime(1000)}
    known = note_work(known, [session("idle", since_ms=21_000)])
    (done,) = conditions([session("idle", since_ms=21_000)], [], known)
    assert (done.kind, done.worked_s) == ("done", 20.0)
    known = note_work(known, [session("working", since_ms=30_000)])
    assert known == {"a": WorkTime(30_000)}, "it works anew"
    assert note_work(known, []) == {}


def test_turn_says_itself_when_it_began() -> None:
    known = note_work({}, [session("working", since_ms=9000, turn_since_ms=1000)])
    assert known == {"a": WorkTime(1000)}
