"""What agents are told: inputs in all their forms, and what may be in a launch."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sxhost.model.turn import (
    File,
    Image,
    Input,
    Launch,
    LocalImage,
    SteerDraft,
    Text,
    TurnDraft,
    input_text,
    items,
)


def test_words_are_one_item() -> None:
    assert items("hello") == [Text(text="hello")]
    assert items([File(path="/x")]) == [File(path="/x")]


def test_what_is_no_word_stands_in_brackets() -> None:
    given: Input = [
        Text(text="see"),
        Image(data="eA=="),
        LocalImage(path="/a.png"),
        File(path="/b"),
    ]
    assert input_text(given) == "see\n[image]\n[/a.png]\n[/b]"
    assert input_text("hello") == "hello"


def test_items_are_told_by_their_type() -> None:
    raw = b"""{"input": [{"type": "text", "text": "a"}, {"type": "image", "url": "https://x"},
        {"type": "localImage", "path": "/p"}, {"type": "file", "path": "/f", "new": 1}]}"""
    draft = msgspec.json.decode(raw, type=TurnDraft)
    kinds = [Text, Image, LocalImage, File]
    assert [type(item) for item in items(draft.input)] == kinds
    assert msgspec.json.decode(msgspec.json.encode(draft), type=TurnDraft) == draft


@pytest.mark.parametrize(
    "given",
    ["", [], None, 7, [{"type": "smell"}], [{"text": "a"}], [{"type": "text"}], ["words"]],
)
def test_what_is_no_input_is_refused(given: Any) -> None:
    for kind in (TurnDraft, SteerDraft):
        with pytest.raises(msgspec.ValidationError, match="input"):
            msgspec.convert({"input": given}, kind)


@pytest.mark.parametrize("agent", ["", "Codex", "1x", "a b", "a/b", "x" * 65, "a\n"])
def test_an_agent_has_a_name_of_its_kind(agent: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="agent"):
        msgspec.convert({"agent": agent}, Launch)


def test_a_launch_is_written_briefly_and_read_again() -> None:
    launch = Launch(agent="pi", cwd="/w", native={"args": ["-x"]}, env={"A": "b"})
    raw = msgspec.json.encode(launch)
    assert b"sandbox" not in raw
    assert msgspec.json.decode(raw, type=Launch) == launch
