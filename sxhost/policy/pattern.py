r"""Regular expressions that match in linear time, whatever the text.

Python's `re` backtracks: ``(a+)+b`` takes years for 40 letters, and the texts that are matched
here (an agent's commands) may be hostile.  RE2 does not backtrack.  What it lacks (lookaround,
back references) or reads otherwise (lazy repeats) is refused.  The rest means what it means in
`re` without flags: literals, ``.``, ``[a-z]``, ``[^…]``, ``\d \w \s`` and
their opposites, ``( )``, ``(?: )``, ``|``, ``*``, ``+``, ``?``, ``{2}``, ``{2,}``, ``{2,5}``;
``^`` at the beginning and ``$`` at the end change nothing.
"""

from __future__ import annotations

import re
import sys
import warnings
from array import array
from collections.abc import Collection
from functools import cache
from itertools import pairwise
from typing import Any, Final

import re2

__all__ = ["BadPattern", "Pattern", "glob", "path_glob"]

MAX_ATOMS: Final = 1000
"""Characters that a pattern may match in sequence: a text of 4096 takes 30 ms at the most."""

MEMORY: Final = (1 << 20, 8 << 20)
"""Bytes of memory for a pattern and its cache of states; the second if the first fails."""

ENDLESS: Final = -1
SIGNS: Final = {"*": (0, ENDLESS), "+": (1, ENDLESS), "?": (0, 1)}
CLOSED: Final = "a group is not closed"
TOO_LARGE: Final = "it is too large"

TOKEN = re.compile(
    r"(?P<anchor>\A\^|\$\Z)"
    r"|(?P<atom>\.|\\[dDwWsSnrt]|\\[^0-9A-Za-z]|\[\^?\]?(?:[^\]\\]|\\[^N])*+\]"
    r"|[^\\.\[\](){}|*+?^$])"
    r"|(?P<repeat>[*+?]|\{[0-9]{1,4}(?:,(?:[0-9]{1,4})?)?\})(?![*+?{])"
    r"|(?P<group>\((?!\?)|\(\?:)"
    r"|(?P<bar>\|)"
    r"|(?P<close>\))",
    re.DOTALL,
)


class BadPattern(ValueError):
    """The text is not a pattern, or one that cannot be matched in linear time."""


class Pattern:
    """A compiled pattern that matches whole texts.

    With the characters `before` and `behind` it matches parts of texts: those that begin
    after one of `before` (or with the text) and end before one of `behind` (or with the text).

    :raises BadPattern: with a message that fits after "is wrong: ".
    """

    def __init__(
        self, text: str, before: Collection[str] = "", behind: Collection[str] = ""
    ) -> None:
        source = _Translator(text).translate()
        head, tail = _edge(r"\A", before), _edge(r"\z", behind)
        self._search = _compiled(f"{head}(?:{source}){tail}").search

    @classmethod
    def _of(cls, source: str) -> Pattern:
        """Return a pattern of whole texts from RE2's own syntax."""
        pattern = cls.__new__(cls)
        pattern._search = _compiled(rf"\A(?:{source})\z").search
        return pattern

    def matches(self, text: str) -> bool:
        """Tell whether it matches the text, or with `before` and `behind` a part of it."""
        return self._search(_bytes(text)) is not None


def _edge(end: str, characters: Collection[str]) -> str:
    return f"(?:{'|'.join([end, *map(re2.escape, sorted(characters))])})"


