"""Texts and data cut to the room that an event or a title has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sxhost.codec.json import encode

__all__ = [
    "TEXT_KEPT",
    "TITLE_MOST",
    "BoundedText",
    "first_line",
    "fold",
    "shorten_to_fit",
]

TEXT_MOST: Final = 48_000
"""Characters of one text in an event that is too large; an event has room for 256 KiB."""

EVENT_MOST: Final = 200_000
"""Bytes of JSON up to which nothing is cut: the rest of 256 KiB is for the event's frame."""

TEXT_KEPT: Final = 256 * 1024
"""Characters that a `BoundedText` keeps: an event holds as many bytes."""

TITLE_MOST: Final = 200
"""Characters of a title."""


def shorten_to_fit(data: Mapping[str, object], most: int = EVENT_MOST) -> Mapping[str, object]:
    """Return an event's data in at most `most` bytes of JSON.

    Long texts are cut and say how much is missing.  Where that is not enough (a list of very
    many short texts), the result is the beginning of the JSON, ``text``, and ``cut``, the bytes
    that the whole had.
    """
    if len(encode(data)) <= most:
        return data
    longest = min(TEXT_MOST, most // 4)
    short = {name: _shortened(value, longest) for name, value in data.items()}
    whole = encode(short)
    if len(whole) <= most:
        return short
    return {"text": whole[:longest].decode("utf-8", "replace"), "cut": len(whole)}


def _shortened(value: object, most: int) -> object:
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]}… ({len(value) - most} characters more)"
    if isinstance(value, dict):
        return {name: _shortened(inner, most) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shortened(inner, most) for inner in value]
    return value


def first_line(text: str, most: int = TITLE_MOST) -> str:
    """Return the first line of a text, at most `most` characters of it: a title."""
    return text.partition("\n")[0][:most]


def fold(text: str, most: int = TITLE_MOST) -> str:
    """Return a text in one line that says how long the text is, if that is not all of it."""
    line = first_line(text, most)
    if line == text:
        return text
    lines = text.count("\n") + 1
    extent = f"{lines} lines, " if lines > 1 else ""
    return f"{line} … ({extent}{len(text)} characters)"


class BoundedText:
    """The beginning of a text that comes in pieces, up to `most` characters."""

    __slots__ = ("_pieces", "_room")

    def __init__(self, most: int = TEXT_KEPT) -> None:
        self._pieces: list[str] = []
        self._room = most

    def add(self, piece: str) -> None:
        """Append a piece, or as much of it as there is room for."""
        if self._room > 0 and piece:
            self._pieces.append(piece[: self._room])
            self._room -= len(piece)

    def __str__(self) -> str:
        return "".join(self._pieces)
