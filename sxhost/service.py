"""The host itself: one façade over the store and the hub that every face calls."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial

from msgspec.structs import asdict
from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from sxhost import __version__
from sxhost.agents.approvals import ApprovalDesk
from sxhost.agents.dependencies import NO_AGENTS, Agents, Dependencies
from sxhost.agents.directory import AgentDirectory
from sxhost.agents.settings import in_force
from sxhost.agents.supervisor import Supervisor
from sxhost.audit import Audit
from sxhost.codec.frames import Encoding
from sxhost.errors import BadField
from sxhost.event_drafts import compact_drafts
from sxhost.eviction import Eviction
from sxhost.logs import logger
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.caller import current_caller
from sxhost.model.cursor import Cursor
from sxhost.model.limits import Limits
from sxhost.model.rights import check_event
from sxhost.model.session import (
    Accepted,
    Detail,
    Done,
    Event,
    EventDraft,
    EventQuery,
    Fired,
    Hosting,
    LogQuery,
    Memory,
    Message,
    MessageDraft,
    PullQuery,
    Registered,
    Registration,
    Sent,
    Session,
    SessionQuery,
    State,
    Status,
    Summary,
)
from sxhost.model.session_state import ACTIVE_STATES
from sxhost.model.summaries import summarize, summary_filter
from sxhost.registration import Registrar
from sxhost.service_agents import Agency
from sxhost.service_messages import MessageService
from sxhost.slices import TimeSlicer
from sxhost.store.contracts import SessionCounts, Store
from sxhost.streams.notifier import HEARTBEAT_S, LogNotifier, inbox_topic
from sxhost.streams.presence import Presence, StateBroadcaster
from sxhost.streams.reader import LogReader
from sxhost.streams.subscription import Selection, Sink, Subscription
from sxhost.waiting import background

__all__ = ["SessionService"]

log = logger(__name__)

SWEEP_EVERY = 60.0
"""Seconds between two looks for events that are too old."""

CLOSE_WITHIN = 0.9
"""Seconds that the store gets to close; a disk that hangs does not hold up a stop."""

RECENT_EVENTS = 10
"""How many events a session's detail shows: as many as scorpiox-host's."""


class SessionService(Service):
    """Every session of this host, and the verbs on them (`sxhost.model.host.Host`).

    `clock` is monotonic and decides; `wall_ms` is the time of day and only a label.
    `port` is told by whoever listens, `telemetry` by whoever sends it (where it goes);
    `on_stop` is called when a client asks for the end.
    """

    def __init__(
        self,
        store: Store,
        clock: IReactorTime,
        wall_ms: Callable[[], int],
        limits: Limits,
        agents: Agents = NO_AGENTS,
    ) -> None:
        self.port = 0
        self.telemetry = ""
        self.on_stop: Callable[[], object] = lambda: None
        self.limits = limits
        self.slices = TimeSlicer(clock)
        self.hub = LogNotifier(clock, store, store.known, limits, self.slices)
        self._store = store
        self._clock = clock
        self._wall_ms = wall_ms
        self._presence = Presence(clock, wall_ms, limits)
        self._logs = LogReader(store, store, limits, self.slices)
        self._sweeper = LoopingCall(self._sweep)
        self._sweeper.clock = clock
        self._teller = StateBroadcaster(self.hub, store.known, clock, self._now)
        desk = ApprovalDesk(
            store, self.hub, clock, wall_ms, limits=limits, decide=agents.decide
        )
        ground = Dependencies(
            clock, wall_ms, limits, desk, self._append, self._note, agents.hold
        )
        fleet = self._fleet = Supervisor(store, ground, agents, self.send)
        presence, audit = self._presence, Audit(store, clock, wall_ms, limits)
        eviction = Eviction(
            store, hub=self.hub, fleet=fleet, presence=presence, now=self._now, limits=limits
        )
        self._eviction, self._audit = eviction, audit
        self._registrar = Registrar(
            store,
            fleet=fleet,
            presence=presence,
            eviction=eviction,
            wall_ms=wall_ms,
            limits=limits,
        )
        self._messages = MessageService(
            store,
            hub=self.hub,
            fleet=fleet,
            presence=presence,
            eviction=eviction,
            audit=audit,
            clock=clock,
            limits=limits,
        )
        self.note = self._audit.note
        """Records for the audit what the caller does, now or as soon as the store can."""
        self.agency = Agency(store, fleet, desk, self._summary, self.note)
        """The verbs on hosted agents, and on what agents ask."""

    def open(self) -> None:
        """Open the store.

        :raises StoreUnusable: it cannot be.
        """
        self._store.open()

    def startService(self) -> None:
        """Begin to drop what is too old, now and then."""
        super().startService()
        self._sweeper.start(SWEEP_EVERY, now=True)
        background(self._fleet.reconcile(), log, "finding the agents of a former life")

    def _sweep(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._store.sweep(self._wall_ms()))

    async def close(self) -> None:
        """Let waiting requests go, end the agents, then let go of the store."""
        if self._sweeper.running:
            self._sweeper.stop()
        self._teller.stop()
        await self.hub.close()
        await self._fleet.close()
        self.agency.desk.close()
        closing = Deferred.fromCoroutine(self._close_store())
        closing.addTimeout(CLOSE_WITHIN, self._clock)
        try:
            await closing
        except defer.TimeoutError:
            log.warn("the store did not close in time; it recovers at the next start")

    async def _close_store(self) -> None:
        await self._audit.close()
        await self._store.close()

    def agent_directory(self, agent: str) -> AgentDirectory:
        """Return the hosted sessions of a kind of agent."""
        return AgentDirectory(self._store, agent, self._wall_ms)

    # Sessions.

    async def status(self) -> Status:
        """Summarise the host."""
        views = [self._now(session) for session in await self._store.sessions()]
        census = await self._store.counts()
        return Status(
            version=__version__,
            port=self.port,
            uptime=int(self._clock.seconds() - self._presence.started),
            sessions=len(views),
            active=sum(view.state.name in ACTIVE_STATES for view in views),
            total_events=census.events,
            epoch=self._store.epoch,
            pid=os.getpid(),
            store=self._store.name,
            durability=self._store.durability,
            subscribers=self.hub.subscribers,
            waiting=self.hub.waiting,
            pending_approvals=sum(view.pending_approvals for view in views),
            missing=self._store.missing,
            telemetry=self.telemetry,
            memory=Memory(events=self._store.recent.size),
            limits=self.limits,
        )

    async def census(self) -> tuple[SessionCounts, Sequence[State]]:
        """Return what the store holds, and the state of every session."""
        sessions = await self._store.sessions()
        return await self._store.counts(), [self._now(session).state for session in sessions]

    @property
    def hot_size(self) -> int:
        """How many bytes of memory events take."""
        return self._store.recent.size

    async def sessions(self, query: SessionQuery) -> list[Summary]:
        """List sessions in the order of their ids."""
        chosen: list[Summary] = []
        matches = summary_filter(query)
        for session in await self._store.sessions():
            summary = await self._summary(session)
            if matches(summary):
                chosen.append(summary)
        return chosen[: query.limit]

    async def session(self, session_id: str) -> Detail:
        """Tell all about one session."""
        session = await self._store.session(session_id)
        recent, now = session.event_count - RECENT_EVENTS, in_force(session.launch)
        return Detail(
            **asdict(await self._summary(session)),
            pid=session.pid,
            heartbeat_s=session.heartbeat_s,
            metadata=session.metadata,
            usage=session.usage,
            message_count=session.message_count,
            native_id=session.native_id,
            turn=session.turn,
            approval_policy=now.approval_policy,
            sandbox=now.sandbox,
            command=session.launch.command if session.launch else None,
            events=await self._store.read_events(session_id, seq=max(0, recent)),
        )

    def knows(self, session_id: str) -> bool:
        """Tell whether there is such a session."""
        return self._store.known.holds(session_id)

    @property
    def cursor(self) -> str:
        """The place at the end of the log."""
        return str(Cursor(self._store.recent.position, self._store.epoch))

    def now_ms(self) -> int:
        """Return the time of day in Unix milliseconds."""
        return self._wall_ms()

    async def register(self, session_id: str, registration: Registration) -> Registered:
        """Create a session, or update the fields that are given.

        :raises ForbiddenScope: the caller may not change one of them.
        :raises Reserved: nobody may; the host alone says it.
        """
        session, created = await self._registrar.register(session_id, registration)
        return Registered(id=session_id, created=created, session=await self._summary(session))

    async def forget(self, session_id: str) -> Done:
        """End a session and forget it with its log and its inbox."""
        known = self._store.known.get(session_id)
        try:
            await self._fleet.end(session_id)
            await (
                self.hub.deliver_now()
            )  # its readers are told how it ended before it is no more
            await self._store.delete(session_id, self._audit.entry("delete", session_id))
        except BaseException:  # the session stays, but its agent does not
            if known is not None and known.kind == "hosted":
                await self.note("end", session_id)
            raise
        self._presence.forget(session_id)
        self.hub.session_removed(session_id)
        log.info("session {session} forgotten", session=session_id)
        return Done()

    # Events.

    async def fire(self, session_id: str, draft: EventDraft) -> Fired:
        """Append an event; an unknown session is registered by it.

        :raises Reserved: the host alone tells it.
        """
        check_event(session_id, await self._registrar.find(session_id), [draft.event])
        event = (await self._append(session_id, [draft]))[0]
        return Fired(event_count=event.seq, seq=event.seq, id=event.id)

    async def fire_batch(self, session_id: str, drafts: Sequence[EventDraft]) -> Accepted:
        """Append events in order, all of them or none.

        :raises BadField: there is none.
        :raises Reserved: the host alone tells one of them.
        """
        if not drafts:
            raise BadField("event", "The batch is empty; send one event a line.")
        names = (draft.event for draft in drafts)
        check_event(session_id, await self._registrar.find(session_id), names)
        events = await self._append(session_id, drafts)
        return Accepted(event_count=max(e.seq for e in events), accepted=len(events))

    async def events(self, session_id: str, query: EventQuery) -> list[Event]:
        """Read events in order: the buffered ones, or all that are retained after a cursor."""
        return [event async for page in self._logs.events(session_id, query) for event in page]

    async def log(self, query: LogQuery) -> list[Event]:
        """Read the events of many sessions, in the order of their ids: a page at the most."""
        return [event async for page in self._logs.log(query) for event in page]

    def event_pages(
        self, session_id: str, query: EventQuery
    ) -> AsyncGenerator[list[Event], None]:
        """Read the same as `events` page by page, each when it is asked for."""
        return self._logs.events(session_id, query)

    def log_pages(self, query: LogQuery) -> AsyncGenerator[list[Event], None]:
        """Read the same as `log` page by page."""
        return self._logs.log(query)

    async def subscribe(
        self,
        wanted: Selection,
        after: str,
        encoding: Encoding,
        sink: Sink,
        *,
        states: bool = False,
    ) -> Subscription:
        """Let `sink` follow what is wanted from a cursor on; nothing falls between."""
        session = await self.session(wanted.only) if wanted.only else None
        token = current_caller.get().token
        reader = self.hub.subscribe(wanted, encoding, sink, states=states, token=token)
        hello: dict[str, object] = {"heartbeat_s": HEARTBEAT_S, "epoch": self._store.epoch}
        if session is not None:
            hello["session"] = session
        try:
            reader.start(await self._logs.find_position(wanted.only, after), hello)
        except BaseException:
            reader.close()
            raise
        if states:
            self._teller.begin(reader)
        return reader

    # Messages.

    async def send(self, session_id: str, draft: MessageDraft) -> Sent:
        """Queue a message for the session's agent."""
        return await self._messages.send(session_id, draft)

    async def pull(self, session_id: str, query: PullQuery) -> list[Message]:
        """Take the messages that wait, or look at them.

        With `wait`, an empty inbox is answered once a message is there, the time is up or
        the host stops.

        :raises Unauthorized: the caller's token has ended meanwhile; no message is taken.
        """
        return await self._messages.pull(session_id, query)

    async def ack(self, session_id: str, message_id: int) -> Done:
        """Confirm a message: it is delivered.

        :raises Unsupported: the host delivers it itself.
        """
        await self._messages.ack(session_id, message_id)
        return Done()

    async def nack(self, session_id: str, message_id: int) -> Done:
        """Give a leased message back to its place in the queue; errors as for `ack`."""
        await self._messages.nack(session_id, message_id)
        return Done()

    async def withdraw(self, session_id: str, message_id: int) -> Done:
        """Take back a message that nobody has taken yet."""
        await self._messages.withdraw(session_id, message_id)
        return Done()

    # The host.

    async def audit(self, query: AuditQuery) -> list[AuditEntry]:
        """Tell who did what, in order."""
        return await self._store.audit_entries(query)

    async def stop(self) -> Done:
        """Stop the host in order."""
        log.info("a client asked the host to stop")
        noted = Deferred.fromCoroutine(self.note("stop"))
        noted.addTimeout(CLOSE_WITHIN, self._clock)
        try:
            await noted
        except defer.TimeoutError:
            log.warn("the stop is not in the audit yet: the disk hangs")
        self.on_stop()
        return Done()

    # How it is done.

    async def _append(self, session_id: str, drafts: Sequence[EventDraft]) -> list[Event]:
        at = self._wall_ms()
        compact = compact_drafts(drafts, at, self.limits.event_size)
        append = partial(
            self._store.append_events, session_id, await self.slices.gather(compact), at
        )
        events = await self._eviction.run_with_room(append)
        self._presence.hear(session_id)
        self.hub.events_appended(session_id)
        return events

    async def _note(self, session_id: str, hosting: Hosting) -> None:
        """Keep what the host has to know of a hosted session after a restart."""
        note = partial(self._store.register, session_id, hosting, self._wall_ms())
        await self._eviction.run_with_room(note)

    def _now(self, session: Session) -> Session:
        if session.kind == "attached" and self.hub.watched(inbox_topic(session.id)):
            self._presence.hear(session.id)  # its agent is on the line, waiting
        return self._presence.now(session)

    async def _summary(self, session: Session) -> Summary:
        return summarize(self._now(session), await self._store.count_waiting(session.id))
