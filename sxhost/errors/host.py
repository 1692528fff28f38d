"""Errors of the host itself: overloaded, stopping, out of room, at fault."""

from __future__ import annotations

from sxhost.errors.base import HostError

__all__ = [
    "ChannelFailed",
    "InternalError",
    "NotReady",
    "Overloaded",
    "Stopping",
    "StorageFull",
    "StoreUnavailable",
    "SubscriptionLimit",
    "UnknownChannel",
]


class InternalError(HostError):
    """A defect of the host.  Its log has the traceback under the same request id."""

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"The host met an internal error; its log has it as request {request_id}.",
            request_id=request_id,
        )


class Stopping(HostError):
    """The host is stopping and takes no new requests."""

    status = 503
    code = "stopping"

    def __init__(self) -> None:
        super().__init__("The host is stopping; try again once it is back.", retry_after=5)


class NotReady(HostError):
    """Another host is to get the request: this one stands by, or is about to stop."""

    status = 503
    code = "not_ready"

    def __init__(self, why: str) -> None:
        super().__init__(f"The host {why}.", retry_after=1)


class Overloaded(HostError):
    """The memory for unread answers or for arriving bodies is used up."""

    status = 503
    code = "overloaded"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"More than {limit} bytes of {what}.", limit=limit, retry_after=5)


class SubscriptionLimit(HostError):
    """The limit of subscriptions is reached, of this caller or of the host."""

    status = 429
    code = "subscription_limit"

    def __init__(self, whose: str, limit: int) -> None:
        message = f"{whose} {limit} subscriptions already, as many as may be; end one."
        super().__init__(message, limit=limit, retry_after=5)


class StoreUnavailable(HostError):
    """The store cannot be written or read at the moment; nothing was acknowledged."""

    status = 503
    code = "store_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The store does not answer: {reason}.", retry_after=5)


class StorageFull(HostError):
    """The disk is full: reads go on, writes do once there is room."""

    status = 507
    code = "storage_full"

    def __init__(self) -> None:
        super().__init__("There is no room on the host's disk.", retry_after=30)


class UnknownChannel(HostError):
    """Notifications have no channel of this name."""

    status = 404
    code = "unknown_channel"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no channel {name!r}.", channel=name)


class ChannelFailed(HostError):
    """A channel of notifications has not taken a notice; the message says why."""

    status = 502
    code = "channel_failed"
