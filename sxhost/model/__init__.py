"""Frozen values, which are the wire format too; what is checked of them stands here as well.

============= =====================================================================
approval      what an agent asks, and what it is told
auth          tokens, logins, the audit
caller        who asks, what they may do, and until when
cursor        a reader's place in the log, as clients keep it and send it back
host          the verbs of a host as Protocols: of the service, and of a client to it
limits        every bound, with unit and reason
names         how names are written
rights        which scope each field takes, and what the host alone says: tables that tests
              walk
session       the structs
session_state what a log says of its session's state, and what silence adds: two pure
              functions
summaries     sessions as they are shown, and which a query asks for
turn          what a hosted agent is started with and told; its turns
============= =====================================================================
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sxhost.model.cursor import Cursor
    from sxhost.model.session import (
        Accepted,
        Claim,
        Detail,
        Done,
        Event,
        EventDraft,
        EventQuery,
        Fired,
        Gap,
        Health,
        Hosted,
        Hosting,
        LogQuery,
        Memory,
        Message,
        MessageDraft,
        PullQuery,
        Registered,
        Registration,
        Sent,
        Session,
        SessionQuery,
        State,
        StateChange,
        Status,
        Summary,
    )

__all__ = [
    "Accepted",
    "Claim",
    "Cursor",
    "Detail",
    "Done",
    "Event",
    "EventDraft",
    "EventQuery",
    "Fired",
    "Gap",
    "Health",
    "Hosted",
    "Hosting",
    "LogQuery",
    "Memory",
    "Message",
    "MessageDraft",
    "PullQuery",
    "Registered",
    "Registration",
    "Sent",
    "Session",
    "SessionQuery",
    "State",
    "StateChange",
    "Status",
    "Summary",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import what is public here when it is asked for, not before."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from sxhost.model import cursor, session

        return getattr(cursor if name in cursor.__all__ else session, name)
