"""Tables for a terminal: as many columns as it has room for, each as wide as it can be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sxhost.cli.formats import columns_of, fit, one_line, pad

__all__ = ["Column", "TableRow", "lay_out", "row_pieces", "table_lines"]

GAP = 2
"""Blanks between two columns."""


class Column(NamedTuple):
    """A column of a table, with its heading."""

    title: str
    least: int = 1000
    """Width down to which it is cut; the usual one is never cut."""
    rank: int = 0
    """Where there is no room, columns of the highest rank are left out first."""
    right: bool = False
    """Whether it is set at the right, as numbers are."""
    keep: str = ""
    """Where a cell is cut, what stands behind the last such text is kept: `` · 2 min``."""
    wish: int = 0
    """Width to which it is not cut as long as columns of a higher rank can be left out."""


class TableRow(NamedTuple):
    """A line of a table: its cells, and their styles, if any: a colour, ``dim`` or ``bold``."""

    cells: Sequence[str]
    colours: Sequence[str | None] = ()


def lay_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the columns' widths, which fit into a terminal's; 0 of one that is left out.

    A column without a text is left out, too.
    """
    widths = [
        max((columns_of(row[at]) for row in rows), default=0) for at in range(len(columns))
    ]
    widths = [
        wide and max(wide, len(column.title))
        for wide, column in zip(widths, columns, strict=True)
    ]
    least = [
        min(max(column.least, column.wish), wide)
        for column, wide in zip(columns, widths, strict=True)
    ]
    for at in sorted(range(len(columns)), key=lambda at: (-columns[at].rank, -at)):
        if _total(least) > width:
            least[at] = min(least[at], columns[at].least)
        if _total(least) > width and sum(map(bool, least)) > 1:
            least[at] = widths[at] = 0
    while _total(widths) > width:
        room = [wide if wide > small else 0 for wide, small in zip(widths, least, strict=True)]
        if not any(room):
            break
        widths[room.index(max(room))] -= 1
    return [min(wide, width) for wide in widths]


def _total(widths: Iterable[int]) -> int:
    shown = [wide for wide in widths if wide]
    return sum(shown) + GAP * (len(shown) - 1)


def table_lines(
    columns: Sequence[Column], lines: Sequence[TableRow], width: int
) -> list[list[tuple[str, str | None]]]:
    """Return a table's lines as pieces with their colours: the heading, then each line."""
    lines = [TableRow([one_line(cell) for cell in line.cells], line.colours) for line in lines]
    widths = lay_out(columns, [line.cells for line in lines], width)
    heading = TableRow([column.title for column in columns], ["dim"] * len(columns))
    return [row_pieces(columns, widths, line) for line in (heading, *lines)]


def row_pieces(
    columns: Sequence[Column], widths: Sequence[int], line: TableRow
) -> list[tuple[str, str | None]]:
    """Return a line as pieces with their colours, where each column is so wide."""
    last = max((at for at, wide in enumerate(widths) if wide), default=0)
    return [
        (
            _cell(text, wide, columns[at], ends=at == last),
            line.colours[at] if line.colours else None,
        )
        for at, (text, wide) in enumerate(zip(line.cells, widths, strict=True))
        if wide
    ]


def _cell(text: str, wide: int, column: Column, *, ends: bool) -> str:
    head, kept, tail = text.rpartition(column.keep) if column.keep else ("", "", text)
    room = wide - columns_of(kept + tail)
    cell = fit(head, room) + kept + tail if kept and room > 0 else fit(text, wide)
    if ends and not column.right:
        return cell
    return pad(cell, wide, right=column.right) + ("" if ends else " " * GAP)
