"""What a host says of its sessions and what waits for a decision, as it is known now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from sxhost.cli.board.host import BoardHost
from sxhost.cli.board.sessions import BoardSessions
from sxhost.cli.formats import age
from sxhost.errors import HostError, HostUnreachable
from sxhost.model.approval import Approval, ApprovalQuery
from sxhost.model.host import RemoteHost
from sxhost.model.rights import APPROVAL_EVENTS
from sxhost.model.session import SessionRemoved, SummaryChange

if TYPE_CHECKING:
    from sxhost.client.stream import Value

__all__ = ["BoardFeed", "LostLink"]

FOLLOWED: Final = sorted(APPROVAL_EVENTS)
"""The events that a board follows: what else it shows is in summaries."""


class LostLink(NamedTuple):
    """Since when there is no link to the host (Unix ms), and why."""

    since_ms: int
    why: str

    def ago(self, now_ms: int) -> str:
        """Return for how long it has been lost."""
        return age((now_ms - self.since_ms) / 1000)


class BoardFeed:
    """Follows a host for a board, which looks now and then at what has `changed`.

    :param only: the session that is followed, where the token is for one alone.
    :param say: tells somebody what is worth a line.
    :param on_back: is called once the link is there again.
    :param leave: is called with the reason once the host has ended the stream.
    """

    def __init__(
        self,
        host: BoardHost,
        only: str | None,
        now_ms: Callable[[], int],
        *,
        say: Callable[[str], None],
        on_back: Callable[[], None],
        leave: Callable[[str], None],
    ) -> None:
        self.sessions = BoardSessions()
        self.lost: LostLink | None = None
        self.changed = True
        """Whether something is to be drawn."""
        self.is_stale = True
        """Whether what waits for a decision may have changed."""
        self._host = host
        self._only = only
        self._now_ms = now_ms
        self._say = say
        self._on_back = on_back
        self._leave = leave

    def begin(self) -> Callable[[], object]:
        """Follow the host; what is returned ends it."""
        return self._host.follow(self, self._only, after="now", types=FOLLOWED, summaries=True)

    def on_value(self, value: Value) -> None:
        """Take what the stream brings."""
        self.changed = True
        match value:
            case SummaryChange(session=session, summary=summary):
                self.sessions.apply(value)
                known = len(self.sessions.asked_by(session))
                self.is_stale |= known != summary.pending_approvals
            case SessionRemoved():
                self.sessions.apply(value)
            case _:
                self.is_stale = True

    def on_link(self, up: bool, why: str) -> None:
        """Take it that the link was lost, or is there again."""
        self.changed = True
        if not up:
            self.lost = LostLink(self._now_ms(), why)
        elif self.lost is not None:
            away = self.lost.ago(self._now_ms())
            self.lost, self.is_stale = None, True
            self._say(f"The host is there again, after {away}; nothing is missing.")
            self._on_back()

    def on_end(self, why: str) -> None:
        """Leave: the host has ended the stream."""
        self._leave(why)

    async def look(self) -> None:
        """Ask for all that waits for a decision."""
        self.is_stale = False
        try:
            approvals = await self._host.ask(self._pending)
        except HostUnreachable:
            return  # there is no link, and once there is one this is asked again
        except HostError as error:
            self._say(error.message)
            return
        self.sessions.replace_approvals(approvals)
        self.changed = True

    async def _pending(self, host: RemoteHost) -> list[Approval]:
        if self._only is not None:
            return await host.session_approvals(self._only, ApprovalQuery())
        return await host.approvals(ApprovalQuery())
