"""The values of sxhost: frozen structs, which are the wire format too, and their checks.

============= =====================================================================
activity      what a session says and does now, a line each: pure functions
approval      an agent's questions, and the decisions on them
auth          tokens, logins, the audit
caller        who sends a request, with which scopes, and until when
cursor        a reader's place in the log, as clients keep it and send it back
delivery      when a message reaches its agent, as its sender is told
event         events of a log: as they are sent, stored, asked for and streamed
event_types   events with a meaning, one type for each: encoded and decoded
handover      handing a conversation over to a terminal, or to the host
history       figures of a host over time
host          the verbs of a host as Protocols: of the service, and of a client to it
limits        every bound, with unit and reason
message       messages to agents, and the inboxes in which they wait
names         patterns of ids, names and cursors; texts of bounded length
notify        notifications as the host shows them
pictures      pictures in what agents are given and give back: found, and bounded
pieces        which pieces of a log belong together, and what has them whole
policy        the rules in use, and a rule that is proposed for them
rights        which scope each field takes, and what only the host may report: tables
              that tests walk
search        searches of all logs: what is asked, how its words are read, what is found
search_text   the text of an event, its words, and where it has some
session       sessions: as they are registered, stored, listed and streamed
session_state a session's state, derived from its log and from silence: pure functions
status        what the host says of itself: that it answers, and a few figures
subscription  following the log live: what is selected, how it is encoded, written where
summaries     sessions as entries of a list, and the filters of queries
transcript    a log as the items that a person reads, and pages of it
turn          starting a hosted agent, input to it, its turns
usage         what agents have used: entries of the ledger, and reports that sum them up
============= =====================================================================
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sxhost.model.cursor import Cursor
    from sxhost.model.event import Accepted, Event, EventDraft, EventQuery, Fired, Gap, LogQuery
    from sxhost.model.message import Message, MessageDraft, PullQuery, Sent
    from sxhost.model.session import (
        Claim,
        Detail,
        Done,
        Hosted,
        Hosting,
        Registered,
        Registration,
        Session,
        SessionQuery,
        State,
        StateChange,
        Summary,
    )
    from sxhost.model.status import Health, Memory, Status

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
        """Import the public names on first use: quick commands need few of them."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from sxhost.model import cursor, event, message, session, status

        homes = (cursor, event, message, session, status)
        return getattr(next(home for home in homes if name in home.__all__), name)
