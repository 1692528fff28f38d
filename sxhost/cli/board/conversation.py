"""A session's conversation: read from its end, followed live, older parts fetched on demand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from sxhost.cli.board.document import Document
from sxhost.cli.board.host import BoardHost
from sxhost.cli.board.items import item_strips
from sxhost.cli.formats import wrap
from sxhost.errors import HostError, HostUnreachable
from sxhost.model.event import Event, Gap
from sxhost.model.transcript import TranscriptItem, TranscriptPage, TranscriptQuery
from sxhost.transcripts.conversation import ConversationFold

if TYPE_CHECKING:
    from sxhost.client.stream import Value

__all__ = ["ConversationView"]

PAGE: Final = 200
"""Items that are asked for at once."""

KEPT: Final = 5_000
"""Items after which the end is read anew: older ones are read again where somebody looks."""

SLICE_S: Final = 0.004
"""Seconds of laying out older items in one go: less than a frame."""

REDRAW_S: Final = 1 / 20
"""Seconds between two looks at what came meanwhile: a person reads no faster."""


NOBODY: Final = (
    "Nobody is here yet. n starts an agent; those that you start yourself come by "
    "themselves after: sxhost hook install claude"
)


class ConversationView(ScrollView, can_focus=True):
    """One session's conversation; the end is followed, unless somebody has scrolled up.

    :param rest_s: seconds for which a session must have been chosen until it is read: who runs
        through a list asks for none of what he passes.
    """

    opened: reactive[bool] = reactive(False)
    """Whether outputs, diffs and thoughts are shown whole."""

    stale: reactive[bool] = reactive(False)
    """Whether it may have changed, so that it is dimmed."""

    class News(Message):
        """What the view says of itself, in a line."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, host: BoardHost, rest_s: float, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._host = host
        self._rest_s = rest_s
        self._session: str | None = None
        self._document = Document(self._lay_out)
        self._fold = ConversationFold()
        self._offset = 0
        """The place of the fold's first item in the document."""
        self._changed: set[int] = set()
        """Places of the fold's items that are to be drawn anew."""
        self._before: int | None = None
        self._fetching = False
        self._reader: _Reader | None = None
        self._unseen = 0
        self._follows = True
        """Whether the end stays in sight, whatever comes."""
        self._placing = False
        self._width = 0
        self.says = NOBODY
        """What stands there while there is nothing to read."""

    @property
    def session(self) -> str | None:
        """The session that is read."""
        return self._session

    @property
    def items(self) -> Sequence[TranscriptItem]:
        """What is read of it."""
        return self._document.items

    @property
    def unseen(self) -> int:
        """How many items have come below what is seen."""
        return 0 if self._follows else self._unseen

    @property
    def is_at_end(self) -> bool:
        """Whether it was read, and its end is in sight."""
        return self._follows and self._reader is not None and self.size.height > 0

    def follow(self) -> None:
        """Go to the end, and on with it."""
        self._follows, self._unseen = True, 0
        self._place(self._document.height)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the end as long as nobody goes up from it."""
        super().watch_scroll_y(old_value, new_value)
        if not self._placing:
            self._follows = round(new_value) >= self.max_scroll_y

    def _place(self, y: int) -> None:
        """Show the lines from one on, without taking it for somebody's wish."""
        self._placing = True
        self._measure()
        self.scroll_to(y=y, animate=False, immediate=True, force=True)
        self._placing = False

    def on_mount(self) -> None:
        """Begin to look at what has come, now and then."""
        self.set_interval(REDRAW_S, self._draw_news)

    # What is read.

    def read(self, session_id: str | None) -> None:
        """Read this session from now on."""
        if session_id == self._session:
            return
        self._close()
        self._session = session_id
        self._show([], None, NOBODY if session_id is None else "Reading …")
        if session_id is not None:
            self._load(session_id)

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    @work(exclusive=True, group="load")
    async def _load(self, session_id: str) -> None:
        """Read the end of a session, and follow it from there."""
        query = TranscriptQuery(limit=PAGE)
        await asyncio.sleep(self._rest_s)
        try:
            page = await self._host.ask(lambda host: host.transcript(session_id, query))
        except (HostError, HostUnreachable) as error:
            if session_id == self._session:
                self._show([], None, str(error))
            return
        if session_id != self._session:
            return  # somebody has gone on meanwhile
        self._show(page.items, page.before, "" if page.items else "Nothing was said yet.")
        self._reader = _Reader(self)
        self._reader.begin(self._host, session_id, page.through)

    def _show(self, items: Sequence[TranscriptItem], before: int | None, says: str) -> None:
        self._fold = ConversationFold(items, whole=before is None)
        self._offset = 0
        self._changed.clear()
        self._unseen = 0
        self._before = before
        self.says = says
        self._document.reset(items, self.size.height)
        self.follow()
        self.refresh()

    def take(self, event: Event) -> None:
        """Take the next event of the session."""
        place = self._fold.add(event)
        if place is not None:
            self._changed.add(place)

    def reload(self) -> None:
        """Read the session anew: something is missing between what is here and what comes."""
        self._close()
        if self._session is not None:
            self._load(self._session)

    def reload_if_cut_off(self) -> None:
        """Read the session anew if it could not be read: there was no host."""
        if self._reader is None:
            self.reload()

    def end(self, why: str) -> None:
        """Say that nothing more comes."""
        self.post_message(self.News(f"{self._session}: {why}"))

    # What is drawn.

    def _lay_out(self, item: TranscriptItem) -> Sequence[Strip]:
        width = self.scrollable_content_region.width
        return item_strips(item, width, opened=self.opened)

    def _measure(self) -> None:
        width = self.scrollable_content_region.width
        self.virtual_size = Size(width, self._document.height)

    def _draw_news(self) -> None:
        """Draw what has changed, and lay out a little of what was said before."""
        if self._changed:
            self._take_changes()
        if self._follows and len(self._document) > KEPT:
            self.reload()
        elif not self._document.is_laid_out:
            self._lay_out_older()
        elif self.scroll_offset.y < self.size.height and self._before is not None:
            self._fetch_older()

    def _take_changes(self) -> None:
        known = len(self._document)
        for place in sorted(self._changed):
            at = place + self._offset
            self._unseen += at >= known
            self._document.set(at, self._fold.item(place))
        self._changed.clear()
        self.says = ""
        self._show_place(self.scroll_offset.y)

    def _lay_out_older(self) -> None:
        until = time.monotonic() + SLICE_S
        more = self._document.lay_out_some(lambda: time.monotonic() > until)
        self._show_place(self.scroll_offset.y + more)

    def _show_place(self, y: int) -> None:
        """Show the end if it is followed, else the lines from one on."""
        self._place(self._document.height if self._follows else y)
        self.refresh()

    def _fetch_older(self) -> None:
        if not self._fetching and self._session is not None and self._before is not None:
            self._fetching = True
            self._load_older(self._session, self._before)

    @work(group="older")
    async def _load_older(self, session_id: str, before: int) -> None:
        query = TranscriptQuery(before=before, limit=PAGE)
        page: TranscriptPage | None = None
        try:
            page = await self._host.ask(lambda host: host.transcript(session_id, query))
        except (HostError, HostUnreachable) as error:
            self._before = None  # it is asked for again where the session is read anew
            self.post_message(self.News(str(error)))
        finally:
            self._fetching = False
        if page is not None and (session_id, before) == (self._session, self._before):
            is_end = page.before is not None and page.before >= before
            self._before = None if is_end else page.before
            self._offset += len(page.items)
            self._document.prepend(page.items)
            self._lay_out_older()

    def on_resize(self) -> None:
        """Lay the conversation out for the width that there is now."""
        if self._width != self.scrollable_content_region.width:
            self._width = self.scrollable_content_region.width
            self._lay_out_anew()
        else:
            self._show_place(self.scroll_offset.y)

    def watch_opened(self) -> None:
        """Lay the conversation out with or without outputs, diffs and thoughts."""
        self._lay_out_anew()

    def _lay_out_anew(self) -> None:
        below = self._document.height - self.scroll_offset.y
        self._document.lay_out_again(self.size.height if self._follows else below)
        self._show_place(self._document.height - below)

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        width = self.scrollable_content_region.width
        line = self._document.line(y + self.scroll_offset.y)
        if not len(self._document):
            says = wrap(self.says, width)
            line = Strip([Segment(says[y], Style(dim=True))]) if y < len(says) else None
        strip = Strip.blank(width) if line is None else line.crop_extend(0, width, None)
        return strip.apply_style(Style(dim=True)) if self.stale else strip


class _Reader:
    """Follows one session for a view, until it is closed."""

    def __init__(self, view: ConversationView) -> None:
        self._view = view
        self._closed = False
        self._end: Callable[[], object] = lambda: None

    def begin(self, host: BoardHost, session_id: str, after: int) -> None:
        """Follow the session after an event."""
        self._end = host.follow(self, session_id, after=str(after))

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True
        self._end()

    def on_value(self, value: Value) -> None:
        if self._closed:
            return
        if isinstance(value, Gap):
            self._view.reload()
        elif isinstance(value, Event):
            self._view.take(value)

    def on_link(self, up: bool, why: str) -> None:
        """The board's own stream says it."""

    def on_end(self, why: str) -> None:
        if not self._closed:
            self._view.end(why)
