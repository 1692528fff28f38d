"""The hosted sessions of this host: started, restored, given messages, ended in order."""

from __future__ import annotations

import os
import secrets

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredList

from sxhost.agents.dependencies import Agents, Dependencies
from sxhost.agents.launch_record import LaunchRecord, agent_name, initial_hosting
from sxhost.agents.message_delivery import MessageDelivery, delivery_to
from sxhost.agents.session import HostedSession
from sxhost.agents.unfinished import cut_unfinished
from sxhost.drivers.contracts import StoredDirectories
from sxhost.errors import (
    AgentFailed,
    ConversationInUse,
    HostError,
    NotHosted,
    SessionExists,
)
from sxhost.logs import logger
from sxhost.model.delivery import Delivery
from sxhost.model.event import EventDraft
from sxhost.model.message import Mode
from sxhost.model.session import Hosting, Session
from sxhost.model.turn import (
    CutReason,
    Launch,
    ModelDraft,
    Process,
    SteerDraft,
    Turn,
    TurnDraft,
)
from sxhost.store.contracts import EventLog, Inbox, Sessions
from sxhost.waiting import Signal, background, uncancelled

__all__ = ["Supervisor", "new_session_id"]

log = logger(__name__)


def new_session_id(agent: str) -> str:
    """Return a name for a new session of an agent."""
    return f"{agent}-{secrets.token_hex(4)}"


