"""The routes to sessions: those of ``scorpiox-host``, and those that sxhost adds.

Each route is a verb of the host and nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence

from sxhost.http.routes import NDJSON, Route
from sxhost.model.host import RemoteHost
from sxhost.model.status import Health

__all__ = ["routes"]

SESSION = "/sessions/<session_id>"
EVENTS = f"{SESSION}/events"
MESSAGES = f"{SESSION}/messages"
MESSAGE = f"{MESSAGES}/<message_id>"


async def health() -> Health:
    """Return that the host is up."""
    return Health()


def routes(host: RemoteHost) -> Sequence[Route]:
    """Return the routes of the native face over `host`."""
    return (
        Route("GET", "/health", health, "Check that the host serves.", scope="open"),
        Route("GET", "/whoami", host.whoami, "Tell who asks.", scope="open", asks=True),
        Route("GET", "/status", host.status, "Summarise the host."),
        Route("GET", "/history", host.history, "Show figures over time."),
        Route("GET", "/activity", host.activity, "Count what each session did of late."),
        Route("GET", "/usage", host.usage, "Sum up what agents have used."),
        Route("GET", "/sessions", host.sessions, "List sessions."),
        Route("GET", SESSION, host.session, "Show a session."),
        Route(
            "POST",
            f"{SESSION}/seen",
            host.mark_seen,
            "Note what a person has looked at.",
            scope="send",
        ),
        Route("DELETE", SESSION, host.forget, "End a session and delete its log."),
        Route(
            "POST",
            f"{SESSION}/register",
            host.register,
            "Create or update a session.",
            scope="send",
        ),
        Route("GET", f"{SESSION}/transcript", host.transcript, "Read a conversation."),
        Route("GET", "/search", host.search, "Search all logs for words."),
        Route("POST", EVENTS, host.fire, "Fire an event.", scope="send", large=True),
        Route(
            "POST",
            EVENTS,
            host.fire_batch,
            "Fire a batch of events.",
            consumes=NDJSON,
            scope="send",
        ),
        Route(
            "GET",
            MESSAGES,
            host.pull,
            "Take messages, or list them.",
            safe=False,
            scope="send",
        ),
        Route("POST", MESSAGES, host.send, "Queue a message.", scope="send"),
        Route("POST", f"{MESSAGE}/ack", host.ack, "Confirm a message.", scope="send"),
        Route(
            "POST", f"{MESSAGE}/nack", host.nack, "Give a leased message back.", scope="send"
        ),
        Route("DELETE", MESSAGE, host.withdraw, "Withdraw a message.", scope="send"),
        Route("GET", "/audit", host.audit, "Read the audit log.", scope="admin"),
        Route("POST", "/stop", host.stop, "Stop the host."),
    )
