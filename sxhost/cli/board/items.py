"""An item of a conversation as lines of the board: as `sxhost log` shows it, laid out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from sxhost.cli.conversation import ConversationPrinter, Look
from sxhost.cli.formats import clock, one_line, wrap
from sxhost.model.transcript import TranscriptItem

__all__ = ["item_strips"]

NARROWEST: Final = 8
"""Columns for which lines are laid out at the least; what has no room is cut."""

OPENED: Final = 200
"""Lines of one item at the most: of more the middle is left out."""

MARKDOWN: Final = 20_000
"""Characters of a text up to which it is laid out as Markdown."""

WRITTEN: Final = 4_000
"""Characters of a text that are shown while it is written: it is laid out for each frame."""

DIM: Final = Style(dim=True)

_console = Console(color_system=None, force_terminal=False, legacy_windows=False)


def item_strips(item: TranscriptItem, width: int, *, opened: bool) -> list[Strip]:
    """Return an item's lines, none wider than `width`; words of the user have their time.

    :param opened: whether inputs, outputs, diffs and thoughts are shown whole.
    """
    room = max(width, NARROWEST)
    if item.kind == "message" and (item.status == "running" or len(item.text) > MARKDOWN):
        lines = _plain(item, room)
    else:
        lines = _laid_out(item, room, opened)
    return _cut_middle([Strip(line).crop(0, room) for line in lines])


def _plain(item: TranscriptItem, width: int) -> Iterator[list[Segment]]:
    """Yield the lines of a text that is written, or is too long to be laid out."""
    left = len(item.text) - WRITTEN if item.status == "running" else 0
    if left > 0:
        yield [Segment(f"… {left} characters are shown once all is there", DIM)]
    for line in wrap(item.text[max(left, 0) :].expandtabs(4), width):
        yield [Segment(line)]


def _laid_out(item: TranscriptItem, width: int, opened: bool) -> Iterator[list[Segment]]:
    options = _console.options.update(width=width)
    for shown in _shown(item, width, opened):
        yield from _console.render_lines(shown, options, pad=False)


def _shown(item: TranscriptItem, width: int, opened: bool) -> Iterator[RenderableType]:
    if item.kind == "approval" and item.status == "pending":  # all of it is in front
        yield Text(f"? {one_line(item.title)}", "bold yellow")
        return
    if item.kind == "user":
        yield Text("")
        yield Text(clock(item.ts_ms / 1000), "dim")
    look = Look(width, tools=opened, thinking=opened, more="t")
    yield from ConversationPrinter(look).item_lines(item)


def _cut_middle(strips: list[Strip]) -> list[Strip]:
    if len(strips) <= OPENED:
        return strips
    half = OPENED // 2
    left = len(strips) - 2 * half
    mark = Strip([Segment(f"  … {left} lines are left out …", DIM)])
    return [*strips[:half], mark, *strips[-half:]]
