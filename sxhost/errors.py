"""Every refusal that a client can meet, with its code, status and sentence.

An error is raised where it is known and rendered once, at the edge (``web``); the
client library turns the rendered form back into the same class.  The table of codes
is ``API.md`` §0, repeated for users in ``docs/api.md``.
"""

from __future__ import annotations

__all__ = [
    "AgentFailed",
    "AlreadyAnswered",
    "BadField",
    "BadFraming",
    "BadJSON",
    "BadRequest",
    "BodyTooLarge",
    "EventTooLarge",
    "ExpectationFailed",
    "ForbiddenHost",
    "ForbiddenOrigin",
    "ForbiddenScope",
    "HeaderTooLarge",
    "HostError",
    "HostUnreachable",
    "InternalError",
    "MessageClosed",
    "MessageTooLarge",
    "MethodNotAllowed",
    "NoTurn",
    "NotHosted",
    "NotImplementedHere",
    "Overloaded",
    "QueueFull",
    "RateLimited",
    "RequestTimeout",
    "SessionExists",
    "SessionLimit",
    "Stopping",
    "StorageFull",
    "StoreUnavailable",
    "TooManyConnections",
    "TurnInProgress",
    "URITooLong",
    "Unauthorized",
    "UnknownApproval",
    "UnknownMessage",
    "UnknownRoute",
    "UnknownSession",
    "UnknownToken",
    "Unsupported",
    "UnsupportedType",
    "UpgradeRequired",
    "VersionNotSupported",
    "from_wire",
]


class HostUnreachable(Exception):
    """No host answered at all: nothing listens there, or the link broke."""


class HostError(Exception):
    """The host said no.

    ``code`` is for programs, ``message`` is a sentence that the reader can act on and
    ``details`` are the fields that help (``limit``, ``field``, ``line``, ``retry_after``).
    """

    status = 500
    code = "internal_error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def to_wire(self) -> dict[str, object]:
        """Return the one error shape of the native face."""
        return {"ok": False, "error": self.code, "message": self.message, **self.details}


class InternalError(HostError):
    """A defect of ours.  The log has the traceback under the same request id."""

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"The host met an internal error; its log has it as request {request_id}.",
            request_id=request_id,
        )


class BadRequest(HostError):
    """The request as a whole has the wrong shape."""

    status = 400
    code = "bad_request"


class BadFraming(HostError):
    """Where the request begins or ends cannot be told for sure, so nothing of it counts."""

    status = 400
    code = "bad_framing"


class BadJSON(HostError):
    """The body, or one line of it, is not JSON."""

    status = 400
    code = "bad_json"


class BadField(HostError):
    """One field is missing, of the wrong type or outside its bounds."""

    status = 400
    code = "bad_field"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, field=field)


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

    def __init__(self, scope: str, session: str | None = None) -> None:
        only = f" It is for session {session!r} alone." if session else ""
        super().__init__(f"The token does not allow this: it takes scope {scope!r}.{only}")


class ForbiddenOrigin(HostError):
    """A page of another origin asks: its browser would show it what we answer."""

    status = 403
    code = "forbidden_origin"

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"Pages of {origin!r} may not connect here; --allow-origin would let them."
        )


class UnknownSession(HostError):
    """No session has this id."""

    status = 404
    code = "unknown_session"

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"There is no session {session_id!r}; register it, or fire its first event."
        )


class UnknownMessage(HostError):
    """The session's inbox knows no message with this id (any more)."""

    status = 404
    code = "unknown_message"

    def __init__(self, session_id: str, message_id: int) -> None:
        super().__init__(f"The inbox of {session_id!r} knows no message {message_id}.")


class UnknownToken(HostError):
    """No token has this id."""

    status = 404
    code = "unknown_token"

    def __init__(self, token_id: str) -> None:
        super().__init__(f"There is no token {token_id!r}; `sxhost token list` has them all.")


class UnknownRoute(HostError):
    """Nothing is served at this path."""

    status = 404
    code = "unknown_route"

    def __init__(self, path: str) -> None:
        super().__init__(f"There is nothing at {path}; GET /openapi.json lists what there is.")


class MethodNotAllowed(HostError):
    """The path exists, but not with this method."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, allowed: list[str]) -> None:
        super().__init__(f"{method} is not possible here; use {' or '.join(allowed)}.")


class RequestTimeout(HostError):
    """The request came too slowly."""

    status = 408
    code = "request_timeout"


class MessageClosed(HostError):
    """The message has left the queue in a way that cannot be undone."""

    status = 409
    code = "message_closed"

    def __init__(self, message_id: int, state: str) -> None:
        super().__init__(f"Message {message_id} is already {state}.", state=state)


class BodyTooLarge(HostError):
    """The request's body exceeds its limit in bytes."""

    status = 413
    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit} bytes.", limit=limit)


class MessageTooLarge(HostError):
    """The message exceeds its limit in bytes of UTF-8."""

    status = 413
    code = "message_too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"The message has {size} bytes of UTF-8; {limit} are possible.", limit=limit
        )


class EventTooLarge(HostError):
    """The event's data exceeds its limit in bytes of JSON."""

    status = 413
    code = "event_too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"The event's data has {size} bytes of JSON; {limit} are possible.", limit=limit
        )


class URITooLong(HostError):
    """The request's target exceeds its limit in bytes."""

    status = 414
    code = "uri_too_long"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request's target is longer than {limit} bytes.", limit=limit)


