"""JSON that has not come to its end yet: what can be known of it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

__all__ = ["completed"]

TRIES = 4
"""How much is taken off the end, at the most: half a word, a name with its colon, a comma."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*("|\\?\Z)|[\[\]{}]', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*+"\s*+:?|[,:]|[^\s\[\]{},:"]++|[\[\]{}]', re.DOTALL)
_CLOSES = {"{": "}", "[": "]"}


def completed(text: str) -> dict[str, Any]:
    """Return the object that a text begins, as far as it goes; an empty one if it is none."""
    body, closing = _open(text)
    for _ in range(TRIES):
        try:
            found = msgspec.json.decode(body + closing)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            body = _shortened(body)
        else:
            return found if isinstance(found, dict) else {}
    return {}


def _open(text: str) -> tuple[str, str]:
    """Return a text whose last string is closed, and what closes the rest."""
    closing: list[str] = []
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in _CLOSES:
            closing.append(_CLOSES[word])
        elif word[0] != '"' and closing:
            closing.pop()
        elif token[1] is not None and token[1] != '"':
            text = _closed(text)
    return text, "".join(reversed(closing))


def _shortened(text: str) -> str:
    """Return a text without its last word, unless it is a bracket.

    It is read from its beginning: to look for what stands at the end from every place on
    would take as long as the square of a text that somebody has made for that.
    """
    last = None
    for word in _WORD.finditer(text):
        last = word
    return text if last is None or last[0] in "[]{}" else text[: last.start()]


def _closed(text: str) -> str:
    """Return a text that ends in a string with that string's end; half an escape goes."""
    slashes = len(text) - len(text.rstrip("\\"))
    found = _ESCAPE.search(text)
    if found is not None and (found[0] != "\\" or slashes % 2):
        text = text[: found.start()]
    return text + '"'
