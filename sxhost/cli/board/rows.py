"""A session as a line of the board: the texts of its columns, and how they look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from sxhost.cli.formats import dollars
from sxhost.cli.standing import COLOURS, Standing
from sxhost.cli.table import Column, TableRow
from sxhost.model.session import Summary

__all__ = ["COLUMNS", "Row", "row_of"]

COLUMNS: Final = (
    Column(""),
    Column("SESSION", 14),
    Column("NOW", 13, rank=1, keep=" · "),
    Column("STATE", rank=2),
    Column("AGENT", 5, rank=3),
    Column("PROJECT", 8, rank=4),
    Column("BRANCH", 8, rank=6),
    Column("COST", rank=5, right=True),
)
"""Where there is no room, those of the highest rank are left out first."""

SIGNS: Final[Mapping[Standing, str]] = {
    **dict.fromkeys(("approval", "question", "waiting"), "!"),
    "stalled": "?",
    "failed": "✗",
    "working": "▸",
    "idle": "○",
}
"""A state's sign, for whoever sees no colours, or no words for want of room."""

OTHER: Final = "·"

NEW: Final = "●"
"""The sign of what is done, and was not looked at."""


class Row(NamedTuple):
    """A session's line."""

    id: str
    line: TableRow


def row_of(session: Summary, stands: Standing, now: str, *, is_new: bool = False) -> Row:
    """Return a session's line, in the order of `COLUMNS`; `now` is what it does.

    :param is_new: whether it is done, and nobody has looked at how.
    """
    colour = COLOURS.get(stands)
    faded = "dim" if colour == "dim" else None
    cells = (
        NEW if is_new else SIGNS.get(stands, OTHER),
        session.title or session.id,
        now,
        stands,
        session.agent or session.provider,
        session.project,
        session.git_branch,
        dollars(session.cost_usd) if session.cost_usd else "",
    )
    coloured = ("", "STATE")
    looks = [colour if column.title in coloured else faded for column in COLUMNS]
    return Row(session.id, TableRow(cells, looks))