def _bytes(text: str) -> bytes:
    """Encode a text for RE2, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def _compiled(source: str) -> Any:
    for memory in MEMORY:
        options = re2.Options()
        options.never_capture, options.log_errors, options.max_mem = True, False, memory
        try:
            return re2.compile(_bytes(source), options)
        except re2.error:
            continue
    raise BadPattern(TOO_LARGE)


# Globs.


def glob(text: str) -> Pattern:
    """Compile a glob over names: ``*`` is any text, ``?`` is one character."""
    return Pattern._of(_wild(text, "(?s:.)"))


def path_glob(text: str) -> Pattern:
    """Compile a glob over paths.

    ``*`` and ``?`` stay within a name, ``**`` stands for any number of names, also for none.
    """
    parts = text.split("/")
    if any("**" in part and part != "**" for part in parts):
        raise BadPattern("`**` stands between slashes")
    return Pattern._of("".join(_names(number, part) for number, part in enumerate(parts)))


def _names(number: int, part: str) -> str:
    slash = "/" if number else ""
    return f"(?:{slash}(?s:.)*)?" if part == "**" else slash + _wild(part, "[^/]")


def _wild(text: str, character: str) -> str:
    """Translate a glob for RE2; `character` matches any one."""
    wild = {"*": f"{character}*", "?": character}
    return "".join(wild.get(char) or _literal(char) for char in text)


def _literal(char: str) -> str:
    return f"\\x{{{ord(char):x}}}"


# Reading.


class _Translator:
    """Translates a pattern from left to right into RE2's syntax, and counts its size."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._written: list[str] = []
        self._sizes = [0]
        """Atoms of each open group so far; the first is the whole."""
        self._last: int | None = None
        """Atoms of the token that a repeat may follow; None if it may not."""

    def translate(self) -> str:
        """Return the pattern in RE2's syntax."""
        at = 0
        while at < len(self._text):
            found = TOKEN.match(self._text, at)
            if found is None:
                raise self._wrong(at)
            self._take(found)
            at = found.end()
        if len(self._sizes) > 1:
            raise BadPattern(CLOSED)
        return "".join(self._written)

    def _take(self, found: re.Match[str]) -> None:
        token, last = found[0], self._last
        self._last = None
        match found.lastgroup:
            case "atom":
                self._written.append(_atom(token))
                self._add(1)
            case "group":
                self._written.append("(?:")
                self._sizes.append(0)
            case "bar":
                self._written.append("|")
            case "close" if len(self._sizes) == 1:
                raise self._wrong(found.start())
            case "close":
                self._written.append(")")
                self._add(self._sizes.pop())
            case "repeat":
                self._repeat(token, last)

    def _repeat(self, token: str, size: int | None) -> None:
        if size is None:
            raise BadPattern(f"there is nothing that `{token}` could repeat")
        least, most = _times(token)
        if most != ENDLESS and least > most:
            raise BadPattern(f"`{token}` has its numbers in the wrong order")
        self._written.append(token)
        self._add((max(least, most, 1) - 1) * max(size, 1))
        self._last = None

    def _add(self, atoms: int) -> None:
        self._last = atoms
        self._sizes[-1] += atoms
        if self._sizes[-1] > MAX_ATOMS:
            raise BadPattern(TOO_LARGE)

    def _wrong(self, at: int) -> BadPattern:
        rest = self._text[at : at + 10]
        return BadPattern(f"`{rest}` at its character {at + 1} is not understood here")


def _times(written: str) -> tuple[int, int]:
    if written in SIGNS:
        return SIGNS[written]
    least, comma, most = written[1:-1].partition(",")
    return int(least), int(most) if most else ENDLESS if comma else int(least)


def _atom(written: str) -> str:
    """Translate a token for one character: RE2's own classes are ASCII, Python's are not."""
    if written == ".":
        return r"[^\n]"
    if len(written) == 1:
        return _literal(written)
    return _set(written)


@cache
def _set(token: str) -> str:
    """Translate a set into the ranges of characters that Python's `re` matches."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            member = re.compile(token).fullmatch
    except (re.error, Warning) as error:
        raise BadPattern(f"`{token}` is none: {error}") from None
    places = [*_places(token), sys.maxunicode + 1]
    inside = [(start, end) for start, end in pairwise(places) if member(chr(start))]
    # An empty set matches nothing, and RE2 does not have it.
    written = "".join(rf"\x{{{start:x}}}-\x{{{end - 1:x}}}" for start, end in inside)
    return f"[{written}]" if written else r"[^\x{0}-\x{10ffff}]"


def _places(token: str) -> list[int]:
    """Return the characters at which a range of the set may begin or end."""
    named = {ord(char) for char in token} | {
        int(code, 16) for code in re.findall(r"\\(?:u|U)([0-9A-Fa-f]{4,8})", token)
    }
    places = {*range(0x101), *named, *(place + 1 for place in named)}
    if re.search(r"\\[dDwWsS]", token):
        places |= _edges()
    return sorted(place for place in places if place <= sys.maxunicode)


@cache
def _edges() -> frozenset[int]:
    r"""Return where ``\d``, ``\w`` and ``\s`` begin and end among all characters."""
    every = array("I", range(sys.maxunicode + 1)).tobytes()
    text = every.decode(f"utf-32-{sys.byteorder[0]}e", "surrogatepass")
    found = (
        found.span() for kind in ("d", "w", "s") for found in re.finditer(rf"\{kind}+", text)
    )
    return frozenset(place for span in found for place in span)
