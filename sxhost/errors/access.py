"""Errors of authentication, permissions and rate limits."""

from __future__ import annotations

from sxhost.errors.base import HostError

__all__ = [
    "ForbiddenHost",
    "ForbiddenOrigin",
    "ForbiddenScope",
    "ForbiddenTelemetry",
    "RateLimited",
    "Reserved",
    "TooManyConnections",
    "Unauthorized",
    "UnknownToken",
]


class Unauthorized(HostError):
    """The caller did not authenticate, or its token is no longer valid."""

    status = 401
    code = "unauthorized"

    def __init__(self, why: str, **where: str) -> None:
        """Say why, and for whom a token is found `where`: its `host_user`, its `token_file`.

        That is for callers of the host's machine; others are told no names.
        """
        owner = where.get("host_user")
        user = f"user {owner}" if owner else "its user"
        file = f", or read {where['token_file']}" if where.get("token_file") else ""
        super().__init__(
            f"{why} Send a token: 'Authorization: Bearer TOKEN'. Where the host runs, {user}"
            f" can print one with `sxhost token show`{file}.",
            **where,
        )


class ForbiddenHost(HostError):
    """The Host header names another host: perhaps DNS rebinding led a browser here."""

    status = 403
    code = "forbidden_host"

    def __init__(self, name: str) -> None:
        super().__init__(f"This host is not {name!r}; --allow-host {name} would make it so.")


class ForbiddenScope(HostError):
    """The caller's token lacks the scope for this, or is for another session."""

    status = 403
    code = "forbidden_scope"

    def __init__(
        self, scope: str, session: str | None = None, field: str | None = None
    ) -> None:
        only = f" It is for session {session!r} alone." if session else ""
        subject = "it" if field is None else f"the field `{field}`"
        named = {"field": field, "session": session}
        details = {name: value for name, value in named.items() if value is not None}
        super().__init__(
            f"The token does not allow this: {subject} takes scope {scope!r}.{only}", **details
        )


class Reserved(HostError):
    """Only the host may report this: of a session whose agent it runs, or of an approval."""

    status = 403
    code = "reserved"

    def __init__(self, session: str, **what: str) -> None:
        ((kind, name),) = what.items()
        super().__init__(
            f"The host alone says the {kind} `{name}` of the session {session!r}.", **what
        )


class ForbiddenOrigin(HostError):
    """A browser sent the request for a page of another origin, which would see the answer."""

    status = 403
    code = "forbidden_origin"

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"Pages of {origin!r} may not connect here; --allow-origin would let them."
        )


class ForbiddenTelemetry(HostError):
    """A request of `sxhost emit` went to another route than ``/telemetry``."""

    status = 403
    code = "forbidden_telemetry"

    def __init__(self) -> None:
        super().__init__("Telemetry goes to /telemetry; EMIT_SESSION_API_URL leads elsewhere.")


class UnknownToken(HostError):
    """No token has this id."""

    status = 404
    code = "unknown_token"

    def __init__(self, token_id: str) -> None:
        super().__init__(f"There is no token {token_id!r}; `sxhost token list` has them all.")


class RateLimited(HostError):
    """Too many requests, or too many wrong tokens, of one caller."""

    status = 429
    code = "rate_limited"

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"{what}; try again in {retry_after} s.", retry_after=retry_after)


class TooManyConnections(HostError):
    """The limit of open connections is reached."""

    status = 503
    code = "too_many_connections"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} connections are open already.", limit=limit, retry_after=5)
