"""Who may not ask, or not now."""

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
    """Nobody knows who asks."""

    status = 401
    code = "unauthorized"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"{why} Send a token: 'Authorization: Bearer TOKEN'; where the host runs,"
            " `sxhost token show` prints one."
        )


class ForbiddenHost(HostError):
    """The Host header names somebody else: a browser was led here under a false name."""

    status = 403
    code = "forbidden_host"

    def __init__(self, name: str) -> None:
        super().__init__(f"This host is not {name!r}; --allow-host {name} would make it so.")


class ForbiddenScope(HostError):
    """Whoever asks is known, and may not do this."""

    status = 403
    code = "forbidden_scope"

    def __init__(
        self, scope: str, session: str | None = None, field: str | None = None
    ) -> None:
        only = f" It is for session {session!r} alone." if session else ""
        what, more = ("it", {}) if field is None else (f"the field `{field}`", {"field": field})
        text = f"The token does not allow this: {what} takes scope {scope!r}.{only}"
        super().__init__(text, **more)


class Reserved(HostError):
    """The host alone says this, of a session whose agent it runs or of an approval."""

    status = 403
    code = "reserved"

    def __init__(self, session: str, **what: str) -> None:
        ((kind, name),) = what.items()
        super().__init__(
            f"The host alone says the {kind} `{name}` of the session {session!r}.", **what
        )


class ForbiddenOrigin(HostError):
    """A page of another origin asks: its browser would show it what we answer."""

    status = 403
    code = "forbidden_origin"

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"Pages of {origin!r} may not connect here; --allow-origin would let them."
        )


class ForbiddenTelemetry(HostError):
    """Telemetry was sent to what is not there for it: it may do nothing else."""

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
    """Too much was asked, or too many wrong tokens were tried."""

    status = 429
    code = "rate_limited"

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"{what}; try again in {retry_after} s.", retry_after=retry_after)


class TooManyConnections(HostError):
    """As many connections are open as may be."""

    status = 503
    code = "too_many_connections"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} connections are open already.", limit=limit, retry_after=5)
