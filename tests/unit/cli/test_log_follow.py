"""A conversation that goes on: words flow, all else is printed once, when it is whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from sxhost.cli.conversation import Look
from sxhost.cli.log_follow import LiveConversation
from sxhost.codec.json import encode
from sxhost.model.event import Event, Gap
from sxhost.model.transcript import TranscriptItem
from tests.unit.cli.test_conversation_view import item

PLAIN = Look(None, rendered=False)


def told(
    capsys: pytest.CaptureFixture[str],
    *given: tuple[str, Any],
    live: LiveConversation | None = None,
) -> str:
    live = live or LiveConversation(PLAIN)
    for seq, (name, data) in enumerate(given, 10):
        live.show(Event(name, Raw(encode(data)), 1, seq, seq, 1000 + seq, "s"))
    return capsys.readouterr().out


PIECES = [("message-delta", {"item": "m", "text": text}) for text in ("so", " it", "\nis")]
WHOLE = ("message", {"item": "m", "text": "so it\nis"})
START = ("tool-start", {"item": "c", "tool": "bash", "title": "ls", "input": None})
DONE = ("tool-done", {"item": "c", "tool": "bash", "status": "completed", "output": "x"})


def test_words_flow_and_are_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, *PIECES, WHOLE, ("complete", {})) == "so it\nis\n\n· done\n"


def test_words_that_come_whole_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, WHOLE) == "so it\nis\n\n"


def test_a_call_is_printed_at_its_beginning_and_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = ("tool-output", {"item": "c", "text": "x"})
    text = told(capsys, PIECES[0], START, output, output, DONE)
    assert text == "so\n▸ bash ls  runs\n✓ bash ls\n"


def test_texts_that_come_at_once_are_not_mixed(capsys: pytest.CaptureFixture[str]) -> None:
    other = ("message-delta", {"item": "n", "text": "OTHER"})
    sub = ("message-delta", {"item": "o", "text": "SUB", "parent": "c"})
    text = told(capsys, PIECES[0], other, sub, PIECES[1], WHOLE)
    assert text == "so it\n\n"


def test_reasoning_comes_once_it_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    pieces = ("thinking-delta", {"item": "t", "text": "hm"})
    assert told(capsys, pieces, ("thinking", {"item": "t", "text": "hm"})) == "thinking: hm\n"


def test_a_diff_comes_with_the_end_of_its_turn(capsys: pytest.CaptureFixture[str]) -> None:
    diffs = [("diff", {"diff": f"+{number}"}) for number in range(3)]
    assert told(capsys, *diffs, ("complete", {})) == "· changes (+1 -0)\n  +2\n· done\n"


def test_what_had_begun_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    live = LiveConversation(PLAIN)
    live.begin([item("tool", item="c", tool="bash", title="ls", status="running", ts_ms=1010)])
    assert told(capsys, DONE, live=live) == "▸ bash ls  runs\n✓ bash ls\n"


def test_clean_words_come_whole(capsys: pytest.CaptureFixture[str]) -> None:
    def clean(one: TranscriptItem) -> TranscriptItem:
        return replace(one, text=one.text.replace("so it", "[secret]"))

    assert (
        told(capsys, *PIECES, WHOLE, live=LiveConversation(PLAIN, clean)) == "[secret]\nis\n\n"
    )


def test_missing_events_are_said_and_hostile_pieces_are_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    live = LiveConversation(PLAIN)
    text = told(capsys, ("message-delta", {"item": "m", "text": "a\x1b[8m"}), live=live)
    live.show(Gap("a:1", "a:2", "retention"))
    assert text == "a\\x1b[8m"
    assert capsys.readouterr().out == "\n(events are missing: retention)\n"


def test_items_are_json_for_machines_once_they_are_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    live = LiveConversation(PLAIN, json=True)
    lines = told(capsys, *PIECES, WHOLE, START, DONE, ("complete", {}), live=live).splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["message", "tool", "end"]
