"""Cursors: read as they are written, and written in one place alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sxhost
from sxhost.errors import BadField
from sxhost.model.cursor import Cursor
from sxhost.model.names import END_OF_LOG

PACKAGE = Path(sxhost.__file__).parent

positions = st.integers(0, 10**18 - 1)
epochs = st.from_regex(r"[0-9a-f]{0,8}", fullmatch=True)


@given(positions, epochs)
def test_a_cursor_is_read_as_written(position: int, epoch: str) -> None:
    text = f"{epoch}:{position}" if epoch else str(position)
    assert Cursor.parse(text) == Cursor(position, epoch)
    assert str(Cursor(position, epoch)) == text


def test_no_cursor_is_the_beginning() -> None:
    assert Cursor.parse("") == Cursor.parse("0") == Cursor(0)


def test_now_is_behind_all_events() -> None:
    assert Cursor.parse("now") == Cursor(END_OF_LOG)
    assert str(Cursor(END_OF_LOG)) == "now"


@pytest.mark.parametrize("text", ["x", "a:", "a:b", "-1", "1.5", "\u0661", "9" * 19, "a:-1"])
def test_a_bad_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadField):
        Cursor.parse(text)


def test_nobody_else_puts_a_cursor_together() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr) and "epoch}:{" in ast.unparse(node)
    ]
    assert [place.partition(":")[0] for place in found] == ["model/cursor.py"], found
