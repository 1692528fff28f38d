"""What a session does, as it is printed."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.cli.turn_view import TurnView
from tests.host.faces.test_readers import event

Told = list[tuple[str, Any]]


def delta(item: str, text: str) -> tuple[str, Any]:
    return "message-delta", {"item": item, "text": text}


def message(item: str, text: str) -> tuple[str, Any]:
    return "message", {"item": item, "text": text}


@pytest.mark.parametrize(
    ("told", "printed"),
    [
        ([delta("m", "Ro"), delta("m", "ses"), message("m", "Roses")], "Roses\n"),
        ([message("m", "Roses")], "Roses\n"),
        ([message("", "a hook's"), message("", "next")], "a hook's\nnext\n"),
        ([delta("m", "Ro"), message("m", "Roses")], "Roses\n"),
        ([delta("m", "ses"), message("m", "Roses")], "ses\nRoses\n"),
        ([delta("m", "a\n"), message("m", "a\n"), message("n", "b")], "a\nb\n"),
        ([delta("m", "x"), ("tool-start", {"tool": "ls"}), message("m", "x")], "x\n$ ls\n"),
        ([message("m", "")], ""),
        ([("tool-done", {"tool": "ls", "status": "completed", "output": " \n"})], ""),
    ],
    ids=lambda value: None if isinstance(value, list) else repr(value),
)
def test_each_text_is_printed_once(
    told: Told, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    view = TurnView(json=False)
    for name, data in told:
        view.show(event(name, data))
    assert capsys.readouterr().out == printed


def test_a_line_begins_behind_what_is_typed(capsys: pytest.CaptureFixture[str]) -> None:
    view = TurnView(json=False)
    view.prompt("> ")
    view.line("somebody else is faster")
    view.prompt("> ")
    view.typed()
    view.line("the answer")
    assert capsys.readouterr().out == "> \nsomebody else is faster\n> the answer\n"
