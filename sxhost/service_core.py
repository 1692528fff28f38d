"""The parts of the service, put together: private to it, and what its verbs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.interfaces import IReactorTime

from sxhost.agents.approvals import ApprovalBroker
from sxhost.agents.attached_processes import AttachedProcesses
from sxhost.agents.attached_questions import AttachedQuestions
from sxhost.agents.dependencies import Agents, Dependencies
from sxhost.agents.handover import Handover
from sxhost.agents.rules import Rules
from sxhost.agents.supervisor import Supervisor
from sxhost.audit import Audit
from sxhost.errors import SessionLimit
from sxhost.event_drafts import compact_draft, compact_drafts
from sxhost.eviction import Eviction
from sxhost.history import ActivityRecorder, HistoryRecorder
from sxhost.model.event import Event, EventDraft
from sxhost.model.event_types import EndedEvent
from sxhost.model.limits import Limits
from sxhost.model.session import Hosting, Registration, Session, Summary
from sxhost.model.summaries import summarize
from sxhost.prices import Prices
from sxhost.project import project_name
from sxhost.slices import TimeSlicer
from sxhost.store.contracts import Committed, Store
from sxhost.streams.notifier import LogNotifier
from sxhost.streams.presence import Presence
from sxhost.streams.topics import inbox_topic

__all__ = ["ServiceCore"]


class ServiceCore:
    """The store, and what stands on it: notifier, presence, supervisor, approvals, audit.

    :param clock: monotonic; it decides.
    :param wall_ms: returns the time of day in Unix milliseconds, a label.
    """

    def __init__(
        self,
        store: Store,
        clock: IReactorTime,
        wall_ms: Callable[[], int],
        limits: Limits,
        *,
        agents: Agents,
        prices: Prices,
    ) -> None:
        self.store = store
        self.clock = clock
        self.wall_ms = wall_ms
        self.limits = limits
        self.agents = agents
        self.prices = prices
        self.slices = TimeSlicer(clock)
        self.notifier = LogNotifier(clock, store, store.known, limits, self.slices)
        self.presence = Presence(clock, wall_ms, limits)
        store.watch(self._committed if store.is_shared else self.notifier.committed)
        self.audit = Audit(store, clock, wall_ms, limits)
        self.history = HistoryRecorder(limits.history)
        self.activity = ActivityRecorder()
        self.rules = agents.rules or Rules()
        self.approvals = ApprovalBroker(
            store, store, clock, wall_ms, limits=limits, decide=self.rules
        )
        self.questions = AttachedQuestions(self.approvals, self.notifier)
        dependencies = Dependencies(
            clock, wall_ms, limits, self.approvals, self.append, self.set_hosting, agents.hold
        )
        self.supervisor = Supervisor(store, store, store, dependencies, agents)
        self.processes = AttachedProcesses(
            store, store, self.questions, dependencies, agents.watch
        )
        self.handover = Handover(
            store,
            self.supervisor,
            self.processes,
            dependencies,
            agents=agents,
            register=self._register,
        )
        self.eviction = Eviction(
            store,
            store,
            supervisor=self.supervisor,
            presence=self.presence,
            current=self.current,
            limits=limits,
        )

    def _committed(self, committed: Committed) -> None:
        """Take what any node has committed for a sign of life, and wake whom it concerns."""
        for session_id in committed.logs:
            self.presence.hear(session_id)
        self.notifier.committed(committed)

    async def append(self, session_id: str, drafts: Sequence[EventDraft]) -> list[Event]:
        """Append events, all of them or none; an unknown session is registered by them.

        :raises EventTooLarge: one has more data than an event may have.
        """
        at, most = self.wall_ms(), self.limits.event_size
        if len(drafts) == 1:
            compact = [compact_draft(drafts[0], at, most)]
        else:
            compact = await self.slices.gather(compact_drafts(drafts, at, most))
        try:
            events = await self.store.append_events(session_id, compact, at)
        except SessionLimit:
            await self.eviction.make_room()
            events = await self.store.append_events(session_id, compact, at)
        self.presence.hear(session_id)
        for draft in drafts:
            if draft.event == EndedEvent.name:
                await self._close_questions(session_id)
                break
        return events

    async def _close_questions(self, session_id: str) -> None:
        """Close what an attached agent has asked, which has ended since."""
        session = self.store.known.get(session_id)
        if session is not None and session.kind == "attached":
            await self.approvals.withdraw(session_id, "its agent has ended", "agent")

    async def _register(self, session_id: str, registration: Registration) -> None:
        session, _ = await self.store.register(session_id, registration, self.wall_ms())
        self.processes.follow(session)

    async def set_hosting(self, session_id: str, fields: Hosting) -> None:
        """Store what the host has to know of a hosted session after a restart."""
        register = partial(self.store.register, session_id, fields, self.wall_ms())
        await self.eviction.run_with_room(register)

    def current(self, session: Session) -> Session:
        """Return a session with its state as it is now: silence is not in the log."""
        if session.kind == "attached" and self.notifier.topics.watched(inbox_topic(session.id)):
            self.presence.hear(session.id)  # its agent is on the line, waiting
        return self.presence.now(session)

    async def summary(self, session: Session) -> Summary:
        """Return a session as an entry of a list."""
        queued = await self.store.count_waiting(session.id)
        return summarize(self.current(session), queued, project_name(session.cwd))
