"""Errors of malformed requests, and of requests for what is not served."""

from __future__ import annotations

from sxhost.errors.base import HostError

__all__ = [
    "BadField",
    "BadFraming",
    "BadJSON",
    "BadRequest",
    "BodyTooLarge",
    "ExpectationFailed",
    "HeaderTooLarge",
    "MethodNotAllowed",
    "NotImplementedHere",
    "RequestTimeout",
    "URITooLong",
    "UnknownRoute",
    "UnsupportedType",
    "UpgradeRequired",
    "VersionNotSupported",
]


class BadRequest(HostError):
    """The request as a whole has the wrong form."""

    status = 400
    code = "bad_request"


class BadFraming(HostError):
    """Where the request ends is ambiguous (request smuggling), so it is not served."""

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


class BodyTooLarge(HostError):
    """The request's body exceeds its limit in bytes."""

    status = 413
    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit} bytes.", limit=limit)


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
    """The Expect header asks for something else than ``100-continue``."""

    status = 417
    code = "expectation_failed"

    def __init__(self, expected: str) -> None:
        super().__init__(f"The only expectation met here is '100-continue', not {expected!r}.")


class UpgradeRequired(HostError):
    """The route serves WebSockets alone."""

    status = 426
    code = "upgrade_required"

    def __init__(self) -> None:
        super().__init__("A WebSocket is served here, of version 13; connect with 'ws://'.")


class HeaderTooLarge(HostError):
    """The request's header exceeds its limit in bytes or in fields."""

    status = 431
    code = "header_too_large"

    def __init__(self, limit: int, unit: str) -> None:
        super().__init__(f"The request's header has more than {limit} {unit}.", limit=limit)


class NotImplementedHere(HostError):
    """The request's method, or the transfer coding of its body, is not implemented."""

    status = 501
    code = "not_implemented"


class VersionNotSupported(HostError):
    """The request is of another version of HTTP than 1.0 and 1.1."""

    status = 505
    code = "version_not_supported"

    def __init__(self, version: str) -> None:
        super().__init__(f"HTTP/1.1 and HTTP/1.0 are spoken here, not {version}.")
