"""The verbs of a host as Protocols: `SessionService` and `HostClient` both have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sxhost.model.approval import Answer, Approval, ApprovalQuery
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.session import (
    Accepted,
    Detail,
    Done,
    Event,
    EventDraft,
    EventQuery,
    Fired,
    Hosted,
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
from sxhost.model.turn import Launch, ModelDraft, SteerDraft, Submitted, TurnDraft

__all__ = ["AgentHost", "Host"]


class AgentHost(Protocol):
    """The verbs on hosted agents and on approvals."""

    async def start(self, launch: Launch) -> Hosted:
        """Start an agent, in a new session."""

    async def submit(self, session_id: str, draft: TurnDraft) -> Submitted:
        """Begin a turn; it goes on after the answer."""

    async def steer(self, session_id: str, draft: SteerDraft) -> Done:
        """Add to the running turn."""

    async def interrupt(self, session_id: str) -> Done:
        """Stop the running turn."""

    async def compact(self, session_id: str) -> Done:
        """Have the agent summarise the conversation, to save context."""

    async def set_model(self, session_id: str, draft: ModelDraft) -> Done:
        """Use another model from now on."""

    async def approvals(self, query: ApprovalQuery) -> Sequence[Approval]:
        """List the approvals of all sessions, in the order of their ids."""

    async def session_approvals(
        self, session_id: str, query: ApprovalQuery
    ) -> Sequence[Approval]:
        """List the approvals of one session, in the order of their ids."""

    async def answer(self, session_id: str, approval_id: int, answer: Answer) -> Approval:
        """Decide an approval; the first decision counts."""


class Host(Protocol):
    """The verbs on sessions, events and messages, and on the host itself."""

    async def status(self) -> Status:
        """Summarise the host."""

    async def sessions(self, query: SessionQuery) -> Sequence[Summary]:
        """List sessions in the order of their ids."""

    async def session(self, session_id: str) -> Detail:
        """Return one session in detail, with its last events."""

    async def register(self, session_id: str, registration: Registration) -> Registered:
        """Create a session, or update the fields that are given."""

    async def forget(self, session_id: str) -> Done:
        """End a session and delete it with its log and its inbox."""

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
        """Take the queued messages, or look at them."""

    async def ack(self, session_id: str, message_id: int) -> Done:
        """Confirm a leased message: it is delivered."""

    async def nack(self, session_id: str, message_id: int) -> Done:
        """Give a leased message back to its place in the queue."""

    async def withdraw(self, session_id: str, message_id: int) -> Done:
        """Take back a message that nobody has taken yet."""

    async def audit(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """List entries of the audit, in order."""

    async def stop(self) -> Done:
        """Stop the host in order."""
