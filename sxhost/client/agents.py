"""The verbs on hosted agents, and on what agents ask, over HTTP."""

from __future__ import annotations

from sxhost.client.verbs import Verbs, session_path
from sxhost.model.approval import Answer, Approval, ApprovalQuery
from sxhost.model.session import Done, Hosted
from sxhost.model.turn import Launch, ModelDraft, SteerDraft, Submitted, TurnDraft

__all__ = ["AgencyClient"]

START_WITHIN = 90.0
"""Seconds that an agent may take to start; the slowest takes three."""


class AgencyClient:
    """A host's agents, spoken to over HTTP (`sxhost.model.host.AgentHost`)."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    async def start(self, launch: Launch) -> Hosted:
        """Start an agent, in a new session."""
        return await self._verbs.post(Hosted, "/sessions", launch, START_WITHIN)

    async def submit(self, session_id: str, draft: TurnDraft) -> Submitted:
        """Begin a turn."""
        path = session_path(session_id, "turns")
        return await self._verbs.post(Submitted, path, draft, START_WITHIN)

    async def steer(self, session_id: str, draft: SteerDraft) -> Done:
        """Add to the running turn."""
        return await self._verbs.post(Done, session_path(session_id, "steer"), draft)

    async def interrupt(self, session_id: str) -> Done:
        """Stop the running turn."""
        return await self._verbs.post(Done, session_path(session_id, "interrupt"))

    async def compact(self, session_id: str) -> Done:
        """Shorten the conversation."""
        path = session_path(session_id, "compact")
        return await self._verbs.post(Done, path, patience=START_WITHIN)

    async def set_model(self, session_id: str, draft: ModelDraft) -> Done:
        """Use another model from now on."""
        return await self._verbs.post(Done, session_path(session_id, "model"), draft)

    async def approvals(self, query: ApprovalQuery) -> list[Approval]:
        """Return what all agents ask, in order."""
        return await self._verbs.get(list[Approval], "/approvals", query)

    async def session_approvals(self, session_id: str, query: ApprovalQuery) -> list[Approval]:
        """Return what one session's agent asks, in order."""
        return await self._verbs.get(
            list[Approval], session_path(session_id, "approvals"), query
        )

    async def answer(self, session_id: str, approval_id: int, answer: Answer) -> Approval:
        """Decide what an agent asks."""
        path = session_path(session_id, "approvals", approval_id)
        return await self._verbs.post(Approval, path, answer)
