"""What every store finds when its log is searched."""

from __future__ import annotations

import pytest

from sxhost.codec.json import encode
from sxhost.model.names import END_OF_LOG
from sxhost.model.search import EventSearch, parse_terms
from sxhost.store.contracts import Store
from sxhost.testing import result_of
from tests.support.stores import MakeStore, append, draft

SAYS = {
    "a": ["The quick brown fox", "jumps over the lazy dog", "Déjà vu, said the FOX"],
    "b": ["src/main_page.py: fox_hunt()", "\u7b2c\u4e00\u6b21\u90e8\u7f72", "naïve fox"],
}


def say(store: Store, session: str, *texts: str, name: str = "message") -> None:
    append(store, session, *(draft(name, encode({"text": text})) for text in texts))


@pytest.fixture
def full(store: Store) -> Store:
    for session, texts in SAYS.items():
        say(store, session, *texts)
    return store


def search(store: Store, words: str, limit: int = 1000, **chosen: object) -> list[int]:
    """Return the ids of all events that are found, in the order in which they are."""
    wanted = EventSearch(parse_terms(words), **chosen)  # type: ignore[arg-type]
    before: int | None = END_OF_LOG
    ids: list[int] = []
    while before is not None:
        found = result_of(store.search_events(wanted, before, limit))
        assert len(found.events) <= limit
        ids += [event.id for event in found.events]
        before = found.before
    return ids


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("fox", [6, 4, 3, 1]),
        ("FOX the", [3, 1]),
        ('"the quick"', [1]),
        ('"quick the"', []),
        ('fox -"brown fox" -naive', [4, 3]),
        ("deja", [3]),
        ("naïve", [6]),
        ("src/main_page.py", [4]),
        ("page main", [4]),
        ("fo", []),
        ("\u4e00\u6b21", [5]),
        ("\u6b21\u4e00", []),
        ("nobody said this", []),
    ],
)
def test_words_are_found_whatever_their_capitals_and_accents(
    full: Store, words: str, ids: list[int]
) -> None:
    assert search(full, words) == search(full, words, limit=1) == ids


def test_only_facts_are_found_where_they_are_asked_for(full: Store) -> None:
    say(full, "a", "a fox in pieces", name="message-delta")
    say(full, "b", "a fox of another name", name="note")
    assert search(full, "fox", sessions=frozenset({"a"})) == [3, 1]
    assert search(full, "fox", sessions=frozenset({"a", "b"})) == [8, 6, 4, 3, 1]
    assert search(full, "fox", names=frozenset({"note", "other"})) == [8]
    assert search(full, "fox", since_ms=5_001) == []


def test_what_is_not_for_people_is_not_found(full: Store) -> None:
    data = {"text": "x", "item": "fox", "native": {"text": "fox"}, "output": ["a", {"b": "y"}]}
    append(full, "c", draft("tool-done", encode(data)), draft("mine", b'"a badger"'))
    assert search(full, "fox") == [6, 4, 3, 1]
    assert search(full, "x y") == [7]
    assert search(full, "badger") == [8]


def test_what_comes_and_goes_is_found_and_not_found(full: Store) -> None:
    assert search(full, "fox") == [6, 4, 3, 1]
    say(full, "a", "one more fox")
    assert search(full, "fox") == [7, 6, 4, 3, 1]
    result_of(full.delete("a"))
    assert search(full, "fox") == [6, 4]
    say(full, "a", "a new fox")
    assert search(full, "fox") == [8, 6, 4]


def test_many_events_are_searched_step_by_step(make_store: MakeStore) -> None:
    store = make_store(events=10_000, retain=10_000)
    for number in range(20):
        say(store, f"s{number}", *(f"number {number} {n}" for n in range(50)))
    sevens, eights = set(search(store, "7")), set(search(store, "8"))
    assert search(store, "number 7 -8") == sorted(sevens - eights, reverse=True)
    assert search(store, "number") == list(range(1000, 0, -1))
    assert search(store, '"19 49" number') == [1000]


def test_words_of_a_search_are_data(full: Store) -> None:
    for text in ("'; DROP TABLE words; --", 'x" OR "fox', "words:fox", "a\0b"):
        say(full, "c", text)
    assert search(full, "'; DROP TABLE words; --fox") == [7]
    assert search(full, "words:fox") == [9]
    assert search(full, "a\0b") == [10]
