"""Who asks, and what they may do: known to whoever needs it while a request is served."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from msgspec import Struct

from sxhost.errors import ForbiddenScope
from sxhost.grammar import Scope

__all__ = ["HOST", "Caller", "current"]


class Caller(Struct, frozen=True):
    """Somebody who was let in; a `session` narrows all scopes to that one."""

    scopes: frozenset[Scope]
    session: str | None = None
    token: str | None = None
    """The id of the token shown; None for the host's own user."""
    uid: int | None = None
    peer: str = ""

    def check(self, scope: Scope, session_id: str | None, *, field: str | None = None) -> None:
        """Check that this may be done, or a `field` of it be said.

        :raises ForbiddenScope: it may not.
        """
        if scope not in self.scopes and "admin" not in self.scopes:
            raise ForbiddenScope(scope, field=field)
        if self.session is not None and session_id != self.session:
            raise ForbiddenScope(scope, self.session)


HOST: Final = Caller(frozenset({"admin"}), peer="host")
"""The host itself, and whoever runs it in the same process."""

current: ContextVar[Caller] = ContextVar("caller", default=HOST)
"""Who asks for what is done now."""
