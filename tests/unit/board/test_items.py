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


def lines(width: int = 40, *, opened: bool = False, now_ms: int = 5_000, **fields: Any) -> str:
    given = {"kind": "message", "seq": 1, "last": 1, "ts_ms": 1_000, "end_ms": 3_100, **fields}
    strips = item_strips(TranscriptItem(**given), width, opened=opened, now_ms=now_ms)
    assert all(strip.cell_length <= width for strip in strips)
    return "\n".join(strip.text.rstrip() for strip in strips)


def test_words_of_the_user_have_a_bar() -> None:
    shown = lines(kind="user", text="fix the test\nplease", by="turn")
    assert shown == "\n00:00:01 you\n▌ fix the test\n▌ please"
    assert "you (steer)" in lines(kind="user", text="x", by="steer")


def test_answer_is_laid_out_as_markdown_once_it_is_whole() -> None:
    text = "# So\n\nIt **is** `x`:\n\n- one\n- two"
    assert "**is**" in lines(text=text, status="running")
    whole = lines(text=text)
    assert "**" not in whole
    assert "• one" in whole
    assert lines(text="so far", status="cut").endswith("so far\n… broken off")


def test_of_a_long_text_that_is_written_the_end_is_shown() -> None:
    text = "old " * 100 + "new " * 1_000
    shown = lines(80, text=text, status="running")
    assert shown.splitlines()[1] == "… 400 characters are shown once all is there"
    assert "old" not in shown
    assert "old" in lines(80, text=text)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"status": "running"}, "▸ Bash: make test  4.0 s"),
        ({"status": "completed"}, "✓ Bash: make test  2.1 s"),
        ({"status": "failed", "exit_code": 2}, "✗ Bash: make test failed exit 2  2.1 s"),
        ({"status": "declined"}, "✗ Bash: make test declined  2.1 s"),
        ({"status": "completed", "parent": "p"}, "  ✓ Bash: make test  2.1 s"),
        ({"status": "completed", "title": "Bash make"}, "✓ Bash make  2.1 s"),
    ],
)
def test_call_is_a_line_with_its_end(fields: dict[str, Any], shown: str) -> None:
    given = {"title": "make test", "tool": "Bash", **fields}
    assert lines(kind="tool", text="out", **given) == shown


def test_output_of_a_call_is_shown_if_it_is_wanted() -> None:
    shown = lines(kind="tool", tool="Bash", title="ls", text="a\nb\n", opened=True)
    assert shown == "✓ Bash: ls  2.1 s\n  │ a\n  │ b"


def test_of_a_very_long_output_the_middle_is_left_out() -> None:
    text = "\n".join(map(str, range(1000)))
    shown = lines(kind="tool", tool="x", title="x", text=text, opened=True).splitlines()
    assert len(shown) == OPENED + 1
    assert shown[OPENED // 2] == "  … 801 lines are left out …"
    assert shown[-1] == "  │ 999"


def test_thoughts_are_a_line_unless_they_are_wanted() -> None:
    assert lines(kind="thinking", text="so\nmany words " * 9).count("\n") == 0
    assert lines(kind="thinking", text="so\nmany", opened=True) == "  so\n  many"


def test_diff_tells_how_much_it_changes() -> None:
    diff = "--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n+er"
    assert lines(kind="diff", path="x.py", diff=diff) == "± x.py +2 -1"
    assert lines(kind="diff", path="x.py", diff=diff, opened=True).endswith("  +new\n  +er")


def test_plan_has_its_steps() -> None:
    entries = [{"content": "read", "status": "completed"}, {"content": "fix"}]
    assert lines(kind="plan", entries=entries) == "plan\n  ☑ read\n  ☐ fix"


def test_end_of_a_turn_tells_how() -> None:
    shown = lines(kind="end", turn=3, status="failed", text="it broke")
    assert shown == "── turn 3 failed, 00:00:03\n   it broke"


@pytest.mark.parametrize("width", [1, 8, 20, 80, 250])
@pytest.mark.parametrize("kind", get_args(ItemKind))
def test_no_item_drives_the_terminal_or_is_wider_than_it(kind: str, width: int) -> None:
    given = hostile(TranscriptItem) | {"kind": kind}
    for status in get_args(ItemStatus):
        given["status"] = status
        item = msgspec.json.decode(msgspec.json.encode(given), type=TranscriptItem)
        for opened in (False, True):
            strips = item_strips(item, width, opened=opened, now_ms=0)
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
