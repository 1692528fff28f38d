"""The verbs on hosted agents: turns, native commands; and on what any agent asks."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from msgspec import Raw
from msgspec.structs import replace
from twisted.internet.defer import CancelledError

from sxhost.agents.launch_record import agent_name
from sxhost.agents.session import HostedSession
from sxhost.agents.settings import check_turn, describe_changes, describe_launch
from sxhost.agents.supervisor import new_session_id
from sxhost.errors import AgentFailed, HostError, NotHosted
from sxhost.model.approval import (
    Answer,
    AnswerBatch,
    AnswerResult,
    AnswerResults,
    Approval,
    ApprovalQuery,
    NamedAnswer,
    Question,
    TerminalAnswer,
)
from sxhost.model.caller import current_caller
from sxhost.model.handover import HandedOver, HandoverDraft
from sxhost.model.message import MessageDraft, Steered
from sxhost.model.session import Done, Hosted
from sxhost.model.summaries import filter_approvals
from sxhost.model.turn import (
    AgentStatus,
    Launch,
    ModelDraft,
    SteerDraft,
    Submitted,
    Turn,
    TurnDraft,
    input_text,
)
from sxhost.service_core import ServiceCore
from sxhost.service_messages import queue_message
from sxhost.waiting import uncancelled

__all__ = ["AgentVerbs"]


class AgentVerbs:
    """The verbs on hosted agents and on approvals, a part of `SessionService`."""

    _core: ServiceCore

    # Turns.

    async def start(self, launch: Launch) -> Hosted:
        """Start an agent, in a new session; it is recorded before it runs."""
        core, name = self._core, launch.id or new_session_id(agent_name(launch))
        await core.audit.record("start", name, describe_launch(launch))
        try:
            session_id, turn = await core.supervisor.start(replace(launch, id=name))
        except (HostError, CancelledError) as error:
            why = error.code if isinstance(error, HostError) else "its client has left"
            await core.audit.record("not started", name, why)
            raise
        session = await core.store.session(session_id)
        return Hosted(session=await core.summary(session), turn=turn)

    async def submit(self, session_id: str, draft: TurnDraft) -> Submitted:
        """Begin a turn."""
        return await self.submit_native(session_id, draft, {})

    async def submit_native(
        self, session_id: str, draft: TurnDraft, spoken: Mapping[str, object]
    ) -> Submitted:
        """Begin a turn; `spoken` goes along in the agent's own words and only speaks.

        :raises ForbiddenScope: the draft changes what takes another scope.
        """
        core = self._core
        session = await core.store.session(session_id)
        if session.kind != "hosted" or session.launch is None:
            raise NotHosted(session_id, "Type there, or send it a message.")
        draft = core.supervisor.with_directory(draft)
        changed = check_turn(current_caller.get(), session_id, draft, session.launch)
        whole = replace(draft, native={**draft.native, **spoken})

        async def begin() -> Turn:
            turn = await core.supervisor.submit(session_id, whole)
            detail = (
                f"turn {turn.id}: {describe_changes(changed)}" if changed else f"turn {turn.id}"
            )
            await core.audit.record("turn", session_id, detail)
            return turn

        return Submitted(turn=await uncancelled(begin()))

    async def steer(self, session_id: str, draft: SteerDraft) -> Steered:
        """Add to the running turn; an attached agent gets it as an urgent message."""
        core = self._core
        if (await core.store.session(session_id)).kind == "hosted":
            await self._act("steer", session_id, core.supervisor.steer(session_id, draft))
            return Steered(ok=True)
        message = MessageDraft(content=input_text(draft.input), mode="interrupt")
        sent = await queue_message(core, session_id, message)
        return Steered(ok=True, delivery=sent.delivery, note=sent.note, message=sent.id)

    async def interrupt(self, session_id: str) -> Done:
        """Stop the running turn.

        :raises NotHosted: the agent is not run by the host, which has no way to stop it.
        """
        core = self._core
        if (await core.store.session(session_id)).kind != "hosted":
            instead = "Stop it where it runs (Esc at its terminal), or send it a message."
            raise NotHosted(session_id, instead)
        return await self._act("interrupt", session_id, core.supervisor.interrupt(session_id))

    async def end(self, session_id: str) -> Done:
        """End a hosted agent's process; its next turn or message starts it again."""
        return await self._act("end", session_id, self._core.supervisor.end(session_id))

    async def hand_over(self, session_id: str, draft: HandoverDraft) -> HandedOver:
        """Hand a session over to a terminal, or to the host."""
        core, program = self._core, None
        if draft.to == "terminal":
            program = await core.handover.give_to_terminal(session_id, draft)
        else:
            await core.handover.take_from_terminal(session_id, draft)
        await core.audit.record("hand over", session_id, f"to the {draft.to}")
        session = await core.store.session(session_id)
        return HandedOver(ok=True, session=await core.summary(session), program=program)

    async def compact(self, session_id: str) -> Done:
        """Shorten the conversation."""
        work = self._core.supervisor.compact(session_id)
        return await self._act("compact", session_id, work)

    async def set_model(self, session_id: str, draft: ModelDraft) -> Done:
        """Use another model from now on."""
        given = {"model": draft.model, "provider": draft.provider, "effort": draft.effort}
        detail = describe_changes({name: value for name, value in given.items() if value})
        work = self._core.supervisor.set_model(session_id, draft)
        return await self._act("set model", session_id, work, detail)

    async def _act(
        self, what: str, session_id: str, work: Awaitable[object], detail: str = ""
    ) -> Done:
        """Have something done and recorded, also if whoever asked for it leaves meanwhile."""

        async def acted() -> Done:
            await work
            await self._core.audit.record(what, session_id, detail)
            return Done()

        return await uncancelled(acted())

    async def wait_for_turn(self, session_id: str, turn_id: int) -> Turn | None:
        """Return a turn once it is over and its end is in the log.

        None: it is forgotten since another one runs, or never began.

        :raises AgentFailed: the agent was ended for good meanwhile.
        """
        hosted = self._core.supervisor.get(session_id)
        turn = await hosted.wait_for_turn(turn_id) if hosted is not None else None
        if hosted is None or self._core.supervisor.get(session_id) is not hosted:
            raise AgentFailed(f"The agent of {session_id!r} was ended.")
        return turn

    async def wait_for_turn_start(self, session_id: str, turn_id: int) -> None:
        """Return once a turn has begun, or the agent is no more."""
        hosted = self._core.supervisor.get(session_id)
        if hosted is not None:
            await hosted.wait_for_turn_start(turn_id)

    # The agent itself.

    def session_of(self, conversation: str) -> str:
        """Return the session that has an agent's conversation; else one of this very name."""
        session = self._core.store.known.of_conversation(conversation)
        return conversation if session is None else session.id

    def is_hosted(self, name: str) -> bool:
        """Tell whether the host runs the agent of this session, or of this conversation."""
        return self._core.supervisor.is_hosted(name)

    async def agent_status(self, session_id: str) -> AgentStatus | None:
        """Return how a session's agent is; None if this life of the host has not run it."""
        hosted = self._core.supervisor.get(session_id)
        return hosted.status if hosted is not None else None

    async def wake(self, session_id: str) -> None:
        """Start a session's agent, unless it runs.

        :raises ForbiddenScope: it sleeps, and the caller may only read.
        """
        await self._running(session_id)

    async def _running(self, session_id: str) -> HostedSession:
        """Return a session with its agent running; to wake one is to start a program."""
        if not self._core.supervisor.is_alive(session_id):
            current_caller.get().check("send", session_id)
        return await self._core.supervisor.ensure_running(session_id)

    async def native_command(
        self, session_id: str, name: str, params: Mapping[str, object]
    ) -> Raw:
        """Send a session's agent a command of its own protocol; return its result in JSON."""
        return await (await self._running(session_id)).native_command(name, params)

    async def flush_events(self, session_id: str) -> None:
        """Return once all that a session's agent has reported so far is in the log."""
        hosted = self._core.supervisor.get(session_id)
        if hosted is not None:
            await hosted.flushed()

    # What agents ask.

    async def approvals(self, query: ApprovalQuery) -> list[Approval]:
        """Return what all agents ask, in order."""
        return filter_approvals(await self._core.store.approvals(None), query)

    async def session_approvals(self, session_id: str, query: ApprovalQuery) -> list[Approval]:
        """Return what one session's agent asks, in order."""
        return filter_approvals(await self._core.store.approvals(session_id), query)

    async def answer(self, session_id: str, approval_id: int, answer: Answer) -> Approval:
        """Decide what an agent asks."""
        return await self._core.approvals.decide(session_id, approval_id, answer)

    async def answer_batch(self, batch: AnswerBatch) -> AnswerResults:
        """Decide the approvals that are named, each by itself; none fails for another."""
        return AnswerResults(results=[await self._answer_one(one) for one in batch.answers])

    async def _answer_one(self, named: NamedAnswer) -> AnswerResult:
        answer = Answer(decision=named.decision, reason=named.reason, answers=named.answers)
        try:
            approval = await self.answer(named.session, named.id, answer)
        except HostError as error:
            refusal = {"error": error.code, "message": error.message, **error.details}
            return AnswerResult(session=named.session, id=named.id, ok=False, error=refusal)
        return AnswerResult(session=named.session, id=named.id, ok=True, approval=approval)

    async def ask(self, session_id: str, question: Question, wait_s: float) -> Answer | None:
        """Open an approval and wait for its decision; None if there was none."""
        return await self._core.questions.ask(session_id, question, wait_s)

    async def end_question(self, session_id: str, key: str, end: str | TerminalAnswer) -> None:
        """Close the approval of a question that needs no answer any more."""
        await self._core.questions.end(session_id, key, end)
