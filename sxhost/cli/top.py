"""``sxhost top``: the live board, for whoever has Textual and a terminal that can show it."""

from __future__ import annotations

import gc
import os
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from sxhost.cli.output import fail
from sxhost.cli.terminal import HostLink, linked

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.auth import Identity

__all__ = ["commands"]

CANNOT = 2
"""The exit status where there is no board to be shown: a usage error."""

COLLECT = (1_000, 5, 2_000)
"""When garbage is collected: often a little.  To look at what has come in forty frames takes 15
ms, as long as a frame may; at all objects some 50.
"""

INSTALL = "sxhost top needs Textual, which is not installed: pip install 'sxhost[top]'"


@click.command()
@linked
def top(link: HostLink) -> None:
    """Show all agents live: read, answer and steer them.

    ? shows the keys.
    """
    why = _why_not(link)
    if why:
        fail(CANNOT, why)
    if sys.__stderr__ is not None:  # there Textual draws; a character is a character wide
        sys.__stderr__.reconfigure(errors="replace")
    import asyncio

    from twisted.internet import asyncioreactor

    asyncioreactor.install(asyncio.new_event_loop())
    sys.exit(link.run_with_client(lambda host: _run_board(link, host)))


def _why_not(link: HostLink) -> str:
    """Return why there can be no board here; "" if there can."""
    if find_spec("textual") is None:
        return INSTALL
    if link.json:
        return "A board is not for machines: sxhost tail --json"
    if not all(file.isatty() for file in (sys.stdin, sys.stdout, sys.stderr)):
        return "A board needs a terminal; in a pipe there is: sxhost tail"
    if os.environ.get("TERM", "dumb") == "dumb":
        return "This terminal can show no board (TERM=dumb); there is: sxhost tail"
    return ""


async def _run_board(link: HostLink, client: HostClient) -> int:
    """Show the board until somebody leaves it; return the exit status."""
    import asyncio

    from twisted.internet.defer import Deferred

    from sxhost.cli.board.app import Board
    from sxhost.cli.board.host import ClientOfBoard

    board = Board(
        ClientOfBoard(client), await _identity(client), _now_ms, os.environ.get("HOME", "")
    )
    link.progress.stop()  # a board says itself what it waits for
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
    shown = asyncio.ensure_future(board.run_async())
    ended = Deferred.fromFuture(shown)

    def leave() -> Deferred[None]:
        """End the board before the reactor stops, so that the terminal is as it was."""
        board.exit()
        closed: Deferred[None] = Deferred()
        shown.add_done_callback(lambda _: closed.callback(None))
        return closed

    trigger = link.reactor.addSystemEventTrigger("before", "shutdown", leave)
    await ended
    link.reactor.removeSystemEventTrigger(trigger)
    return board.return_code or 0


async def _identity(client: HostClient) -> Identity | None:
    """Return who we are to the host; None if it is too old to say."""
    from sxhost.errors import UnknownRoute

    try:
        return await client.whoami()
    except UnknownRoute:
        return None


def _now_ms() -> int:
    return int(time.time() * 1000)


commands = (top,)
