"""Items of a conversation as lines: how each looks, in any width, whoever has written them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from sxhost.cli.board.items import OPENED, item_strips
from sxhost.model.transcript import ItemKind, ItemStatus, TranscriptItem
from sxhost.visible import escape_hidden
from tests.support.hostile import HOSTILE, hostile


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def lines(width: int = 40, *, opened: bool = False, **fields: Any) -> str:
    given = {"kind": "message", "seq": 1, "last": 1, "ts_ms": 1_000, "end_ms": 3_100, **fields}
    strips = item_strips(TranscriptItem(**given), width, opened=opened)
    assert all(strip.cell_length <= width for strip in strips)
    return "\n".join(strip.text.rstrip() for strip in strips).rstrip()


def test_words_of_the_user_have_their_time() -> None:
    assert lines(kind="user", text="fix it\nnow", by="turn") == "\n00:00:01\n> fix it\n  now"


def test_answer_is_laid_out_as_markdown_once_it_is_whole() -> None:
    text = "# So\n\nIt **is** `x`:\n\n- one\n- two"
    assert "**is**" in lines(text=text, status="running")
    whole = lines(text=text)
    assert "**" not in whole
    assert "• one" in whole


def test_of_a_long_text_that_is_written_the_end_is_shown() -> None:
    text = "old " * 100 + "new " * 1_000
    shown = lines(80, text=text, status="running")
    assert shown.splitlines()[0] == "… 400 characters are shown once all is there"
    assert "old" not in shown
    assert "old" in lines(80, text=text)


def test_very_long_answer_is_shown_as_it_is() -> None:
    shown = lines(80, text="**word** " * 4_000)
    assert shown.startswith("**word**")
    assert "lines are left out" in shown


def test_call_is_a_line_and_more_if_that_is_wanted() -> None:
    call: dict[str, Any] = {"kind": "tool", "tool": "Bash", "title": "ls", "text": "a\nb\n"}
    assert lines(**call) == "✓ Bash ls  2.1 s"
    assert lines(opened=True, **call) == "✓ Bash ls  2.1 s\n  │ a\n  │ b"


def test_of_what_has_very_many_lines_the_middle_is_left_out() -> None:
    diff = "\n".join(f"+{n}" for n in range(1000))
    shown = lines(kind="diff", diff=diff, opened=True).splitlines()
    assert len(shown) == OPENED + 1
    assert shown[OPENED // 2] == "  … 801 lines are left out …"
    assert shown[-1] == "  +999"
    assert lines(kind="diff", diff=diff).endswith("  (940 lines more: t)")


def test_thoughts_are_a_line_unless_they_are_wanted() -> None:
    assert lines(kind="thinking", text="so\nmany") == "thinking: so (2 lines)"
    assert lines(kind="thinking", text="so\nmany", opened=True) == "so\nmany"


def test_what_waits_for_a_decision_is_a_line_since_it_is_in_front() -> None:
    assert lines(kind="approval", title="rm -rf /", status="pending") == "? rm -rf /"


@pytest.mark.parametrize("width", [1, 8, 20, 80, 250])
@pytest.mark.parametrize("kind", get_args(ItemKind))
def test_no_item_drives_the_terminal_or_is_wider_than_it(kind: str, width: int) -> None:
    given = hostile(TranscriptItem) | {"kind": kind}
    for status in get_args(ItemStatus):
        given["status"] = status
        item = msgspec.json.decode(msgspec.json.encode(given), type=TranscriptItem)
        for opened in (False, True):
            strips = item_strips(item, width, opened=opened)
            for strip in strips:
                assert strip.cell_length <= max(width, 8)
                assert escape_hidden(strip.text) == strip.text


def test_hostile_text_can_be_read() -> None:
    assert r"\x1b]0;title" in lines(width=200, text=HOSTILE)


@pytest.mark.parametrize(
    "text", ["漢字 " * 30, "🎉" * 90, "e\u0301" * 90, "\t" * 30, "x" * 500]
)
@pytest.mark.parametrize("kind", ["user", "message", "tool", "thinking"])
def test_wide_characters_are_not_cut_in_halves(kind: str, text: str) -> None:
    lines(21, kind=kind, text=text, title=text, tool="t", opened=True)
