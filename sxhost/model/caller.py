"""The caller of a request: who it is, with which scopes, and until when.

It is a context variable, `current`, while a request is served.  What a caller authenticated
with can end (a token is revoked, say): from then on its requests are refused, and its streams
and waits end.
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

__all__ = ["HOST", "NOBODY", "CallLater", "Caller", "Grant", "GrantEnd", "current_caller"]

GrantEnd = Literal["token_revoked", "token_rotated", "token_expired"]
"""Why a grant has ended."""

SENTENCES: Final[dict[GrantEnd, str]] = {
    "token_revoked": "The token was revoked.",
    "token_rotated": "The token was replaced by a new one.",
    "token_expired": "The token has expired.",
}

RECHECK_S: Final = 60.0
"""Seconds between two checks of a grant's expiry: the wall clock may jump."""

CALLBACKS_PER_TURN: Final = 50
"""Callbacks in one turn of the reactor: ending 50 streams takes some 10 ms."""


class Timer(Protocol):
    """A delayed call, as of `IReactorTime.callLater`."""

    def cancel(self) -> None:
        """Cancel the call."""


CallLater = Callable[[float, Callable[[], object]], Timer]
"""Schedules a call in so many seconds, as `IReactorTime.callLater` does."""


class Grant:
    """The access that a token (or a login) gives; it ends once, for all who use it.

    `remaining_s` returns in how many seconds it expires; `touch` is called whenever it is used.
    """

    def __init__(
        self,
        remaining_s: Callable[[], float],
        call_later: CallLater,
        touch: Callable[[], object] = lambda: None,
    ) -> None:
        self.touch = touch
        self._remaining_s = remaining_s
        self._call_later = call_later
        self._ended: GrantEnd | None = None
        self._callbacks: dict[Callable[[], object], None] = {}
        self._timer: Timer | None = None

    @property
    def ended(self) -> GrantEnd | None:
        """Why it has ended; None as long as it lasts."""
        if self._ended is None and self._remaining_s() <= 0:
            self.end("token_expired")
        return self._ended

    def end(self, why: GrantEnd) -> None:
        """End it, and call all callbacks of `on_end`."""
        if self._ended is None:
            self._ended = why
            self._disarm()
            self._call_back()

    @contextmanager
    def on_end(self, callback: Callable[[], object]) -> Iterator[None]:
        """Within the context, call `callback` when the grant ends; at once, if it has ended."""
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
        """Call some callbacks; the others in later turns, to let the reactor do other work."""
        for callback in tuple(islice(self._callbacks, CALLBACKS_PER_TURN)):
            self._callbacks.pop(callback, None)
            callback()
        if self._callbacks:
            self._call_later(0, self._call_back)

    def _arm(self) -> None:
        """Check again when it may have expired, as long as there are callbacks."""
        remaining_s = self._remaining_s()
        if self._timer is None and 0 < remaining_s < inf:
            self._timer = self._call_later(min(remaining_s, RECHECK_S), self._recheck)

    def _recheck(self) -> None:
        self._timer = None
        if not self.ended:
            self._arm()

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


class Caller(Struct, frozen=True):
    """An authenticated caller; a `session` narrows all scopes to that one session."""

    scopes: frozenset[Scope]
    session: str | None = None
    token: str | None = None
    """The id of the token shown; None for the host's own user."""
    uid: int | None = None
    peer: str = ""
    grant: Grant | None = None
    """Access through a token, which can end; None for callers that need no token."""
    name: str = ""
    """What the token was called when it was made."""
    expires_ms: int | None = None
    """When the token expires (Unix milliseconds); None if it does not."""

    @property
    def ended(self) -> GrantEnd | None:
        """Why the access has ended; None as long as it lasts."""
        return None if self.grant is None else self.grant.ended

    def on_end(self, callback: Callable[[], object]) -> AbstractContextManager[None]:
        """Within the context, call `callback` when the access ends."""
        return nullcontext() if self.grant is None else self.grant.on_end(callback)

    def check(self, scope: Scope, session_id: str | None, *, field: str | None = None) -> None:
        """Check that the caller has a scope for a session; `field` is the field that takes it.

        :raises Unauthorized: nobody is known to ask, or the access has ended.
        :raises ForbiddenScope: the caller has not.
        """
        self.check_known()
        if self.grant is not None:
            self.grant.touch()
        if scope not in self.scopes and "admin" not in self.scopes:
            raise ForbiddenScope(scope, field=field)
        if self.session is not None and session_id != self.session:
            raise ForbiddenScope(scope, self.session)

    def check_known(self) -> None:
        """Check that the host knows who asks: an open route lets in others, too.

        :raises Unauthorized: it does not, or their access has ended.
        """
        self.check_ended()
        if not self.scopes:
            raise Unauthorized("Nobody is known to ask.")

    def check_ended(self) -> None:
        """Check that the access has not ended.

        :raises Unauthorized: it has.
        """
        ended = self.ended
        if ended is not None:
            raise Unauthorized(SENTENCES[ended])


HOST: Final = Caller(frozenset({"admin"}), peer="host")
"""The host itself, and whoever runs it in the same process."""

NOBODY: Final = Caller(frozenset())
"""Whoever has not been let in."""

current_caller: ContextVar[Caller] = ContextVar("caller", default=HOST)
"""The caller of the request that is served now."""
