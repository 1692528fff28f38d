"""Sessions on a board: their order, their groups, what each does."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sxhost.cli.board.rows import COLUMNS, row_of
from sxhost.cli.board.sessions import BoardSessions
from sxhost.model.approval import Approval
from sxhost.model.session import SessionRemoved, Summary, SummaryChange

IDLE = Summary(
    id="a", state="idle", last_event="", event_count=0, model="", provider="",
    detail_state="idle", reason="", since_ms=0, agent="claude", kind="attached", title="",
    cwd="", git_branch="", labels={}, start_time=0, last_seen_ms=0, queued_messages=0,
    pending_approvals=0,
)  # fmt: skip


def session(name: str, **fields: Any) -> Summary:
    return replace(IDLE, id=name, **fields)


def board(*sessions: Summary) -> BoardSessions:
    made = BoardSessions()
    for one in sessions:
        made.apply(SummaryChange(one.id, one))
    return made


def ids(found: list[Summary]) -> str:
    return " ".join(one.id for one in found)


def approval(session_id: str, opened_ms: int, title: str = "rm") -> Approval:
    return Approval(
        id=opened_ms, session=session_id, kind="command", title=title, detail={},
        choices=["approve", "deny"], opened_ms=opened_ms, expires_ms=None, native=None, key="k",
    )  # fmt: skip


def test_what_needs_somebody_comes_first() -> None:
    found = board(
        session("idle", since_ms=9),
        session("ended", detail_state="ended"),
        session("works", detail_state="working", since_ms=1),
        session("works-since-now", detail_state="working", since_ms=5),
        session("waits-since-now", detail_state="waiting", since_ms=8),
        session("waits", detail_state="waiting", since_ms=2),
        session("asks", detail_state="working", pending_approvals=1, since_ms=9),
        session("stalled", detail_state="stalled", since_ms=3),
        session("failed", reason="error", since_ms=1),
    )
    assert ids(found.listed()) == (
        "asks waits waits-since-now stalled failed works-since-now works idle ended"
    )
    assert found.counts() == {
        "approval": 1, "waiting": 2, "stalled": 1, "failed": 1, "working": 2, "idle": 1,
        "ended": 1,
    }  # fmt: skip


def test_of_what_is_done_what_nobody_has_looked_at_comes_first() -> None:
    found = board(
        session("seen", event_count=3, seen_seq=3, since_ms=9),
        session("new", event_count=3, seen_seq=2, since_ms=1),
        session("works", event_count=3, detail_state="working"),
    )
    assert ids(found.listed()) == "works new seen"
    assert [found.is_new(one) for one in found.listed()] == [False, True, False]
    assert row_of(session("new"), "idle", "", is_new=True).line.cells[0] == "●"


def test_what_merely_says_more_stays_where_it_is() -> None:
    found = board(
        session("a", detail_state="working", since_ms=2),
        session("b", detail_state="working", since_ms=1),
    )
    talks = session("b", detail_state="working", since_ms=1, last_seen_ms=99, event_count=7)
    found.apply(SummaryChange("b", talks))
    assert ids(found.listed()) == "a b"


def test_session_that_has_gone_is_not_listed() -> None:
    found = board(session("a"), session("b"))
    found.apply(SessionRemoved("a"))
    found.apply(SessionRemoved("never"))
    assert ids(found.listed()) == "b"
    assert found.get("a") is None


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        ("", "a b c"),
        ("LOGIN", "a"),
        ("claude", "a b"),
        ("claude site", "b"),
        ("team:x", "c"),
        ("approval", ""),
        ("feat/auth", "b"),
        ("codex nothing", ""),
    ],
)
def test_filter_takes_sessions_that_have_all_words(words: str, listed: str) -> None:
    found = board(
        session("a", title="login fix"),
        session("b", cwd="/home/me/site", git_branch="feat/auth"),
        session("c", agent="codex", labels={"team": "x"}),
    )
    assert ids(found.listed(words)) == listed


def test_what_is_asked_is_what_a_session_does() -> None:
    found = board(session("a", pending_approvals=2), session("b"))
    found.replace_approvals([approval("a", 5, "second"), approval("a", 2), approval("b", 1)])
    assert found.doing(session("a", pending_approvals=2), 60_002) == "rm · 1 min"
    assert [one.opened_ms for one in found.asked_by("a")] == [2, 5]
    assert [one.session for one in found.asked_elsewhere("a")] == ["b"]
    assert [one.opened_ms for one in found.asked_elsewhere(None)] == [1, 2, 5]
    found.replace_approvals([])
    assert found.asked_by("a") == []


def test_row_has_a_text_for_each_column() -> None:
    one = session(
        "abc", title="fix it", detail_state="working", project="site", git_branch="main",
        cost_usd=0.05,
    )  # fmt: skip
    row = row_of(one, "working", "make test · 1 min")
    names = [column.title for column in COLUMNS]
    assert dict(zip(names, row.line.cells, strict=True)) == {
        "": "▸", "SESSION": "fix it", "STATE": "working", "NOW": "make test · 1 min",
        "AGENT": "claude", "PROJECT": "site", "BRANCH": "main", "COST": "$0.05",
    }  # fmt: skip
    untitled = row_of(replace(one, title=""), "ended", "").line
    assert untitled.cells[:2] == ("·", "abc")
    assert set(untitled.colours) == {"dim"}
