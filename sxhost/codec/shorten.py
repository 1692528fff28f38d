"""Texts and data cut to the room that an event or a title has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sxhost.codec.json import encode

__all__ = [
    "EVENT_MOST",
    "TEXT_KEPT",
    "TITLE_MOST",
    "BoundedText",
    "cut_in_the_middle",
    "cut_large_fields",
    "first_line",
    "fitting_data",
    "fold",
    "shorten_to_fit",
]

TEXT_MOST: Final = 48_000
"""Characters of one text in an event that is too large; an event has room for 256 KiB."""

EVENT_MOST: Final = 200_000
"""Bytes of JSON up to which nothing is cut: the rest of 256 KiB is for the event's frame."""

SMALL_FIELD: Final = 512
"""Bytes of JSON of a field that is kept as it is, whatever is cut beside it."""

MARK: Final = 40
"""Bytes that the mark of a cut field takes, with its quotes and the comma."""

TEXT_KEPT: Final = 256 * 1024
"""Characters that a `BoundedText` keeps: an event holds as many bytes."""

TITLE_MOST: Final = 200
"""Characters of a title."""


def shorten_to_fit(data: Mapping[str, object], most: int = EVENT_MOST) -> Mapping[str, object]:
    """Return an event's data in at most `most` bytes of JSON.

    Long texts are cut and say how much is missing.  Where that is not enough (a list of very
    many texts), large fields are cut whole.  If there are no small ones, the result is the
    beginning of the JSON, ``text``, and ``cut``, the bytes that the whole had.
    """
    if len(encode(data)) <= most:
        return data
    longest = min(TEXT_MOST, most // 4)
    short = {name: _shortened(value, longest) for name, value in data.items()}
    whole = encode(short)
    if len(whole) <= most:
        return short
    fitting = cut_large_fields(short, most)
    return fitting or {"text": whole[:longest].decode("utf-8", "replace"), "cut": len(whole)}


def fitting_data(data: object) -> object:
    """Return an event's data, an object or any other, in the room that an event has."""
    if isinstance(data, Mapping):
        return shorten_to_fit(data)
    size = len(encode(data))
    if size <= EVENT_MOST:
        return data
    if isinstance(data, str):
        return _shortened(data, TEXT_MOST)
    return shorten_to_fit({"data": data, "bytes": size})


def cut_large_fields(data: Mapping[str, object], most: int) -> dict[str, object] | None:
    """Return data whose large fields became the beginning of their JSON, and its true size.

    Small fields stay: they say what the data is about, such as which tool's call has ended.
    The result is None where none does, or they are too many.
    """
    sizes = {name: len(encode(value)) for name, value in data.items()}
    small = {name: data[name] for name, size in sizes.items() if size <= SMALL_FIELD}
    large = [name for name, size in sizes.items() if size > SMALL_FIELD]
    room = most - len(encode(small)) - sum(len(encode(name)) + MARK for name in large)
    if not small or not large or room <= 0:
        return None
    share = room // len(large) // 2  # quotes and backslashes are written as two bytes each
    cut = {
        name: f"{encode(data[name])[:share].decode(errors='ignore')}… ({sizes[name]} bytes)"
        for name in large
    }
    return {name: cut.get(name, value) for name, value in data.items()}


def _shortened(value: object, most: int) -> object:
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]}… ({len(value) - most} characters more)"
    if isinstance(value, dict):
        return {name: _shortened(inner, most) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shortened(inner, most) for inner in value]
    return value


def cut_in_the_middle(text: str, most: int) -> str:
    """Return a text's beginning and end, with a line between them that says what is missing.

    The end is what matters of an output, the beginning of what was asked.
    """
    if len(text) <= most:
        return text
    head, tail = text[: most // 2], text[-(most - most // 2) :]
    head = head[: head.rfind("\n") + 1] or head
    tail = tail[tail.find("\n") + 1 :] or tail
    left = text[len(head) : len(text) - len(tail)]
    lines = left.count("\n")
    extent = f"{lines} lines, " if lines > 1 else ""
    return f"{head.removesuffix(chr(10))}\n… ({extent}{len(left)} characters more)\n{tail}"


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
