"""The text of an event, its words, and what of it is shown."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.model.event import Event
from sxhost.model.search_text import (
    EXCERPT,
    MAX_WORD,
    excerpt,
    find,
    index_text,
    text_of,
    words_of,
)


def event(data: object, name: str = "message") -> Event:
    return Event(name, Raw(encode(data)), 0, 1, 1, 0, "a")


@pytest.mark.parametrize(
    ("data", "name", "text"),
    [
        ("two\n  lines", "mine", "two lines"),
        ({"text": "a", "item": "i", "native": {"text": "n"}}, "message", "a"),
        (
            {"item": "i", "native": {"text": "n"}, "b": ["c", {"d": "e"}, 7, None]},
            "mine",
            "i c e",
        ),
        ({"text": "e\u0301"}, "message", "\u00e9"),
        (None, "mine", ""),
    ],
)
def test_the_text_of_an_event_is_what_a_person_reads(
    data: object, name: str, text: str
) -> None:
    assert text_of(event(data, name)) == text


def test_data_that_cannot_be_read_has_no_text() -> None:
    assert text_of(Event("x", Raw(b'"\\ud800'), 0, 1, 1, 0, "a")) == ""


@given(st.text())
def test_words_are_where_they_are_said_to_be(text: str) -> None:
    last = 0
    for word, begin, end in words_of(text):
        assert word
        assert last <= begin < end <= len(text)
        assert [each for each, _, _ in words_of(text[begin:end])] == [word]
        last = end


WORDS = st.text() | st.text(st.characters(max_codepoint=127)) | st.text("aB9_é ", min_size=60)


def small(text: str) -> str:
    """Return a text as the index has it: only capitals of ASCII are made small."""
    return text.encode().lower().decode()


@example(["\u13a0", "\u03d2", "\u2112"])
@given(st.lists(WORDS))
def test_an_index_of_the_text_of_events_has_all_their_words(texts: list[str]) -> None:
    said = [event([text, {"a": text[::-1]}], "mine") for text in texts]
    words = {small(word) for one in said for word, _, _ in words_of(text_of(one))}
    indexed = set(re.findall(r"[a-z0-9\x80-\U0010ffff]+", small(index_text(said))))
    long = {word for word in words if len(word) >= MAX_WORD}
    assert words - long <= indexed
    assert all(any(each.startswith(word) for each in indexed) for word in long)
    if index_text(said).isascii():
        assert {word[:MAX_WORD] for word in indexed} == words


@given(st.text(), st.text(min_size=1))
def test_an_excerpt_has_the_first_place_and_marks_it(before: str, word: str) -> None:
    text = f"{before} fox {word}" * 3
    spans = find(text, [("fox",)], [])
    if not spans:  # a mark that combines with the word before it
        return
    shown, marks = excerpt(text, spans)
    assert len(shown) <= EXCERPT + 2
    assert marks
    whole = [shown[begin:end] for begin, end in marks if end <= EXCERPT]
    assert all([word for word, _, _ in words_of(mark)] == ["fox"] for mark in whole)


def test_a_long_text_is_cut_around_the_first_place() -> None:
    text = f"{'left ' * 100}a fox runs{' right' * 100}"
    shown, marks = excerpt(text, find(text, [("fox", "runs")], []))
    assert shown.startswith("\u2026left left")
    assert shown.endswith("\u2026")
    assert [shown[begin:end] for begin, end in marks] == ["fox runs"]
