"""Who asks, and what they may do: known to whoever needs it while a request is served.

What somebody was let in by can end (a token is revoked, say): from then on nothing more is
done for them, and what lasts for them (a stream, a wait) ends, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from itertools import islice
from math import inf
from typing import Final, Literal, Protocol

from msgspec import Struct

from sxhost.errors import ForbiddenScope, Unauthorized
from sxhost.model.names import Scope

__all__ = ["HOST", "CallLater", "Caller", "Ending", "Grant", "current"]

Ending = Literal["token_revoked", "token_rotated", "token_expired"]
"""Why a grant has ended."""

SENTENCES: Final[dict[Ending, str]] = {
    "token_revoked": "The token was revoked.",
    "token_rotated": "The token was replaced by a new one.",
    "token_expired": "The token has expired.",
}

RECHECK_S: Final = 60.0
"""Seconds after which it is asked again how long a grant lasts: the wall clock may jump."""

AT_ONCE: Final = 50
"""Streams that end in one turn of the reactor: some 10 ms of work."""


class Timer(Protocol):
    """What is to happen later."""

    def cancel(self) -> None:
        """Let it not happen."""


CallLater = Callable[[float, Callable[[], object]], Timer]
"""Calls something in so many seconds."""


class Grant:
    """The right that a token gives to all who show it; it ends once, for all of them.

    `left` tells for how many seconds it still lasts, if nobody ends it before; `touch` takes
    note that something is done by it.
    """

    def __init__(
        self,
        left: Callable[[], float],
        call_later: CallLater,
        touch: Callable[[], object] = lambda: None,
    ) -> None:
        self.touch = touch
        self._left = left
        self._call_later = call_later
        self._ended: Ending | None = None
        self._callbacks: dict[Callable[[], object], None] = {}
        self._timer: Timer | None = None

    @property
    def ended(self) -> Ending | None:
        """Why it has ended; None as long as it lasts."""
        if self._ended is None and self._left() <= 0:
            self.end("token_expired")
        return self._ended

    def end(self, why: Ending) -> None:
        """End, and call back all who wait for it."""
        if self._ended is None:
            self._ended = why
            self._disarm()
            self._call_back()

    @contextmanager
    def on_end(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call `callback` when it ends in between; at once, if it has ended."""
        if self.ended:
            callback()
        else:
            self._callbacks[callback] = None
            self._arm()
        try:
            yield
        finally:
            self._callbacks.pop(callback, None)
            if not self._callbacks:
                self._disarm()

    def _call_back(self) -> None:
        """Call back some who wait for the end; the others later, to hold nobody else up."""
        for callback in tuple(islice(self._callbacks, AT_ONCE)):
            self._callbacks.pop(callback, None)
            callback()
        if self._callbacks:
            self._call_later(0, self._call_back)

    def _arm(self) -> None:
        """Look again when it may have expired, as long as somebody waits for it."""
        left = self._left()
        if self._timer is None and 0 < left < inf:
            self._timer = self._call_later(min(left, RECHECK_S), self._recheck)

    def _recheck(self) -> None:
        self._timer = None
        if not self.ended:
            self._arm()

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


class Caller(Struct, frozen=True):
    """Somebody who was let in; a `session` narrows all scopes to that one."""

    scopes: frozenset[Scope]
    session: str | None = None
    token: str | None = None
    """The id of the token shown; None for the host's own user."""
    uid: int | None = None
    peer: str = ""
    grant: Grant | None = None
    """What the token gives, for as long as it does; None for whoever needs no token."""

    @property
    def ended(self) -> Ending | None:
        """Why they may ask no longer; None as long as they may."""
        return None if self.grant is None else self.grant.ended

    def on_end(self, callback: Callable[[], object]) -> AbstractContextManager[None]:
        """Call `callback` when they may ask no longer, if that comes in between."""
        return nullcontext() if self.grant is None else self.grant.on_end(callback)

    def check(self, scope: Scope, session_id: str | None, *, field: str | None = None) -> None:
        """Check that this may be done now, or a `field` of it be said.

        :raises Unauthorized: they may ask no longer.
        :raises ForbiddenScope: it may not.
        """
        self.check_ended()
        if self.grant is not None:
            self.grant.touch()
        if scope not in self.scopes and "admin" not in self.scopes:
            raise ForbiddenScope(scope, field=field)
        if self.session is not None and session_id != self.session:
            raise ForbiddenScope(scope, self.session)

    def check_ended(self) -> None:
        """Check that they may still ask.

        :raises Unauthorized: they may not.
        """
        ended = self.ended
        if ended is not None:
            raise Unauthorized(SENTENCES[ended])


HOST: Final = Caller(frozenset({"admin"}), peer="host")
"""The host itself, and whoever runs it in the same process."""

current: ContextVar[Caller] = ContextVar("caller", default=HOST)
"""Who asks for what is done now."""
