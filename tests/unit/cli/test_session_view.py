"""All about a session: for people without what is for machines, for scripts a line a field."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sxhost.cli.formats import columns_of
from sxhost.cli.session_view import detail_lines, session_view
from sxhost.cli.terminal import event_line
from sxhost.model.session import BackgroundTask
from sxhost.model.turn import Turn
from tests.unit.cli.test_standing import NOW, approval
from tests.unit.cli.test_terminal import ESCAPE, EVENT, detail

FULL = {
    "title": "Make it\nwork \x1b[8m", "agent": "codex", "model": "gpt-5", "provider": "openai",
    "cwd": "/home/me/api", "project": "api", "git_branch": "main", "labels": {"team": "a"},
    "usage": {"input_tokens": 13_300, "output_tokens": 410}, "pid": 7, "kind": "hosted",
    "turn": Turn(id=3, status="failed", reason="no model", start_ms=NOW - 130_000, end_ms=NOW),
    "background": [BackgroundTask(id="1", title="a server")], "sandbox": "read-only",
    "command": ["codex", "app-server"], "metadata": {"a": {"b": [True, None]}},
    "detail_state": "waiting", "pending_approvals": 1, "events": [EVENT], "queued_messages": 2,
    "approval_policy": "never", "native_id": "x-1", "continues": "old", "preview": "Done.",
    "start_time": NOW // 1000 - 7200, "last_seen_ms": NOW - 5000,
}  # fmt: skip


def shown(width: int = 80, **fields: Any) -> list[str]:
    asked = [approval(7, detail={"command": "make test"})]
    lines = session_view(detail(**{**FULL, **fields}), asked, NOW, width)
    return ["".join(text for text, _ in line) for line in lines]


def test_a_question_for_the_terminal_alone_is_said_to_be_one() -> None:
    asked = [approval(7, at_terminal_ms=NOW)]
    lines = session_view(detail(**FULL), asked, NOW, 80)
    text = "\n".join("".join(piece for piece, _ in line) for line in lines)
    assert "asks (command 7, for 2 min, only at its terminal): " in text


def test_people_are_told_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    first, second, *_ = lines = shown()
    assert first == r"abc-123 · Make it work \x1b[8m"
    assert second == "approval  make test · 2 min"
    text = "\n".join(lines)
    for words in (
        "agent       codex gpt-5 (openai)", "            run by the host, process 7",
        "directory   ~/api", "project     api main", "started     2 h ago, ",
        "turn        3, failed after 2 min 10 s: no model", "used        13.3k in, 410 out",
        "messages    2 queued, 42 events", "background  a server", "labels      team:a",
        "may         sandbox read-only, asks: never", "metadata    a: b: yes",
        "asks (command 7, for 2 min): make test", "    command: make test",
        "tool-start    Bash: ls",
    ):  # fmt: skip
        assert words in text


@pytest.mark.parametrize("width", [1, 20, 40, 80])
def test_no_line_but_what_is_asked_is_wider_than_the_terminal(width: int) -> None:
    lines = [line for line in shown(width) if "command: " not in line]
    assert max(map(columns_of, lines)) <= max(width, 20)


def test_a_running_turn_has_its_duration() -> None:
    turn = Turn(id=4, start_ms=NOW - 41_000)
    assert "turn        4, running for 41 s" in shown(turn=turn)


def test_fields_of_nothing_are_left_out() -> None:
    lines = session_view(detail(), [], NOW, 80)
    names = {line[0][0].strip() for line in lines}
    assert names.isdisjoint({"turn", "labels", "metadata", "used", "continues", "may"})


# For scripts.


def test_no_python_value_is_printed_for_scripts() -> None:
    lines = detail_lines(detail(**{**FULL, "title": "T"}))
    assert not [line for line in lines if any(mark in line for mark in ("(", "{", "[", "None"))]
    assert f"{'background':<18}id: 1, title: a server" in lines
    assert f"{'metadata':<18}a: b: yes" in lines


def test_session_details_leave_out_empty_fields_and_show_events() -> None:
    shown = detail(title=ESCAPE, labels={"team": "a"}, pid=7, events=[EVENT])
    lines = detail_lines(shown)
    assert lines[:2] == [f"{'id':<18}abc-123", f"{'state':<18}active"]
    assert f"{'title':<18}{ESCAPE}" in lines
    assert f"{'labels':<18}team: a" in lines
    assert f"{'pid':<18}7" in lines
    assert lines[-1] == f"  {event_line(EVENT)}"
    assert not [line for line in lines if line.startswith(("cwd", "events", "usage"))]


def test_session_details_have_local_dates_and_turn_fields() -> None:
    turn = Turn(id=2, status="completed", native_id="t", start_ms=1_710_312_005_000)
    lines = detail_lines(detail(turn=turn, command=["codex", "-v"], since_ms=1_710_312_005_999))
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_710_312_005))
    fields = f"id: 2, status: completed, native_id: t, start: {when}"
    assert f"{'turn':<18}{fields}" in lines
    assert f"{'command':<18}codex -v" in lines
    assert f"{'since':<18}{when}" in lines
