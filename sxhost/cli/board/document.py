"""A conversation's lines: each item laid out when it is needed, from the end backward.

To lay out Markdown takes milliseconds, so what was said long ago is done bit by bit, while
nobody waits (`lay_out_some`).  Until then it has no lines.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from textual.strip import Strip

from sxhost.model.transcript import TranscriptItem

__all__ = ["Document", "LayOut"]

LayOut = Callable[[TranscriptItem], Sequence[Strip]]
"""Returns an item's lines, as wide as the document is."""


class Document:
    """Items and their lines, of which the last ones are laid out."""

    def __init__(self, lay_out: LayOut) -> None:
        self._lay_out = lay_out
        self._items: list[TranscriptItem] = []
        self._first = 0
        """The first item that is laid out; all after it are."""
        self._lines: list[Sequence[Strip]] = []
        """The lines of the items from there on."""
        self._starts: list[int] = []
        """The first line of each of these."""
        self.height = 0
        """How many lines there are so far."""

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_laid_out(self) -> bool:
        """Whether every item has its lines."""
        return self._first == 0

    @property
    def items(self) -> Sequence[TranscriptItem]:
        """All items."""
        return self._items

    def line(self, y: int) -> Strip | None:
        """Return a line; None beyond the last one."""
        if not 0 <= y < self.height:
            return None
        at = bisect_right(self._starts, y) - 1
        return self._lines[at][y - self._starts[at]]

    # What changes it.

    def reset(self, items: Iterable[TranscriptItem], lines: int) -> None:
        """Take other items, and lay out so many lines of their end at the least."""
        self._items = list(items)
        self.lay_out_again(lines)

    def lay_out_again(self, lines: int) -> None:
        """Forget all lines (the width is another one), and lay out the last ones anew."""
        self._first, self._lines, self._starts = len(self._items), [], []
        self.height = 0
        self._lay_out_until(lambda: self.height >= lines)

    def lay_out_some(self, enough: Callable[[], bool]) -> int:
        """Lay out earlier items until it is enough; return how many lines came before."""
        before = self.height
        self._lay_out_until(enough)
        return self.height - before

    def prepend(self, items: Sequence[TranscriptItem]) -> None:
        """Put older items before all others; they have no lines yet."""
        self._items[:0] = items
        self._first += len(items)

    def set(self, place: int, item: TranscriptItem) -> None:
        """Put an item at a place: a new last one, or in place of what it was."""
        if place == len(self._items):
            self._items.append(item)
            self._starts.append(self.height)
            self._lines.append(self._lay_out(item))
            self.height += len(self._lines[-1])
            return
        self._items[place] = item
        at = place - self._first
        if at >= 0:
            self._lines[at] = self._lay_out(item)
            self._count_from(at)

    def _lay_out_until(self, enough: Callable[[], bool]) -> None:
        new: list[Sequence[Strip]] = []
        while self._first > 0 and not enough():
            self._first -= 1
            new.append(self._lay_out(self._items[self._first]))
            self.height += len(new[-1])
        if new:
            self._lines[:0] = reversed(new)
            self._starts = [0] * len(self._lines)
            self._count_from(0)

    def _count_from(self, at: int) -> None:
        y = self._starts[at]
        for place in range(at, len(self._lines)):
            self._starts[place] = y
            y += len(self._lines[place])
        self.height = y
