"""Searches of all logs: what is asked, how its words are read, and what is found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from sxhost.errors import BadField
from sxhost.model.event import Event
from sxhost.model.event_types import PIECES
from sxhost.model.names import CURSOR
from sxhost.model.search_text import Phrase, find, text_of, words_of

__all__ = [
    "EventSearch",
    "SearchHit",
    "SearchPage",
    "SearchQuery",
    "SearchTerms",
    "parse_terms",
]

MAX_TERMS: Final = 32
"""Words and phrases of one search."""

OPERATORS: Final = frozenset({"AND", "OR", "NOT", "NEAR"})

_PART: Final = re.compile(r'(?P<minus>-?)"(?P<phrase>[^"]*)"(?=\s|$)|(?P<word>\S+)')
_MEANT_FOR_OTHERS: Final = re.compile(r'^[+^(]|[*^]$|^[^(]*\)$|["{}]')
"""What has a meaning in the searches of other programs, and none here."""

_HOW: Final = 'Write words, a "phrase", and -word for what must not be there.'


class SearchQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to search for, and where: the newest hits come first."""

    q: Annotated[str, Meta(min_length=1, max_length=1000)]
    """Words and ``"phrases"`` that must be in an event, and ``-words`` that must not."""
    session: str = ""
    """Only in these (``a,b``)."""
    agent: str = ""
    """Only in sessions of this agent."""
    project: str = ""
    """Only in sessions that work in the project of this name."""
    since_ms: Annotated[int, Meta(ge=0, lt=10**15)] = 0
    """Only what happened since then, in Unix milliseconds."""
    types: str = ""
    """Only events of these names (``a,b``)."""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    before: Annotated[str, Meta(pattern=CURSOR)] = ""
    """Only what is older than this cursor: that of the page before."""


class SearchHit(Struct, frozen=True, kw_only=True):
    """An event that has what was searched for."""

    session: str
    seq: int
    id: int
    ts_ms: int
    event: str
    text: str
    """What it says around the first place, in one line; cut with ``…``."""
    marks: list[tuple[int, int]]
    """Where in `text` the words are: from a character to before another."""
    agent: str
    title: str
    """The session's."""
    project: str


class SearchPage(Struct, frozen=True, kw_only=True):
    """Hits, the newest first, and where to go on."""

    hits: list[SearchHit]
    before: str | None
    """The cursor before which older hits are; None: there are no others.

    A search that takes long ends with fewer hits than were asked for, and this goes on.
    """
    restarted: bool = False
    """Whether the query's cursor means nothing here, so that it has begun with the newest."""
    unindexed: int = 0
    """About how many of the oldest events are not searched yet: their index is being made."""


class SearchTerms(NamedTuple):
    """What must be in a text, and what must not; a word is a phrase of one."""

    wanted: Sequence[Phrase]
    unwanted: Sequence[Phrase] = ()


class EventSearch(NamedTuple):
    """Which events are searched for: facts that have the terms; no name means all of a kind."""

    terms: SearchTerms
    sessions: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    since_ms: int = 0

    def finds(self, event: Event) -> bool:
        """Tell whether an event is one of them."""
        return (
            event.event not in PIECES
            and event.ts_ms >= self.since_ms
            and (not self.sessions or event.session in self.sessions)
            and (not self.names or event.event in self.names)
            and bool(find(text_of(event), *self.terms))
        )


def parse_terms(text: str) -> SearchTerms:
    """Read what is searched for.

    :raises BadField: it cannot be read so.
    """
    wanted: list[Phrase] = []
    unwanted: list[Phrase] = []
    for part in _PART.finditer(text):
        phrase, word = part["phrase"], part["word"] or ""
        minus = bool(part["minus"]) if phrase is not None else word[:1] == "-" and word != "-"
        if phrase is None:
            phrase = word[1:] if minus else word
            _check_word(phrase)
        words = tuple(each for each, _, _ in words_of(phrase))
        if words:
            (unwanted if minus else wanted).append(words)
    if not wanted:
        raise BadField("q", f"There is no word to search for. {_HOW}")
    if len(wanted) + len(unwanted) > MAX_TERMS:
        raise BadField("q", f"There are more than {MAX_TERMS} words.")
    return SearchTerms(wanted, unwanted)


def _check_word(word: str) -> None:
    if word in OPERATORS:
        raise BadField(
            "q",
            f'{word} is no operator here, and all words must be there. {_HOW} "{word}"'
            " in quotes is the word itself.",
        )
    if word.count('"') % 2:
        raise BadField("q", f"A quotation mark has no partner in {word!r}. {_HOW}")
    if _MEANT_FOR_OTHERS.search(word):
        raise BadField("q", f"{word!r} is no word. {_HOW} In quotes it is taken as it is.")
