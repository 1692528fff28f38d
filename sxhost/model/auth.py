"""Tokens, browsers' logins, and the audit of who did what."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from sxhost.model.names import SCOPES, SESSION_ID, Line, Scope

__all__ = [
    "AuditEntry",
    "AuditQuery",
    "HostIdentity",
    "Identity",
    "Login",
    "LoginQuery",
    "Token",
    "TokenDraft",
    "TokenMade",
]


class HostIdentity(Struct, frozen=True, kw_only=True):
    """Which host answers: its machine's name, its version, the epoch of its log."""

    name: str
    version: str
    epoch: str


class Identity(Struct, frozen=True, kw_only=True):
    """Who asks, as the host has recognised them, and what they may do there."""

    scopes: list[Scope]
    session: str | None = None
    """The only session that the scopes are for; None for all."""
    token: str | None = None
    """The id of the token or login; None for callers that need none."""
    name: str = ""
    """What the token was called when it was made; ``browser`` of a login."""
    expires_ms: int | None = None
    """When the token expires (Unix milliseconds); a login, if nothing more is asked."""
    host: HostIdentity

    def allows(self, scope: Scope, session_id: str | None = None) -> bool:
        """Tell whether a request with this scope, for a session or the host, is let in."""
        is_theirs = self.session is None or session_id == self.session
        return is_theirs and (scope in self.scopes or "admin" in self.scopes)


class TokenDraft(Struct, frozen=True, kw_only=True):
    """A token to issue: its scopes, the one session that it is for, its life in seconds."""

    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=4)]
    session: Annotated[str, Meta(pattern=SESSION_ID)] | None = None
    name: Line = ""
    expires_s: Annotated[float, Meta(ge=1, le=10**9)] | None = None


class Token(Struct, frozen=True):
    """A token, without its secret; times in Unix milliseconds."""

    id: str
    scopes: list[Scope]
    session: str | None = None
    name: str = ""
    created_ms: int = 0
    expires_ms: int | None = None

    def is_valid_at(self, at_ms: int) -> bool:
        """Tell whether it is valid at a time (Unix milliseconds)."""
        return self.expires_ms is None or at_ms < self.expires_ms


class TokenMade(Struct, frozen=True, kw_only=True):
    """A new token with its `secret`, which cannot be shown again."""

    ok: bool = True
    token: Token
    secret: str


class LoginQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a link's browser may do: its scopes (``a,b``), where, and for how long."""

    scopes: Annotated[str, Meta(pattern=SCOPES)] = "admin"
    session: Annotated[str, Meta(pattern=SESSION_ID)] | None = None
    life_s: Annotated[float, Meta(ge=60, le=10**9)] | None = None
    """At most as long as any login lasts."""


class Login(Struct, frozen=True, kw_only=True):
    """A link that logs a browser in, once, within `expires_s` seconds; `path` on this host."""

    ok: bool = True
    path: str
    expires_s: float
    urls: list[str] = []
    """Where other machines reach this host, those with TLS first: `path` is below each."""


class AuditQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which entries: at most `limit`, after the entry `after`; without it the newest."""

    after: Annotated[int, Meta(ge=0, lt=10**18)] | None = None
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 100


class AuditEntry(Struct, frozen=True):
    """An entry of the audit: what was done, to which session, by whom, when."""

    id: int
    what: str
    session: str | None
    detail: str
    token: str | None
    """The id of the token; None for the host's own user."""
    uid: int | None
    peer: str
    at_ms: int
