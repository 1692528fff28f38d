"""``sxhost sessions --watch``: the list as the host tells of its sessions, change by change."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from sxhost.cli.formats import clock
from sxhost.cli.live import LiveList
from sxhost.cli.output import Pieces, put
from sxhost.cli.session_list import Listed, choose, list_sessions, pending_by_session
from sxhost.cli.terminal import HostLink
from sxhost.errors import HostError, HostUnreachable
from sxhost.logs import logger
from sxhost.model.rights import APPROVAL_EVENTS
from sxhost.model.session import SessionQuery, SessionRemoved, SummaryChange
from sxhost.waiting import background

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.client.stream import Value

__all__ = ["SessionWatch"]

log = logger(__name__)


class SessionWatch:
    """Keeps the list of the sessions that a query chooses on the terminal.

    :param table: returns the lines of a list.
    """

    def __init__(
        self,
        link: HostLink,
        host: HostClient,
        query: SessionQuery,
        table: Callable[[Listed], list[Pieces]],
        *,
        needs_me: bool = False,
    ) -> None:
        self._link = link
        self._host = host
        self._query = query
        self._needs_me = needs_me
        self._table = table
        self._listed = Listed([], {})
        self._lost = ""
        self._looking = False
        self._list = LiveList(link.reactor, self._drawn)

    async def run(self) -> None:
        """Show the list until the host ends the stream.

        :raises HostError: the host refuses.
        :raises HostUnreachable: no host has answered the first time.
        """
        everything = SessionQuery()
        self._listed = await list_sessions(self._host, everything, needs_me=False)
        known = {session.id: session for session in self._listed.sessions}
        stream = self._host.subscribe(
            types=sorted(APPROVAL_EVENTS),
            after="now",
            summary=True,
            native=False,
            on_link=self._note_link,
        )
        self._link.progress.stop()
        self._list.begin()
        async with stream:
            async for value in stream:
                match value:
                    case SummaryChange(session=session, summary=summary):
                        known[session] = summary
                    case SessionRemoved(session=session):
                        known.pop(session, None)
                self._listed = self._listed._replace(sessions=list(known.values()))
                self._note(value)
        self._list.end()
        put(f"The end: {stream.ended}.", err=True)

    def _note(self, value: Value) -> None:
        """Draw a change soon; ask what agents wait for, if that may have changed."""
        known = isinstance(value, SummaryChange) and (
            bool(value.summary.pending_approvals) is (value.session in self._listed.asked)
        )
        if not known and not self._looking:
            self._looking = True
            background(self._look(), log, "looking what is asked")
        self._list.change()

    async def _look(self) -> None:
        with suppress(HostError, HostUnreachable):
            asked = await pending_by_session(self._host)
            self._listed = self._listed._replace(asked=asked)
        self._looking = False
        self._list.change()

    def _note_link(self, up: bool, _why: str) -> None:
        now = clock(time.time())
        self._lost = "" if up else f"The host does not answer since {now}; trying again"
        self._list.change()

    def _drawn(self) -> tuple[list[Pieces], str]:
        shown = choose(self._listed, self._query, needs_me=self._needs_me)
        return self._table(shown), self._lost or f"{clock(time.time())}  Ctrl-C ends this"
