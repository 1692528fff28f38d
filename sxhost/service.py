"""The host itself: the one façade that every face calls."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

from msgspec.structs import asdict
from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from sxhost import __version__
from sxhost.agents.dependencies import NO_AGENTS, Agents
from sxhost.agents.settings import in_force
from sxhost.history import SAMPLE_EVERY
from sxhost.logs import logger
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.caller import current_caller
from sxhost.model.cursor import Cursor
from sxhost.model.delivery import DELIVERY_NOTES
from sxhost.model.event_types import PIECES
from sxhost.model.limits import Limits
from sxhost.model.session import (
    Detail,
    Done,
    Forgotten,
    Registered,
    Registration,
    Session,
    SessionQuery,
    Succession,
    Summary,
)
from sxhost.model.session_state import ACTIVE_STATES
from sxhost.model.status import HostCounts, Status
from sxhost.model.subscription import Encoding, Selection, Sink, Subscription, Summaries
from sxhost.model.summaries import summary_filter
from sxhost.prices import Prices
from sxhost.registration import Registrar
from sxhost.service_agents import AgentVerbs
from sxhost.service_core import ServiceCore
from sxhost.service_events import EventVerbs
from sxhost.service_messages import MessageVerbs, expected_delivery
from sxhost.service_policy import PolicyVerbs
from sxhost.service_viewers import ViewerVerbs
from sxhost.store.contracts import Store
from sxhost.streams.notifier import HEARTBEAT_S
from sxhost.streams.overview import SummaryBroadcaster
from sxhost.streams.presence import StateBroadcaster
from sxhost.streams.reader import LogReader
from sxhost.waiting import background

__all__ = ["SessionService"]

log = logger(__name__)

CLOSE_WITHIN = 0.9
"""Seconds that the store gets to close; a disk that hangs does not hold up a stop."""

RUNS_ON = "its agent runs on where it is, and is here again as soon as it reports"

RECENT_EVENTS = 10
"""How many events a session's detail shows: as many as scorpiox-host's."""


class SessionService(EventVerbs, MessageVerbs, AgentVerbs, PolicyVerbs, ViewerVerbs, Service):
    """Every session of this host, and all verbs on them: the `sxhost.model.host.Host`.

    Its parts (`ServiceCore`) are nobody else's.  `port` is set by whoever listens, `telemetry`
    by whoever sends it (where it goes); `on_stop` is called when a client asks for the end.
    """

    def __init__(
        self,
        store: Store,
        clock: IReactorTime,
        wall_ms: Callable[[], int],
        limits: Limits,
        agents: Agents = NO_AGENTS,
        *,
        prices: Prices | None = None,
    ) -> None:
        core = self._core = ServiceCore(
            store, clock, wall_ms, limits, agents=agents, prices=prices or Prices()
        )
        self.port = 0
        self.telemetry = ""
        self.on_stop: Callable[[], object] = lambda: None
        self.slices = core.slices
        self._logs = LogReader(store, store, limits, core.slices)
        self._states = StateBroadcaster(core.notifier, store.known, clock, core.current)
        self._summaries = SummaryBroadcaster(store.known, clock, core.slices, core.summary)
        self._registrar = Registrar(core)
        self._sweeper = LoopingCall(self._sweep)
        self._sweeper.clock = clock

    def open(self) -> None:
        """Open the store.

        :raises StoreUnusable: it cannot be.
        """
        self._core.store.open()

    def startService(self) -> None:
        """Begin to sweep, and put right what an earlier process of the host has left."""
        super().startService()
        self._sweeper.start(SAMPLE_EVERY, now=True)
        if self._core.store.is_shared:
            return  # what others run and ask is no former life of this host
        leaving = self._core.approvals.leave_former_life()  # before a hook can ask again
        background(leaving, log, "finding the questions of a former life")
        core = self._core
        for part in (core.supervisor, core.processes):
            background(part.reconcile(), log, "finding the agents of a former life")

    def _sweep(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._keep_house())

    async def _keep_house(self) -> None:
        """Drop what is too old, and take a sample of the figures."""
        core, at = self._core, self._core.wall_ms()
        await core.store.sweep(at)
        sessions = await core.store.sessions()
        counts = await core.store.counts()
        core.history.note(at, counts.events, map(core.current, sessions))
        core.activity.note(sessions)

    async def end_streams(self) -> None:
        """Answer the pulls that wait, and end all subscriptions: the host is stopping."""
        await self._core.notifier.close()

    async def close(self) -> None:
        """Let waiting requests go, end the agents, then let go of the store."""
        if self._sweeper.running:
            self._sweeper.stop()
        self._states.stop()
        self._summaries.stop()
        self._core.processes.close()
        await self.end_streams()
        await self._core.supervisor.close()
        self._core.approvals.close()
        closing = Deferred.fromCoroutine(self._close_store())
        closing.addTimeout(CLOSE_WITHIN, self._core.clock)
        try:
            await closing
        except defer.TimeoutError:
            log.warn("the store did not close in time; it recovers at the next start")

    async def _close_store(self) -> None:
        await self._core.audit.close()
        await self._core.store.close()

    @property
    def limits(self) -> Limits:
        """The limits of the host."""
        return self._core.limits

    # Sessions.

    async def status(self) -> Status:
        """Summarise the host."""
        core = self._core
        store, notifier = core.store, core.notifier
        views = [core.current(session) for session in await store.sessions()]
        counts = await store.counts()
        return Status(
            version=__version__,
            port=self.port,
            uptime=int(core.clock.seconds() - core.presence.started),
            sessions=len(views),
            active=sum(view.state.name in ACTIVE_STATES for view in views),
            total_events=counts.events,
            epoch=store.epoch,
            pid=os.getpid(),
            store=store.name,
            durability=store.durability,
            subscribers=notifier.subscribers,
            waiting=notifier.topics.waiting,
            pending_approvals=sum(view.pending_approvals for view in views),
            missing=store.missing,
            telemetry=self.telemetry,
            memory=store.recent.memory(),
            limits=core.limits,
        )

    async def counts(self) -> HostCounts:
        """Count what the host holds."""
        core, stored = self._core, await self._core.store.counts()
        sessions = await core.store.sessions()
        return HostCounts(
            events=stored.events,
            messages=stored.messages,
            states=Counter(core.current(session).state.name for session in sessions),
            event_bytes=core.store.recent.size,
            subscribers=core.notifier.subscribers,
        )

    async def sessions(self, query: SessionQuery) -> list[Summary]:
        """List sessions in the order of their ids."""
        chosen: list[Summary] = []
        matches = summary_filter(query)
        for session in await self._core.store.sessions():
            summary = await self._core.summary(session)
            if matches(summary):
                chosen.append(summary)
        return chosen[: query.limit]

    async def session(self, session_id: str) -> Detail:
        """Return one session in detail, with its last events."""
        session = await self._core.store.session(session_id)
        first = await self._core.store.seq_before(session_id, RECENT_EVENTS)
        events = await self._core.store.read_events(session_id, seq=first)
        settings = in_force(session.launch)
        delivery = expected_delivery(self._core, session)
        return Detail(
            **asdict(await self._core.summary(session)),
            pid=session.pid or (session.os_process.pid if session.os_process else None),
            heartbeat_s=session.heartbeat_s,
            metadata=session.metadata,
            usage=session.usage,
            inbox=session.inbox,
            os_process=session.os_process,
            opening=session.opening,
            message_count=session.message_count,
            native_id=session.native_id,
            continues=session.continues,
            continued_by=session.continued_by,
            delivery=delivery,
            note=DELIVERY_NOTES[delivery].removeprefix("queued: "),
            turn=session.turn,
            background=session.background,
            approval_policy=settings.approval_policy,
            sandbox=settings.sandbox,
            command=session.launch.command if session.launch else None,
            events=[event for event in events if event.event not in PIECES],
        )

    def on_process_end(self, look: Callable[[str], object]) -> None:
        """Have `look` called with a session's id when its attached agent's process is gone.

        A second later that is told: what it has left may be read before.
        """
        self._core.processes.on_gone = look

    def on_hand_over(self, look: Callable[[str], object]) -> None:
        """Have `look` called with a session's id when it goes to a terminal."""
        self._core.handover.on_terminal = look

    def knows(self, session_id: str) -> bool:
        """Tell whether there is such a session, archived ones included."""
        return self._core.store.known.holds(session_id)

    def stored_session(self, session_id: str) -> Session | None:
        """Return a session as it is stored; None if it is archived, or there is none."""
        return self._core.store.known.get(session_id)

    def hosted_sessions(self, agent: str) -> list[Session]:
        """Return the hosted sessions of a kind of agent, in the order of their beginning."""
        chosen = filter(Selection(agent=agent).chooses, self._core.store.known)
        return sorted(chosen, key=lambda session: (session.start_ms, session.id))

    @property
    def cursor(self) -> str:
        """The cursor of the end of the log."""
        return str(Cursor(self._core.store.recent.position, self._core.store.epoch))

    def now_ms(self) -> int:
        """Return the time of day in Unix milliseconds."""
        return self._core.wall_ms()

    async def register(self, session_id: str, registration: Registration) -> Registered:
        """Create a session, or update the fields that are given.

        :raises ForbiddenScope: the caller may not change one of them.
        :raises Reserved: only the host changes one of them.
        """
        session, created = await self._registrar.register(session_id, registration)
        summary = await self._core.summary(session)
        return Registered(id=session_id, created=created, session=summary)

    async def continue_session(self, old_id: str, new_id: str) -> None:
        """Have an attached session go on with another one."""
        store, at = self._core.store, self._core.wall_ms()
        old, new = await store.session(old_id), await store.session(new_id)
        if old_id == new_id:
            return
        change = Succession(
            continues=old_id,
            continued_by="",
            title=new.title or old.shown_title,
            labels={**old.labels, **new.labels},
        )
        await store.register(new_id, change, at)
        await store.register(old_id, Succession(continued_by=new_id), at)
        await self.move_messages(old_id, new_id)

    async def forget(self, session_id: str) -> Forgotten:
        """End a session and forget it with its log and its inbox."""
        core = self._core
        known = core.store.known.get(session_id)
        runs_on = known is not None and self._runs_elsewhere(known)
        try:
            await core.supervisor.release(session_id)
            # its readers are told how it ended before it is no more
            await core.notifier.deliver_now()
            await core.store.delete(session_id, core.audit.entry("delete", session_id))
        except BaseException:  # the session stays, but its agent does not
            if known is not None and known.kind == "hosted":
                await core.audit.record("end", session_id)
            raise
        core.presence.forget(session_id)
        core.processes.forget(session_id)
        log.info("session {session} forgotten", session=session_id)
        return Forgotten(ok=True, note=RUNS_ON if runs_on else "")

    def _runs_elsewhere(self, session: Session) -> bool:
        """Return whether a session's agent is known to go on, whatever the host does."""
        core = self._core
        state = core.current(session).state.name
        lives = state == "idle" and core.processes.lives(session.id)
        return session.kind == "attached" and (state in ACTIVE_STATES or lives)

    # Events.

    async def subscribe(
        self,
        selection: Selection,
        after: str,
        encoding: Encoding,
        sink: Sink,
        *,
        states: bool = False,
        summaries: Summaries = False,
    ) -> Subscription:
        """Have events written to `sink` from a cursor on, past and present alike."""
        core = self._core
        session = await self.session(selection.only) if selection.only else None
        token = current_caller.get().token
        reader = core.notifier.subscribe(selection, encoding, sink, states=states, token=token)
        hello: dict[str, object] = {"heartbeat_s": HEARTBEAT_S, "epoch": core.store.epoch}
        if session is not None:
            hello["session"] = session
        try:
            reader.start(await self._logs.find_position(selection.only, after), hello)
        except BaseException:
            reader.close()
            raise
        if states:
            self._states.begin(reader)
        if summaries:
            await self._summaries.begin(reader, summaries)
        return reader

    async def deliver_events(self) -> None:
        """Return once every subscription was given what the log has by now."""
        await self._core.notifier.deliver_now()

    # The host.

    async def record_action(
        self, action: str, session_id: str | None = None, detail: str = ""
    ) -> None:
        """Record in the audit what the caller does, now or as soon as the store can.

        :raises HostError: it cannot be recorded, and so must not be done.
        """
        await self._core.audit.record(action, session_id, detail)

    async def audit(self, query: AuditQuery) -> list[AuditEntry]:
        """List entries of the audit, in order."""
        return await self._core.store.audit_entries(query)

    async def stop(self) -> Done:
        """Stop the host in order."""
        log.info("a client asked the host to stop")
        recording = Deferred.fromCoroutine(self._core.audit.record("stop"))
        recording.addTimeout(CLOSE_WITHIN, self._core.clock)
        try:
            await recording
        except defer.TimeoutError:
            log.warn("the stop is not in the audit yet: the disk hangs")
        self.on_stop()
        return Done()
