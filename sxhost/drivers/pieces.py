"""A text that an agent says in pieces, of which no more is kept than an event has room for."""

from __future__ import annotations

from typing import Final

__all__ = ["KEPT", "Pieces"]

KEPT: Final = 256 * 1024
"""Characters of a text that are kept: an event has as many bytes, and what is longer is cut."""


class Pieces:
    """The beginning of a text, up to `most` characters."""

    __slots__ = ("_parts", "_room")

    def __init__(self, most: int = KEPT) -> None:
        self._parts: list[str] = []
        self._room = most

    def add(self, text: str) -> None:
        """Take the next piece."""
        if self._room > 0 and text:
            self._parts.append(text[: self._room])
            self._room -= len(text)

    def __str__(self) -> str:
        return "".join(self._parts)
