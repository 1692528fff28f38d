"""A link as a QR code in the terminal, for a phone's camera."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

from sxhost.cli.output import put

__all__ = ["put_qr_code", "qr_lines"]

BORDERS = (4, 2)
"""Light modules around a code: as many as the standard has, or as cameras need."""

HALVES = {(0, 0): " ", (1, 0): "\u2580", (0, 1): "\u2584", (1, 1): "\u2588"}
"""Two modules above one another in one character: a dark one is drawn."""

BLACK, WHITE = 16, 231
"""Colours that no terminal's theme changes, so that a dark theme inverts nothing."""


def put_qr_code(link: str) -> bool:
    """Print a link as a QR code, black on white; tell whether this terminal can show it."""
    columns, rows = shutil.get_terminal_size()
    lines = qr_lines(link, columns, rows)
    if not lines or not _has_blocks():
        return False
    put(*lines, fg=BLACK, bg=WHITE)
    return True


def qr_lines(link: str, columns: int, rows: int) -> Sequence[str]:
    """Return a QR code in characters, of which each has two modules; none if it is too wide.

    Its border is narrower where a terminal has little room.
    """
    import segno

    code = segno.make_qr(link, error="l", boost_error=False)
    for border in BORDERS:
        width, height = code.symbol_size(1, border)
        is_last = border == BORDERS[-1]
        if width <= columns and (is_last or (height + 1) // 2 < rows):
            return [*_lines([bytes(row) for row in code.matrix_iter(1, border)])]
    return ()


def _lines(modules: Sequence[bytes]) -> Iterator[str]:
    below = [*modules[1::2], *([bytes(len(modules[0]))] if len(modules) % 2 else [])]
    for upper, lower in zip(modules[::2], below, strict=True):
        yield "".join(HALVES[pair] for pair in zip(upper, lower, strict=True))


def _has_blocks() -> bool:
    """Tell whether what is printed can have the blocks that a code is drawn with."""
    try:
        "".join(HALVES.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
