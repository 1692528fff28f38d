"""The list of sessions: a line each, drawn only where it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from sxhost.cli.board.rows import COLUMNS, Row
from sxhost.cli.table import TableRow, lay_out, row_pieces

__all__ = ["BoardList"]

DIM, CHOSEN = Style(dim=True), Style(reverse=True)
HEADING: Final = TableRow([column.title for column in COLUMNS], ["dim"] * len(COLUMNS))


class BoardList(ScrollView, can_focus=True):
    """Sessions as lines; one of them is chosen, and stays so wherever it moves."""

    stale: reactive[bool] = reactive(False)
    """Whether they may have changed, so that they are dimmed."""

    class Chosen(Message):
        """Another session was chosen."""

        def __init__(self, session_id: str | None) -> None:
            super().__init__()
            self.session_id = session_id

    class Opened(Message):
        """The chosen session is to be read."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._rows: Sequence[Row] = ()
        self._widths: Sequence[int] = [0] * len(COLUMNS)
        self._chosen: str | None = None
        self._at = 0
        self.is_moved = False
        """Whether somebody has chosen; until then it is the first one that is."""
        self._wanted: str | None = None
        """The session to be chosen as soon as it is listed."""

    @property
    def chosen(self) -> str | None:
        """The id of the chosen session; None if there is none."""
        return self._chosen

    def show(self, rows: Sequence[Row]) -> None:
        """Show these sessions; the chosen one stays chosen if it is among them."""
        if rows == self._rows:
            return
        self._rows = rows
        self._lay_out()
        wanted = self._place_of(self._wanted)
        if wanted is not None:
            self._wanted, self.is_moved = None, True
        at = self._place_of(self._chosen) if wanted is None else wanted
        if not self.is_moved:
            at = 0
        self._choose(self._at if at is None else at)

    def _place_of(self, session_id: str | None) -> int | None:
        return next((at for at, row in enumerate(self._rows) if row.id == session_id), None)

    def move(self, by: int) -> None:
        """Choose a session further down, or up."""
        self.is_moved = True
        self._choose(self._at + by)

    def choose_end(self, *, last: bool) -> None:
        """Choose the last session, or the first."""
        self.is_moved = True
        self._choose(len(self._rows) - 1 if last else 0)

    def choose_first(self) -> None:
        """Choose the first session, whichever that is, until somebody moves."""
        self.is_moved = False
        self._choose(0)

    def choose_id(self, session_id: str) -> None:
        """Choose a session by its id, as soon as it is listed."""
        at = self._place_of(session_id)
        if at is None:
            self._wanted = session_id
        else:
            self.is_moved = True
            self._choose(at)

    @property
    def page(self) -> int:
        """How many sessions are seen at once."""
        return max(self.size.height - 1, 1)

    def _choose(self, at: int) -> None:
        self._at = max(0, min(at, len(self._rows) - 1))
        chosen = self._rows[self._at].id if self._rows else None
        top = self.scroll_offset.y
        if self._at < top:
            self.scroll_to(y=self._at, animate=False)
        elif self._at >= top + self.page:
            self.scroll_to(y=self._at - self.page + 1, animate=False)
        self.refresh()
        if chosen != self._chosen:
            self._chosen = chosen
            self.post_message(self.Chosen(chosen))

    # Drawing.

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        self._widths = lay_out(COLUMNS, [row.line.cells for row in self._rows], width)
        self.virtual_size = Size(width, len(self._rows) + 1)

    def on_resize(self) -> None:
        """Give the columns the room that there is now."""
        self._lay_out()
        self._choose(self._at)

    def render_line(self, y: int) -> Strip:
        """Draw a line: the first one is the heading, which does not scroll."""
        width = self.scrollable_content_region.width
        if y == 0:
            return _strip(self._widths, HEADING).crop_extend(0, width, None)
        at = y - 1 + self.scroll_offset.y
        if at >= len(self._rows):
            return Strip.blank(width)
        strip = _strip(self._widths, self._rows[at].line).crop_extend(0, width, None)
        if self.stale:
            strip = strip.apply_style(DIM)
        return strip.apply_style(CHOSEN) if at == self._at else strip

    # The mouse.

    def on_click(self, event: events.Click) -> None:
        """Choose what is clicked on; twice opens it."""
        at = event.y - 1 + self.scroll_offset.y
        if event.y >= 1 and at < len(self._rows):
            self.is_moved = True
            self._choose(at)
            if event.chain > 1:
                self.post_message(self.Opened())


def _strip(widths: Sequence[int], line: TableRow) -> Strip:
    pieces = row_pieces(COLUMNS, widths, line)
    return Strip([Segment(text, Style.parse(look or "")) for text, look in pieces])
