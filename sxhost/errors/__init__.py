"""Every error that a client can meet, with its code, HTTP status and sentence.

An error is raised where its cause is known and rendered once, in `sxhost.http`; the client
library turns the rendered form back into the same class.  ``docs/api.md`` has the table of
codes.

========= =====================================================================
base      the base class, and its wire form
requests  malformed requests, and requests for what is not served
access    authentication, permissions, rate limits
sessions  sessions, their events and messages
agents    hosted agents, their turns and approvals
host      the host itself: overloaded, stopping, out of room, at fault
========= =====================================================================
"""

from __future__ import annotations

from sxhost.errors.access import (
    ForbiddenHost,
    ForbiddenOrigin,
    ForbiddenScope,
    ForbiddenTelemetry,
    RateLimited,
    Reserved,
    TooManyConnections,
    Unauthorized,
    UnknownToken,
)
from sxhost.errors.agents import (
    AgentFailed,
    AlreadyAnswered,
    AtTerminal,
    CommandRefused,
    ConversationInUse,
    NotHosted,
    NoTurn,
    OnlyAtTerminal,
    QuestionLimit,
    TurnInProgress,
    UnknownApproval,
    Unsupported,
)
from sxhost.errors.base import HostError, HostTimedOut, HostUnreachable
from sxhost.errors.host import (
    ChannelFailed,
    InternalError,
    NotReady,
    Overloaded,
    Stopping,
    StorageFull,
    StoreUnavailable,
    SubscriptionLimit,
    UnknownChannel,
)
from sxhost.errors.requests import (
    BadField,
    BadFraming,
    BadJSON,
    BadRequest,
    BodyTooLarge,
    ExpectationFailed,
    HeaderTooLarge,
    MethodNotAllowed,
    NotImplementedHere,
    RequestTimeout,
    UnknownRoute,
    UnsupportedType,
    UpgradeRequired,
    URITooLong,
    VersionNotSupported,
)
from sxhost.errors.sessions import (
    EventTooLarge,
    MessageClosed,
    MessageTooLarge,
    QueueFull,
    SessionExists,
    SessionLimit,
    UnknownMessage,
    UnknownSession,
)

__all__ = [
    "AgentFailed",
    "AlreadyAnswered",
    "AtTerminal",
    "BadField",
    "BadFraming",
    "BadJSON",
    "BadRequest",
    "BodyTooLarge",
    "ChannelFailed",
    "CommandRefused",
    "ConversationInUse",
    "EventTooLarge",
    "ExpectationFailed",
    "ForbiddenHost",
    "ForbiddenOrigin",
    "ForbiddenScope",
    "ForbiddenTelemetry",
    "HeaderTooLarge",
    "HostError",
    "HostTimedOut",
    "HostUnreachable",
    "InternalError",
    "MessageClosed",
    "MessageTooLarge",
    "MethodNotAllowed",
    "NoTurn",
    "NotHosted",
    "NotImplementedHere",
    "NotReady",
    "OnlyAtTerminal",
    "Overloaded",
    "QuestionLimit",
    "QueueFull",
    "RateLimited",
    "RequestTimeout",
    "Reserved",
    "SessionExists",
    "SessionLimit",
    "Stopping",
    "StorageFull",
    "StoreUnavailable",
    "SubscriptionLimit",
    "TooManyConnections",
    "TurnInProgress",
    "URITooLong",
    "Unauthorized",
    "UnknownApproval",
    "UnknownChannel",
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


def from_wire(status: int, fields: dict[str, object]) -> HostError:
    """Rebuild the exception from the wire form (`fields`) of an answer with an HTTP `status`.

    A code that this version does not know becomes a plain `HostError` with that code.
    """
    code = str(fields.get("error") or HostError.code)
    error_class = next((c for c in HostError.__subclasses__() if c.code == code), HostError)
    details = {k: v for k, v in fields.items() if k not in ("ok", "error", "message")}
    message = str(fields.get("message") or f"The host answered {status}.")
    error = error_class.__new__(error_class)
    HostError.__init__(error, message, **details)
    error.code, error.status = code, status
    return error
