"""A list that stays on the terminal and is drawn again, until somebody has seen enough."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.task import deferLater

from sxhost.cli.formats import clock
from sxhost.cli.output import Pieces, close_screen, open_screen, put_screen
from sxhost.errors import HostUnreachable

if TYPE_CHECKING:
    from sxhost.cli.terminal import HostLink

__all__ = ["keep_drawing"]

EVERY: Final = 2.0
"""Seconds between two drawings: an age of seconds moves, and a host is not kept busy."""


async def keep_drawing(link: HostLink, draw: Callable[[], Awaitable[list[Pieces]]]) -> None:
    """Draw a list every `EVERY` seconds; while no host answers, the last one with that news.

    :raises HostUnreachable: no host has answered the first time.
    """
    lines, news = await draw(), ""
    link.progress.stop()
    open_screen()
    link.reactor.addSystemEventTrigger("before", "shutdown", close_screen)
    while True:
        put_screen(lines, news or f"{clock(time.time())}  Ctrl-C ends this")
        await deferLater(link.reactor, EVERY)
        try:
            lines, news = await draw(), ""
        except HostUnreachable:
            news = news or f"The host does not answer since {clock(time.time())}; trying again"
