"""Reads a JSON object that is still arriving, as far as it goes."""

from __future__ import annotations

import re

import msgspec

__all__ = ["decode_partial"]

TRIES = 4
"""Tokens dropped from the end at the most: half a literal, a name and its colon, a comma."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*("|\\?\Z)|[\[\]{}]', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_LAST_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"\s*+:?|[,:]|[^\s\[\]{},:"]++|[\[\]{}]', re.DOTALL)
_CLOSES = {"{": "}", "[": "]"}


def decode_partial(text: str) -> dict[str, object]:
    """Return the object that `text` is the beginning of; an empty one if it is none."""
    body, closing = _close_brackets(text)
    for _ in range(TRIES):
        try:
            found = msgspec.json.decode(body + closing)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            body = _drop_last_token(body)
        else:
            return found if isinstance(found, dict) else {}
    return {}


def _close_brackets(text: str) -> tuple[str, str]:
    """Return the text with its last string closed, and the brackets that close the rest."""
    closing: list[str] = []
    for token in _TOKEN.finditer(text):
        start = token[0]
        if start in _CLOSES:
            closing.append(_CLOSES[start])
        elif start[0] != '"' and closing:
            closing.pop()
        elif token[1] is not None and token[1] != '"':
            text = _close_string(text)
    return text, "".join(reversed(closing))


def _drop_last_token(text: str) -> str:
    """Return a text without its last token, unless that is a bracket.

    It is scanned from its beginning: a search for a match at the end would start at every
    character, which is quadratic for texts that are made for that.
    """
    last = None
    for token in _LAST_TOKEN.finditer(text):
        last = token
    return text if last is None or last[0] in "[]{}" else text[: last.start()]


def _close_string(text: str) -> str:
    """Return a text whose last string is open with its quote; half an escape is dropped."""
    slashes = len(text) - len(text.rstrip("\\"))
    found = _ESCAPE.search(text)
    if found is not None and (found[0] != "\\" or slashes % 2):
        text = text[: found.start()]
    return text + '"'
