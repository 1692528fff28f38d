"""Errors of sessions, their events and messages."""

from __future__ import annotations

from sxhost.errors.base import HostError

__all__ = [
    "EventTooLarge",
    "MessageClosed",
    "MessageTooLarge",
    "QueueFull",
    "SessionExists",
    "SessionLimit",
    "UnknownMessage",
    "UnknownSession",
]


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


class MessageClosed(HostError):
    """The message was delivered, withdrawn or has expired already."""

    status = 409
    code = "message_closed"

    def __init__(self, message_id: int, state: str) -> None:
        super().__init__(f"Message {message_id} is already {state}.", state=state)


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


class SessionLimit(HostError):
    """The limit of sessions is reached, and none of them is over and can make room."""

    status = 429
    code = "session_limit"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The host already holds {limit} sessions that are not over;"
            " delete one, or start the host with a larger --max-sessions.",
            limit=limit,
            retry_after=60,
        )


class SessionExists(HostError):
    """A session with this id exists already."""

    status = 409
    code = "session_exists"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"There is a session {session_id!r} already; choose another id.")
