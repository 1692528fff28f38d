"""The live board over a host in memory, driven by Textual's own pilot."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from html import unescape
from typing import Any, TypeVar

from textual.events import Paste
from textual.pilot import Pilot

from sxhost.cli.board.app import Board
from sxhost.cli.board.host import ClientOfBoard
from sxhost.errors import HostUnreachable
from sxhost.model.auth import Identity
from sxhost.model.event import EventDraft
from sxhost.model.host import RemoteHost
from sxhost.model.session import Registration
from sxhost.testing import HostInMemory, NetworkInMemory, finished
from tests.support.places import TOP

T = TypeVar("T")

__all__ = ["BoardInMemory", "drive", "matches_screen", "shows_all_of"]

SCREENS = TOP / "tests" / "host" / "board" / "screens"
PICTURES = TOP / "docs" / "pictures"
FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)
"""A picture uses what its reader has, and fetches nothing."""

WRITE = "SXHOST_WRITE_SCREENS"
"""Set it, and the screens are written anew, to be looked at."""


class BoardInMemory:
    """A board, the network that it asks over, and the keys of somebody before it."""

    def __init__(self, net: NetworkInMemory, board: Board, pilot: Pilot[None]) -> None:
        self.net = net
        self.board = board
        self.pilot = pilot

    async def settle(self, seconds: float = 0.1) -> None:
        """Let the host answer, and the screen be drawn."""
        for _ in range(8):
            self.net.advance(seconds / 8)
            for _ in range(8):
                await asyncio.sleep(0)
            self.board._draw_changes()
            self.board.conversation._draw_news()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Press keys, and see what comes of them."""
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str) -> None:
        """Write a text into the line that is open, and end it."""
        if self.board.focused is not None:
            self.board.focused.post_message(Paste(text))
        await self.press("enter")

    def fire(self, session: str, event: str, **data: Any) -> None:
        """Fire an event in the host."""
        draft = EventDraft.of(event, data)
        finished(self.net.service.fire(session, draft), self.net.clock)

    def register(self, session: str, **fields: Any) -> None:
        """Register a session in the host."""
        finished(self.net.service.register(session, Registration(**fields)), self.net.clock)

    @property
    def list_name(self) -> str | None:
        """The session that is chosen."""
        return self.board.list.chosen

    def draw_whole(self) -> None:
        """Draw the whole screen, as far as the terminal's driver."""
        update = self.board.screen._compositor.render_full_update()
        update.render_segments(self.board.console)

    @property
    def screen(self) -> str:
        """What is on the screen, without blanks at the ends of its lines."""
        strips = self.board.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)


class _Host(ClientOfBoard):
    """Streams come over the network in memory; what is asked is answered at once."""

    def __init__(self, net: NetworkInMemory) -> None:
        super().__init__(net.client)
        self._net = net
        self._asked = ClientOfBoard(net.host.client)

    async def ask(self, work: Callable[[RemoteHost], Awaitable[T]]) -> T:
        if self._net.down:
            raise HostUnreachable("connection refused")
        return await self._asked.ask(work)


@asynccontextmanager
async def _board(
    net: NetworkInMemory, size: tuple[int, int], identity: Identity | None
) -> AsyncIterator[BoardInMemory]:
    board = Board(_Host(net), identity, net.host.wall_ms, "/home/me", 0)
    async with board.run_test(size=size) as pilot:
        shown = BoardInMemory(net, board, pilot)
        await shown.settle()
        yield shown
    net.run()


def drive(
    act: Callable[[BoardInMemory], Awaitable[None]],
    host: HostInMemory | None = None,
    size: tuple[int, int] = (100, 30),
    identity: Identity | None = None,
) -> None:
    """Show a board over a host in memory, and act before it."""

    async def run() -> None:
        async with _board(NetworkInMemory(host), size, identity) as shown:
            await act(shown)

    asyncio.run(run())


def shows_all_of(picture: str, shown: BoardInMemory) -> bool:
    """Tell whether a picture of the documents has the words of a screen."""
    path = PICTURES / f"{picture}.svg"
    if os.environ.get(WRITE):
        svg = FONTS.sub("", shown.board.export_screenshot(title="sxhost top"))
        path.write_text(svg, encoding="utf-8")
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))
    drawn = "".join(unescape("".join(texts)).split())
    return all(word in drawn for word in shown.screen.split() if any(map(str.isalnum, word)))


def matches_screen(shown: str, name: str) -> bool:
    """Tell whether a screen is as it was kept under this name."""
    path = SCREENS / f"{name}.txt"
    if os.environ.get(WRITE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{shown}\n", encoding="utf-8")
    return shown == path.read_text(encoding="utf-8").removesuffix("\n")
