"""The list of sessions at every width, and who is left out of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sxhost.cli.formats import columns_of
from sxhost.cli.session_list import Listed, session_table
from sxhost.model.session import Summary
from tests.unit.cli.test_standing import NOW, approval, session

LONG = "0192f0aa-1111-7000-8000-000000000001"
BUSY = session(
    LONG, detail_state="working", title="漢字 and\nmore \x1b[8m", agent="claude", model="opus",
    project="api", git_branch="main",
    activity="Bash: make test", activity_since_ms=NOW - 120_000,
    input_tokens=13_300, output_tokens=410, cost_usd=0.051, start_time=NOW // 1000 - 3600,
    last_seen_ms=NOW - 5000, cwd="/home/me/api", labels={"team": "a"},
)  # fmt: skip
ASKING = session(
    "tests", detail_state="waiting", pending_approvals=1, agent="echo", model="echo"
)
OVER = [session(f"old-{n}", detail_state="ended", last_seen_ms=n) for n in range(13)]


def lines(
    monkeypatch: pytest.MonkeyPatch, sessions: list[Summary], width: int, **how: Any
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("HOME", "/home/me")
    table = session_table(Listed(sessions, {"tests": approval(name="tests")}), NOW, **how)
    return ["".join(text for text, _ in line) for line in table]


def test_list_at_140_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    heading, first, second = lines(monkeypatch, [BUSY, ASKING], 140)
    assert second == (
        "working   0192f0aa  漢字 and more \\x1b[8m  claude  opus   api main"
        "  Bash: make test · 2 min     1 h  $0.05"
    )
    assert first.split() == [
        "approval",
        "tests",
        "echo",
        "make",
        "test",
        "·",
        "2",
        "min",
        "16",
        "min",
    ]
    assert heading.index("AGENT") == first.index("echo")


def test_list_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    heading, first, second = lines(monkeypatch, [BUSY, ASKING], 80)
    assert heading.split() == [*("STATE", "ID", "TITLE", "AGENT", "NOW", "AGE")]
    assert "make test · 2 min" in first
    assert " · 2 min" in second


def test_titles_have_twenty_columns_down_to_sixty(monkeypatch: pytest.MonkeyPatch) -> None:
    titled = replace(BUSY, title="Make the API tests pass again", model="gpt-5-codex")
    for width in range(60, 121):
        heading, line = lines(monkeypatch, [titled], width)
        title = heading.index("TITLE")
        assert line[title:].startswith("Make the API tests"), (width, line)


def test_in_twenty_columns_there_are_state_and_id(monkeypatch: pytest.MonkeyPatch) -> None:
    named = replace(BUSY, id="echo-54ceecaf")
    assert lines(monkeypatch, [named], 20) == ["STATE    ID", "working  echo-54cee…"]


@pytest.mark.parametrize("width", [1, 10, 20, 40, 60, 79, 120])
def test_no_line_is_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    shown = lines(monkeypatch, [BUSY, ASKING, *OVER], width)
    assert max(map(columns_of, shown)) <= width


def test_wide_list_is_uncut(monkeypatch: pytest.MonkeyPatch) -> None:
    _, line = lines(monkeypatch, [BUSY], 20, wide=True)
    for text in (
        LONG,
        "~/api",
        "13.3k in, 410 out, $0.05",
        "team:a",
        "Bash: make test · 2 min",
    ):
        assert text in line


def test_of_those_that_are_over_ten_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = lines(monkeypatch, OVER, 80)
    assert [line.split()[1] for line in shown[1:3]] == ["old-12", "old-11"]
    assert (len(shown), shown[-1]) == (12, "3 more are over: --all lists them")
    assert len(lines(monkeypatch, OVER, 80, everything=True)) == 14


def test_tokens_stand_for_a_cost_that_nobody_says(monkeypatch: pytest.MonkeyPatch) -> None:
    known = session("s", input_tokens=1_330_000, output_tokens=41_000)
    assert lines(monkeypatch, [known], 140)[1].endswith("1.37M tok")


def test_no_session_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(monkeypatch, [], 80) == ["No session."]