class UnsupportedType(HostError):
    """The body is declared as something that this route does not read."""

    status = 415
    code = "unsupported_type"

    def __init__(self, declared: str, accepted: list[str]) -> None:
        super().__init__(
            f"This route does not read {declared!r}; send the header"
            f" 'Content-Type: {accepted[0]}'.",
            accepted=accepted,
        )


class ExpectationFailed(HostError):
    """The request expects what nobody here promises."""

    status = 417
    code = "expectation_failed"

    def __init__(self, expected: str) -> None:
        super().__init__(f"The only expectation met here is '100-continue', not {expected!r}.")


class UpgradeRequired(HostError):
    """Only a WebSocket is served there."""

    status = 426
    code = "upgrade_required"

    def __init__(self) -> None:
        super().__init__("A WebSocket is served here, of version 13; connect with 'ws://'.")


class QueueFull(HostError):
    """The session's inbox holds as many messages as it may."""

    status = 429
    code = "queue_full"

    def __init__(self, session_id: str, limit: int) -> None:
        super().__init__(
            f"{limit} messages already wait for {session_id!r}; try again once it has pulled.",
            limit=limit,
            retry_after=2,
        )


class RateLimited(HostError):
    """Too much was asked, or too many wrong tokens were tried."""

    status = 429
    code = "rate_limited"

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"{what}; try again in {retry_after} s.", retry_after=retry_after)


class HeaderTooLarge(HostError):
    """The request's header exceeds its limit in bytes or in fields."""

    status = 431
    code = "header_too_large"

    def __init__(self, limit: int, unit: str) -> None:
        super().__init__(f"The request's header has more than {limit} {unit}.", limit=limit)


class SessionLimit(HostError):
    """The host holds as many sessions as it may, and none of them is over."""

    status = 429
    code = "session_limit"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The host already holds {limit} sessions that are not over;"
            " delete one, or start the host with a larger --max-sessions.",
            limit=limit,
            retry_after=60,
        )


class NotImplementedHere(HostError):
    """The body is coded in a way that nobody here undoes."""

    status = 501
    code = "not_implemented"

    def __init__(self, coding: str) -> None:
        super().__init__(f"The only transfer coding read here is 'chunked', not {coding!r}.")


class Stopping(HostError):
    """The host is on its way out."""

    status = 503
    code = "stopping"

    def __init__(self) -> None:
        super().__init__("The host is stopping; try again once it is back.", retry_after=5)


class TooManyConnections(HostError):
    """As many connections are open as may be."""

    status = 503
    code = "too_many_connections"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} connections are open already.", limit=limit, retry_after=5)


class SessionExists(HostError):
    """A session of this name is there already."""

    status = 409
    code = "session_exists"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"There is a session {session_id!r} already; choose another id.")


class TurnInProgress(HostError):
    """The agent is busy with a turn."""

    status = 409
    code = "turn_in_progress"

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"A turn is running in {session_id!r}: steer it, interrupt it, or send a message."
        )


class NoTurn(HostError):
    """No turn is running that could be steered or interrupted."""

    status = 409
    code = "no_turn"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"No turn is running in {session_id!r}.")


class NotHosted(HostError):
    """The agent runs elsewhere: the host cannot do this for it."""

    status = 409
    code = "not_hosted"

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"The session {session_id!r} is attached: its agent is not run by this host."
        )


class Unsupported(HostError):
    """This agent cannot do this."""

    status = 409
    code = "unsupported"


class AlreadyAnswered(HostError):
    """Somebody was faster; `by`, `decision` and `at_ms` tell who, what and when."""

    status = 409
    code = "already_answered"

    def __init__(self, approval_id: int, **how: object) -> None:
        super().__init__(f"Approval {approval_id} is closed already.", **how)


class UnknownApproval(HostError):
    """No such approval is remembered."""

    status = 404
    code = "unknown_approval"

    def __init__(self, session_id: str, approval_id: int | str | None) -> None:
        which = "that waits" if approval_id is None else approval_id
        super().__init__(f"The session {session_id!r} has no approval {which}.")


class AgentFailed(HostError):
    """The agent could not be run, went, or refused; the message says what is known."""

    status = 502
    code = "agent_failed"


class Overloaded(HostError):
    """Answers that nobody reads fill what there is for them."""

    status = 503
    code = "overloaded"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Answers of more than {limit} bytes wait for their readers.",
            limit=limit,
            retry_after=5,
        )


class StoreUnavailable(HostError):
    """The store cannot be written or read at the moment; nothing was acknowledged."""

    status = 503
    code = "store_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The store does not answer: {reason}.", retry_after=5)


class VersionNotSupported(HostError):
    """The request is of a version of HTTP that is not spoken here."""

    status = 505
    code = "version_not_supported"

    def __init__(self, version: str) -> None:
        super().__init__(f"HTTP/1.1 and HTTP/1.0 are spoken here, not {version}.")


class StorageFull(HostError):
    """The disk is full: reads go on, writes do once there is room."""

    status = 507
    code = "storage_full"

    def __init__(self) -> None:
        super().__init__("There is no room on the host's disk.", retry_after=30)


def from_wire(status: int, fields: dict[str, object]) -> HostError:
    """Turn an error's wire form back into the exception that it was."""
    code = str(fields.get("error") or HostError.code)
    known = next((c for c in HostError.__subclasses__() if c.code == code), HostError)
    details = {k: v for k, v in fields.items() if k not in ("ok", "error", "message")}
    message = str(fields.get("message") or f"The host answered {status}.")
    error = known.__new__(known)
    HostError.__init__(error, message, **details)
    error.code, error.status = code, status
    return error