class Supervisor:
    """All hosted sessions."""

    def __init__(
        self,
        sessions: Sessions,
        inbox: Inbox,
        events: EventLog,
        dependencies: Dependencies,
        agents: Agents,
    ) -> None:
        self._sessions = sessions
        self._inbox = inbox
        self._events = events
        self._dependencies = dependencies
        self._agents = agents
        self._hosted: dict[str, HostedSession] = {}
        self._delivery = MessageDelivery(inbox, self.ensure_running)
        self._ending: dict[str, Signal] = {}
        """Fires when a session's process, which is being ended, has ended."""
        self._reaping: Signal | None = None
        """Fires when what a former life has left was ended, while that is under way."""
        self._closed = False

    def get(self, session_id: str) -> HostedSession | None:
        """Return a hosted session that has been awake in this life of the host."""
        return self._hosted.get(session_id)

    def is_hosted(self, name: str) -> bool:
        """Tell whether the host itself runs the agent of this session, or conversation."""
        known = self._sessions.known
        session = known.get(name) or known.of_conversation(name)
        if session is not None and session.kind == "hosted":
            return True
        return any(hosted.launch.resume == name for hosted in self._hosted.values())

    def is_alive(self, session_id: str) -> bool:
        """Tell whether a session's agent is there or about to be, whatever its log says."""
        hosted = self._hosted.get(session_id)
        return hosted is not None and hosted.lives

    def with_directory(self, draft: TurnDraft) -> TurnDraft:
        """Return a turn with the directory that it means.

        :raises BadField: agents may not work there.
        """
        if draft.cwd is None:
            return draft
        return replace(draft, cwd=self._agents.roots.place(draft.cwd))

    # Verbs.

    async def start(self, launch: Launch) -> tuple[str, Turn | None]:
        """Start an agent in a new session; return its name, and its first turn if it has one.

        :raises SessionExists: there is one of this name.
        :raises AgentFailed: it cannot be started; then nothing remains of it.
        """
        await self._orphans_ended()
        session_id = launch.id or new_session_id(agent_name(launch))
        if session_id in self._hosted or self._sessions.known.get(session_id) is not None:
            raise SessionExists(session_id)
        placed = replace(launch, id=session_id, cwd=self._directory_for(launch))
        self._check_free(session_id, placed.resume)
        hosted = self._hosted[session_id] = self._make(
            session_id, placed, None, fresh=placed.resume is None
        )
        try:
            await self._dependencies.set_hosting(session_id, initial_hosting(placed))
            await hosted.start()
            if launch.prompt is None:
                return session_id, None
            return session_id, await hosted.submit(TurnDraft(input=launch.prompt))
        except BaseException:
            await self._remove(session_id)
            raise

    def _directory_for(self, launch: Launch) -> str:
        """Return where an agent works; one that resumes a conversation goes on where that was.

        :raises BadField: it may not work there.
        """
        cwd, driver = launch.cwd, self._agents.drivers(launch.agent)
        if cwd is None and launch.resume and isinstance(driver, StoredDirectories):
            stored = driver.directory_of(launch)
            cwd = stored if stored and os.path.isdir(stored) else None  # noqa: PTH112
        return self._agents.roots.place(cwd)

    async def submit(self, session_id: str, draft: TurnDraft) -> Turn:
        """Begin a turn, `placed`; an agent that is not there is started again.

        :raises TurnInProgress: one runs.
        """
        return await (await self.ensure_running(session_id)).submit(draft)

    async def steer(self, session_id: str, draft: SteerDraft) -> None:
        """Add to the running turn.

        :raises NotHosted: its agent is not ours.
        """
        await (await self._hosted_session(session_id)).steer(draft.input)

    async def interrupt(self, session_id: str) -> None:
        """Stop the running turn; for errors see `steer`."""
        await (await self._hosted_session(session_id)).interrupt()

    async def compact(self, session_id: str) -> None:
        """Shorten the conversation."""
        await (await self.ensure_running(session_id)).compact()

    async def set_model(self, session_id: str, draft: ModelDraft) -> None:
        """Use another model from now on."""
        await (await self.ensure_running(session_id)).set_model(draft)

    async def relabel(
        self, session: Session, title: str | None, labels: dict[str, str] | None
    ) -> None:
        """Have a session go on under another title, or labels, which rules look at.

        None is as it was.
        """
        hosted = self._hosted.get(session.id)
        if hosted is not None:
            record = hosted.record
        elif session.kind == "hosted" and session.launch is not None:
            set_hosting = self._dependencies.set_hosting
            record = LaunchRecord(session.id, session.launch, set_hosting)
        else:
            raise NotHosted(session.id)
        await record.relabel(title, labels)

    async def end(self, session_id: str) -> None:
        """End a session's agent; its log stays, and its next turn or message starts it again.

        :raises NotHosted: its agent is not ours.
        """
        session = await self._sessions.session(session_id)
        if session.kind != "hosted":
            instead = "End it where it runs; deleting the session only forgets its log."
            raise NotHosted(session_id, instead)
        await self.release(session_id, Hosting(rest="ended"))
        if (await self._sessions.session(session_id)).state.name != "ended":  # it was asleep
            ended = EventDraft.of("ended", {"reason": "it was ended while it slept"})
            await self._dependencies.append(session_id, [ended])

    async def release(
        self, session_id: str, left: Hosting | None = None, idle_s: float | None = None
    ) -> None:
        """End a session's agent, if it runs, and let go of it.

        :param left: what is stored of it; until then nobody starts it again.
        :param idle_s: the seconds of idleness, if that is why.
        """
        await self._wait_for_end(session_id)
        ending = self._ending[session_id] = Signal()
        try:
            hosted = self._hosted.pop(session_id, None)
            if hosted is not None:
                await hosted.end(idle_s)
            if left is not None:
                await self._dependencies.set_hosting(session_id, left)
        finally:
            del self._ending[session_id]
            ending.fire()

    async def hand_over(self, session_id: str, *, now: bool) -> Launch:
        """End a session's agent, once its turn is over; its conversation is others' then.

        :param now: whether a turn that runs is cut.
        :raises NotHosted: its agent is not ours.
        """
        hosted = await self._hosted_session(session_id)
        while not now and hosted.turn is not None and hosted.turn.status == "running":
            await hosted.wait_for_turn(hosted.turn.id)
        if self._hosted.get(session_id) is not hosted:
            raise NotHosted(session_id, "Somebody else was faster.")
        left = Hosting(kind="attached", rest="", process=Process(0))
        await uncancelled(self.release(session_id, left))
        return hosted.launch

    async def _wait_for_end(self, session_id: str) -> None:
        while (ending := self._ending.get(session_id)) is not None:
            await ending.wait()

    # Messages.

    def delivery(self, session: Session, mode: Mode) -> Delivery:
        """Return when a message of a mode reaches a hosted agent that is sent now."""
        try:
            hosted = self._hosted.get(session.id) or self._restore(session)
        except AgentFailed:
            return "agent_ended"
        return delivery_to(hosted, mode)

    def deliver_messages(self, session_id: str) -> None:
        """Deliver in the background what an agent can take of its messages now."""
        session = self._sessions.known.get(session_id)
        if session is not None and session.kind == "hosted" and not self._closed:
            self._delivery.begin(session_id)

    # Before and after.

    async def reconcile(self) -> None:
        """Put right what a former life of the host has left; if it is to be, start agents."""
        reaping = self._reaping = Signal()
        try:
            sessions = [s for s in await self._sessions.sessions() if s.kind == "hosted"]
            left = [s.process for s in sessions if s.process and s.process.pid]
            await self._agents.reap(left)
        finally:
            self._reaping = None
            reaping.fire()
        for session in sessions:
            await self._close_former_life(session)
        for session in sessions:
            if session.rest != "ended" and await self._inbox.count_waiting(session.id):
                self.deliver_messages(session.id)
            elif self._agents.resume_at_boot and not session.rest:
                background(
                    self.ensure_running(session.id),
                    log,
                    session.id,
                    (HostError,),
                )

    async def _orphans_ended(self) -> None:
        """Wait until orphans were looked for: a new agent has their mark, and would be one."""
        if self._reaping is not None:
            await self._reaping.wait()

    async def _close_former_life(self, session: Session) -> None:
        """Have the log say what is so: no agent of this session runs."""
        await self._dependencies.approvals.withdraw(session.id, "the host was killed")
        drafts: list[EventDraft] = []
        if session.turn is not None and session.turn.status == "running":
            ids = {"turn": session.turn.id, "native_id": session.turn.native_id}
            cut = {**ids, "status": "failed", "reason": CutReason.HOST_ENDED}
            most = self._dependencies.limits.event_size
            drafts += await cut_unfinished(self._events, session.id, most)
            drafts.append(EventDraft.of("error", cut))
        if session.process is not None and session.process.pid:
            ended = {"reason": "the host was killed"}
            drafts.append(EventDraft.of("ended", ended))
        if not drafts:
            return
        await self._dependencies.append(session.id, drafts)
        await self._dependencies.set_hosting(session.id, Hosting(process=Process(0)))

    async def close(self) -> None:
        """End all agents in order."""
        self._closed = True
        ends = [Deferred.fromCoroutine(hosted.end()) for hosted in self._hosted.values()]
        ends += [ending.wait() for ending in self._ending.values()]
        await DeferredList(ends, consumeErrors=True)
        await self._agents.drivers.close()

    async def ensure_running(self, session_id: str) -> HostedSession:
        """Return a hosted session whose agent is there, once it is.

        :raises NotHosted: its agent is not ours.
        """
        hosted = await self._hosted_session(session_id)
        if hosted.life.name() in ("gone", "starting"):
            self._check_free(session_id, hosted.launch.resume)
            await hosted.start()
        return hosted

    # How it is done.

    def _check_free(self, session_id: str, conversation: str | None) -> None:
        """Check that no other session's agent, here or at a terminal, has a conversation.

        :raises ConversationInUse: one has.
        """
        if conversation is None:
            return
        for hosted in self._hosted.values():
            is_other = hosted.id != session_id and hosted.launch.resume == conversation
            if is_other and hosted.lives:
                raise ConversationInUse(conversation, hosted.id)
        known = self._sessions.known
        for session in (known.get(conversation), known.of_conversation(conversation)):
            if session is None or session.id == session_id or session.kind == "hosted":
                continue
            if session.os_process and self._agents.processes.runs(session.os_process):
                raise ConversationInUse(conversation, session.id)

    def _make(
        self,
        session_id: str,
        launch: Launch,
        turn: Turn | None,
        *,
        fresh: bool,
        usage: object = None,
    ) -> HostedSession:
        driver = self._agents.drivers(launch.agent)

        def free() -> None:
            if self._hosted.get(session_id) is hosted:  # one that was ended waits for new ones
                self.deliver_messages(session_id)

        def sleepy(idle_s: float) -> None:
            if self._hosted.get(session_id) is hosted and not self._closed:
                work = self.release(session_id, Hosting(rest="asleep"), idle_s)
                background(work, log, session_id, (HostError,))

        hosted = HostedSession(
            session_id,
            launch,
            driver,
            self._dependencies,
            free,
            on_sleepy=sleepy,
            turn=turn,
            fresh=fresh,
            usage=usage,
        )
        return hosted

    async def _hosted_session(self, session_id: str) -> HostedSession:
        """Return a hosted session, whether its agent runs or not, once none is ending."""
        await self._orphans_ended()
        await self._wait_for_end(session_id)
        hosted = self._hosted.get(session_id)
        if hosted is None:
            session = await self._sessions.session(session_id)
            await self._wait_for_end(session_id)
            hosted = self._hosted.get(session_id) or self._restore(session)
        return hosted

    def _restore(self, session: Session) -> HostedSession:
        if session.kind != "hosted" or session.launch is None:
            raise NotHosted(session.id)
        hosted = self._make(
            session.id, session.launch, session.turn, fresh=session.fresh, usage=session.usage
        )
        if not hosted.agent.can.resume:
            raise AgentFailed(f"The agent of {session.id!r} has ended and cannot go on.")
        self._hosted[session.id] = hosted
        return hosted

    async def _remove(self, session_id: str) -> None:
        """End and forget a session that did not come to be."""
        await self.release(session_id)
        try:
            await self._sessions.delete(session_id)
        except HostError:
            log.debug("{session} was not there yet", session=session_id)
