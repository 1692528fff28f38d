"""The text of an event, its words, and where it has those that are searched for.

The words decide what is found, in every store: an index only tells where to look.  Capitals and
accents do not matter.  A word is a run of letters and digits, so ``src/main_page.py`` has four;
where a script has no blanks between its words (Chinese, Japanese), each character is one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from sxhost.model.event import Event
from sxhost.model.event_types import EVENT_TYPES, MALFORMED, UsageEvent

__all__ = [
    "MAX_WORD",
    "Phrase",
    "Spans",
    "excerpt",
    "find",
    "index_text",
    "text_of",
    "words_of",
]

Phrase = tuple[str, ...]
"""Words that follow one another."""

Spans = list[tuple[int, int]]
"""Where words are in a text: from a character to before another."""

MAX_WORD: Final = 64
"""Characters of a word that count: what is longer is no word."""

BEFORE, EXCERPT, MARKS = 60, 240, 16
"""Characters of an excerpt before its first mark, and in all; marks in one excerpt."""

_ALONE: Final = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Characters of scripts without blanks between their words."""

_ASCII_WORD: Final = re.compile("[A-Za-z0-9]+")
_WORD: Final = re.compile(rf"[^\W_{_ALONE}]+|[{_ALONE}]")

_NO_WORDS: Final = frozenset(
    (
        *(
            "native",
            "native_id",
            "item",
            "parent",
            "id",
            "session",
            "key",
            "type",
            "kind",
            "images",
        ),
        *("choices", "state", "status", "by", "decision"),
    )
)
"""Fields of the events of `EVENT_TYPES` that are not for a person to read."""

_NATIVE: Final = frozenset({"native"})

_data = msgspec.json.Decoder()


def text_of(event: Event) -> str:
    """Return what an event says, in one line: all texts in its data, but the agent's frame."""
    text = " ".join(" ".join(_texts(event)).split())
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _texts(event: Event) -> list[str]:
    """Return all texts that a person reads in an event's data."""
    found: list[str] = []
    if event.event != UsageEvent.name:
        unread = _NO_WORDS if event.event in EVENT_TYPES else _NATIVE
        try:
            _collect(_data.decode(event.data), unread, found)
        except MALFORMED:
            return []
    return found


def _collect(value: object, unread: frozenset[str], found: list[str]) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in unread:
                _collect(each, unread, found)
    elif isinstance(value, list):
        for each in value:
            _collect(each, unread, found)


def index_text(events: Iterable[Event]) -> str:
    """Return a text with all words of what events say, for an index that splits it itself.

    Its words are runs of ASCII letters and digits, whatever their case, and of characters
    beyond ASCII.  Those that are longer than `MAX_WORD` are whole.
    """
    texts = [text for event in events for text in _texts(event)]
    plain = " ".join(filter(str.isascii, texts))
    others = " ".join(text for text in texts if not text.isascii())
    if not others:
        return plain
    found = set(_WORD.findall(unicodedata.normalize("NFC", others)))
    return " ".join((plain, *(_fold(word[:MAX_WORD]) for word in found)))


def words_of(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the words of a text, folded, each with its beginning and end."""
    if text.isascii():
        for found in _ASCII_WORD.finditer(text):
            yield found[0][:MAX_WORD].lower(), found.start(), found.end()
        return
    for found in _WORD.finditer(text):
        if word := _fold(found[0][:MAX_WORD]):
            yield word, found.start(), found.end()


def _fold(word: str) -> str:
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in apart if char.isalnum())


def find(text: str, wanted: Sequence[Phrase], unwanted: Sequence[Phrase]) -> Spans:
    """Return where a text has what is wanted, in order; nothing if it does not have it all.

    Nor is there anything where it has something unwanted.
    """
    words = list(words_of(text))
    places: dict[str, list[int]] = {}
    for place, (word, _, _) in enumerate(words):
        places.setdefault(word, []).append(place)
    spans: Spans = []
    for phrase in wanted:
        begins = _places(phrase, words, places)
        if not begins:
            return []
        spans += ((words[at][1], words[at + len(phrase) - 1][2]) for at in begins[:MARKS])
    if any(_places(phrase, words, places) for phrase in unwanted):
        return []
    return sorted(spans)


def _places(
    phrase: Phrase, words: Sequence[tuple[str, int, int]], places: dict[str, list[int]]
) -> list[int]:
    """Return at which words of a text a phrase begins."""
    begins = places.get(phrase[0], [])
    if len(phrase) == 1:
        return begins
    return [
        at
        for at in begins
        if at + len(phrase) <= len(words)
        and all(words[at + n][0] == word for n, word in enumerate(phrase))
    ]


def excerpt(text: str, spans: Spans) -> tuple[str, Spans]:
    """Return a text around the first of some places, and where these are in it."""
    begin, end = max(0, spans[0][0] - BEFORE), min(len(text), spans[0][0] - BEFORE + EXCERPT)
    if begin == 0:
        end = min(len(text), EXCERPT)
    if begin:  # it begins with a whole word, if there is one soon
        begin = text.find(" ", begin, spans[0][0]) + 1 or begin
    head, tail = "…" if begin else "", "…" if end < len(text) else ""
    moved = len(head) - begin
    marks = [(a + moved, min(b, end) + moved) for a, b in spans if begin <= a < end]
    return f"{head}{text[begin:end]}{tail}", marks[:MARKS]
