"""The verbs of a host: of the service itself, and of a client to it."""

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
    """The verbs on hosted agents, and on what agents ask."""

    async def start(self, launch: Launch) -> Hosted:
        """Start an agent, in a new session."""

    async def submit(self, session_id: str, draft: TurnDraft) -> Submitted:
        """Begin a turn."""

    async def steer(self, session_id: str, draft: SteerDraft) -> Done:
        """Add to the running turn."""

    async def interrupt(self, session_id: str) -> Done:
        """Stop the running turn."""

    async def compact(self, session_id: str) -> Done:
        """Shorten the conversation."""

    async def set_model(self, session_id: str, draft: ModelDraft) -> Done:
        """Use another model from now on."""

    async def approvals(self, query: ApprovalQuery) -> Sequence[Approval]:
        """Return what all agents ask, in order."""

    async def session_approvals(
        self, session_id: str, query: ApprovalQuery
    ) -> Sequence[Approval]:
        """Return what one session's agent asks, in order."""

    async def answer(self, session_id: str, approval_id: int, answer: Answer) -> Approval:
        """Decide what an agent asks."""


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

    async def audit(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """Tell who did what, in order."""

    async def stop(self) -> Done:
        """Stop the host in order."""
