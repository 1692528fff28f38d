"""The verbs of a host: of the service itself, and of a client to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sxhost.model import (
    Accepted,
    AuditQuery,
    Deed,
    Detail,
    Done,
    Event,
    EventDraft,
    EventQuery,
    Fired,
    LogQuery,
    Message,
    MessageDraft,
    PullQuery,
    Registered,
    Registration,
    Sent,
    SessionQuery,
    Status,
    Summary,
)

__all__ = ["Host"]


class Host(Protocol):
    """The verbs of a host: of the service itself, and of a client to it."""

    async def status(self) -> Status:
        """Summarise the host."""

    async def sessions(self, query: SessionQuery) -> Sequence[Summary]:
        """List sessions in the order of their ids."""

    async def session(self, session_id: str) -> Detail:
        """Tell all about one session."""

    async def register(self, session_id: str, registration: Registration) -> Registered:
        """Create a session, or update the fields that are given."""

    async def forget(self, session_id: str) -> Done:
        """End a session and forget it with its log and its inbox."""

    async def fire(self, session_id: str, draft: EventDraft) -> Fired:
        """Append an event; an unknown session is registered by it."""

    async def fire_batch(self, session_id: str, drafts: Sequence[EventDraft]) -> Accepted:
        """Append events in order, all of them or none."""

    async def events(self, session_id: str, query: EventQuery) -> Sequence[Event]:
        """Read events in order."""

    async def log(self, query: LogQuery) -> Sequence[Event]:
        """Read the events of many sessions, in the order of their ids."""

    async def send(self, session_id: str, draft: MessageDraft) -> Sent:
        """Queue a message for the session's agent."""

    async def pull(self, session_id: str, query: PullQuery) -> Sequence[Message]:
        """Take the messages that wait, or look at them."""

    async def ack(self, session_id: str, message_id: int) -> Done:
        """Confirm a message: it is delivered."""

    async def nack(self, session_id: str, message_id: int) -> Done:
        """Give a leased message back to its place in the queue."""

    async def withdraw(self, session_id: str, message_id: int) -> Done:
        """Take back a message that nobody has taken yet."""

    async def audit(self, query: AuditQuery) -> Sequence[Deed]:
        """Tell who did what, in order."""

    async def stop(self) -> Done:
        """Stop the host in order."""
