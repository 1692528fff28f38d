"""Which session makes room for another when the host is full."""

from __future__ import annotations

from collections.abc import Callable

from sxhost.model.limits import Limits
from sxhost.model.session import Session
from sxhost.store.contracts import Store
from sxhost.streams.presence import Presence

__all__ = ["Eviction"]


class Eviction:
    """Chooses the session that is missed least.

    It is one that is over, or an attached one that was silent for a while; of these those
    for which something waits (a message, a question) go last.  A hosted one whose agent
    `lives` is never chosen, whatever its log says: others may write there.
    """

    def __init__(
        self,
        store: Store,
        presence: Presence,
        now: Callable[[Session], Session],
        lives: Callable[[str], bool],
        limits: Limits,
    ) -> None:
        self._store = store
        self._presence = presence
        self._now = now
        self._lives = lives
        self._limits = limits

    async def choose(self) -> str | None:
        """Return the session that makes room, or None if all are busy."""
        views = [self._now(session) for session in await self._store.sessions()]
        spare = [view for view in views if self._is_over(view) or self._is_silent(view)]
        ranks = [(await self._rank(view), view.id) for view in spare]
        return min(ranks)[1] if ranks else None

    def _is_silent(self, view: Session) -> bool:
        silence = self._presence.silence(view.id)
        return view.kind == "attached" and silence > self._limits.busy_within

    def _is_over(self, view: Session) -> bool:
        return view.state.name in ("ended", "lost") and not self._lives(view.id)

    async def _rank(self, view: Session) -> tuple[bool, bool, int]:
        waits = bool(view.pending_approvals or await self._store.waiting(view.id))
        over = self._is_over(view)
        return waits, not over, view.state.since_ms if over else view.last_seen_ms
