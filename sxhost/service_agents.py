"""The verbs on hosted agents and on what agents ask (`sxhost.model.host.AgentHost`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import CancelledError

from sxhost.agents.approvals import ApprovalDesk
from sxhost.agents.settings import check_turn, describe_changes, describe_launch
from sxhost.agents.supervisor import Supervisor, new_session_id
from sxhost.errors import HostError, NotHosted
from sxhost.model.approval import Answer, Approval, ApprovalQuery
from sxhost.model.caller import current_caller
from sxhost.model.session import Done, Hosted, Session, Summary
from sxhost.model.summaries import filter_approvals
from sxhost.model.turn import Launch, ModelDraft, SteerDraft, Submitted, Turn, TurnDraft
from sxhost.store.contracts import Store
from sxhost.waiting import uncancelled

__all__ = ["Agency"]

Record = Callable[[str, str, str], Awaitable[object]]
"""Notes in the audit what was done, to which session, in detail."""


class Agency:
    """What people and programs can have agents do, and tell them."""

    def __init__(
        self,
        store: Store,
        fleet: Supervisor,
        desk: ApprovalDesk,
        summarise: Callable[[Session], Awaitable[Summary]],
        record: Record,
    ) -> None:
        self.fleet = fleet
        self.desk = desk
        self._store = store
        self._summarise = summarise
        self._record = record

    async def start(self, launch: Launch) -> Hosted:
        """Start an agent, in a new session; it is recorded before it runs."""
        name = launch.id or new_session_id(launch.agent)
        await self._record("start", name, describe_launch(launch))
        try:
            session_id, turn = await self.fleet.start(replace(launch, id=name))
        except (HostError, CancelledError) as error:
            why = error.code if isinstance(error, HostError) else "its client has left"
            await self._record("not started", name, why)
            raise
        session = await self._store.session(session_id)
        return Hosted(session=await self._summarise(session), turn=turn)

    async def submit(self, session_id: str, draft: TurnDraft) -> Submitted:
        """Begin a turn."""
        return await self.submit_native(session_id, draft, {})

    async def submit_native(
        self, session_id: str, draft: TurnDraft, spoken: Mapping[str, Any]
    ) -> Submitted:
        """Begin a turn; `spoken` goes along in the agent's own words and only speaks.

        For that a face vouches, and that the draft's input tells the log of it.

        :raises ForbiddenScope: the draft changes what takes another scope.
        """
        session = await self._store.session(session_id)
        if session.launch is None:
            raise NotHosted(session_id)
        draft = self.fleet.with_directory(draft)
        changed = check_turn(current_caller.get(), session_id, draft, session.launch)
        said = replace(draft, native={**draft.native, **spoken})

        async def begin() -> Turn:
            turn = await self.fleet.submit(session_id, said)
            detail = (
                f"turn {turn.id}: {describe_changes(changed)}" if changed else f"turn {turn.id}"
            )
            await self._record("turn", session_id, detail)
            return turn

        return Submitted(turn=await uncancelled(begin()))

    async def steer(self, session_id: str, draft: SteerDraft) -> Done:
        """Add to the running turn."""
        return await self._act("steer", session_id, self.fleet.steer(session_id, draft))

    async def interrupt(self, session_id: str) -> Done:
        """Stop the running turn."""
        return await self._act("interrupt", session_id, self.fleet.interrupt(session_id))

    async def compact(self, session_id: str) -> Done:
        """Shorten the conversation."""
        return await self._act("compact", session_id, self.fleet.compact(session_id))

    async def set_model(self, session_id: str, draft: ModelDraft) -> Done:
        """Use another model from now on."""
        given = {"model": draft.model, "provider": draft.provider, "effort": draft.effort}
        detail = describe_changes({name: value for name, value in given.items() if value})
        setting = self.fleet.set_model(session_id, draft)
        return await self._act("set model", session_id, setting, detail)

    async def _act(
        self, what: str, session_id: str, act: Awaitable[object], detail: str = ""
    ) -> Done:
        """Have something done and recorded, also if whoever asked for it leaves meanwhile."""

        async def acted() -> Done:
            await act
            await self._record(what, session_id, detail)
            return Done()

        return await uncancelled(acted())

    async def approvals(self, query: ApprovalQuery) -> list[Approval]:
        """Return what all agents ask, in order."""
        return filter_approvals(await self._store.approvals(None), query)

    async def session_approvals(self, session_id: str, query: ApprovalQuery) -> list[Approval]:
        """Return what one session's agent asks, in order."""
        return filter_approvals(await self._store.approvals(session_id), query)

    async def answer(self, session_id: str, approval_id: int, answer: Answer) -> Approval:
        """Decide what an agent asks."""
        return await self.desk.decide(session_id, approval_id, answer)
