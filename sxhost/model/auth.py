"""Tokens, browsers' logins, and the audit of who did what."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from sxhost.model.names import SESSION_ID, Line, Scope

__all__ = [
    "AuditEntry",
    "AuditQuery",
    "Login",
    "Token",
    "TokenDraft",
    "TokenMade",
]


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


class Login(Struct, frozen=True, kw_only=True):
    """A link that logs a browser in, once, within `expires_s` seconds; `path` on this host."""

    ok: bool = True
    path: str
    expires_s: float


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
