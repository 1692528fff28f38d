"""Every refusal that a client can meet, with its code, status and sentence.

An error is raised where it is known and rendered once, at the edge (``web``); the
client library turns the rendered form back into the same class.  The table of codes
is ``API.md`` §0, repeated for users in ``docs/api.md``.

========= =====================================================================
base      what all have in common
requests  requests that cannot be understood, or that nobody here serves
access    who may not ask, or not now
sessions  sessions, their events and messages
agents    hosted agents, their turns and what they ask
host      the host itself: full, on its way out, at fault
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
    NotHosted,
    NoTurn,
    QuestionLimit,
    TurnInProgress,
    UnknownApproval,
    Unsupported,
)
from sxhost.errors.base import HostError, HostUnreachable
from sxhost.errors.host import (
    InternalError,
    Overloaded,
    Stopping,
    StorageFull,
    StoreUnavailable,
    SubscriptionLimit,
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
    "ForbiddenTelemetry",
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
    """Turn an error's wire form back into the exception that it was."""
    code = str(fields.get("error") or HostError.code)
    known = next((c for c in HostError.__subclasses__() if c.code == code), HostError)
    details = {k: v for k, v in fields.items() if k not in ("ok", "error", "message")}
    message = str(fields.get("message") or f"The host answered {status}.")
    error = known.__new__(known)
    HostError.__init__(error, message, **details)
    error.code, error.status = code, status
    return error
