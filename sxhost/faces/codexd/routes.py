"""The face of codexd: its routes over the hosted sessions of agent codex."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from os import getpid
from typing import Any
from weakref import WeakValueDictionary

from msgspec import UNSET, Struct, UnsetType
from twisted.internet.defer import DeferredLock

from sxhost.errors import ForbiddenScope, UnknownSession
from sxhost.faces.codexd.describe import EVENTS, SESSIONS, STATUS, TURN, described, event_url
from sxhost.faces.codexd.events import DELTAS, event_record
from sxhost.faces.codexd.records import HostMoment, session_record, snapshot_of, turn_name
from sxhost.faces.codexd.records_wire import (
    MOST_RECENT,
    CodexdEvent,
    CodexdRuntime,
    CodexdSession,
)
from sxhost.faces.codexd.requests import (
    Refusal,
    SessionInput,
    TurnInput,
    parse_session,
    parse_turn,
)
from sxhost.faces.codexd.requests_to_host import AGENT, draft_of, launch_of, spoken_of, steer_of
from sxhost.faces.codexd.responses import CODEXD, PREFIXES
from sxhost.faces.codexd.websocket import Audience, State
from sxhost.http.parameters import AnyText
from sxhost.http.responses import ResponseFormat
from sxhost.http.router import NDJSON, Route
from sxhost.http.websocket import Upgrade
from sxhost.model.caller import current
from sxhost.model.session import Session
from sxhost.model.turn import SteerDraft
from sxhost.service import SessionService

__all__ = ["MANNERS", "routes"]

MANNERS: dict[str, ResponseFormat] = dict.fromkeys(PREFIXES, CODEXD)
"""Under these paths refusals are codexd's, too."""

CONFLICT, NOT_FOUND = 409, 404


class CodexdHealth(Struct, frozen=True):
    """The host is there; to whoever may look also where."""

    ok: bool
    service: CodexdRuntime | UnsetType = UNSET
    status: str = "ok"


class CodexdStatus(Struct, frozen=True):
    """All there is."""

    data: State
    ok: bool = True


class Listed(Struct, frozen=True):
    """Sessions in the order in which they were begun."""

    sessions: list[CodexdSession]


class CodexdSessions(Struct, frozen=True):
    """All sessions."""

    data: Listed
    ok: bool = True


class Read(Struct, frozen=True, rename="camel"):
    """A session, and the newest events of it."""

    recent_events: list[CodexdEvent]
    session: CodexdSession


class CodexdSessionRead(Struct, frozen=True):
    """A session on its own."""

    data: Read
    ok: bool = True


class Begun(Struct, frozen=True):
    """A session that is ready for turns."""

    session: CodexdSession


class CodexdSessionBegun(Struct, frozen=True):
    """A session is there."""

    data: Begun
    ok: bool = True


class Taken(Struct, frozen=True, kw_only=True, rename="camel"):
    """A turn that runs."""

    accepted: bool = True
    session_id: str
    thread_id: str | None
    turn_id: str | None


class CodexdTurnTaken(Struct, frozen=True):
    """A turn runs; how it ends is read in its session, or heard of."""

    data: Taken
    ok: bool = True


class Codexd:
    """The handlers."""

    def __init__(self, service: SessionService) -> None:
        self._service = service
        self._agency = service.agency
        self._roster = service.roster(AGENT)
        self._audience = Audience(service, self._roster, self._state)
        self._resuming: WeakValueDictionary[str, DeferredLock] = WeakValueDictionary()

    # What looks.

    async def codexd_health(self, base_url: str) -> CodexdHealth:
        """Tell that the host is there, and to whoever may look, where."""
        try:
            current.get().check("read", None)
        except ForbiddenScope:
            return CodexdHealth(ok=True)
        return CodexdHealth(ok=True, service=self._runtime(base_url))

    async def codexd_describe(self, base_url: str) -> dict[str, Any]:
        """Describe this face, for programs."""
        return described(base_url)

    async def codexd_status(self, base_url: str) -> CodexdStatus:
        """Tell all there is."""
        return CodexdStatus(await self._state(base_url, self._roster.position))

    async def codexd_sessions(self) -> CodexdSessions:
        """List the sessions."""
        records = [session_record(session) for session in self._roster.sessions()]
        return CodexdSessions(Listed(records))

    async def codexd_session(self, session_id: AnyText) -> CodexdSessionRead:
        """Tell all about a session."""
        session = self._known(session_id)
        events = await self._recent(self._roster.position, session)
        return CodexdSessionRead(Read(events, session_record(self._known(session_id))))

    def _runtime(self, base_url: str) -> CodexdRuntime:
        return CodexdRuntime(
            configured_base_url=base_url,
            event_stream_path=EVENTS,
            event_stream_url=event_url(base_url),
            resolved_base_url=base_url,
            websocket_clients=len(self._audience.clients),
        )

    async def _state(self, base_url: str, until: int) -> State:
        roster, events = self._roster, await self._recent(until)
        moment = HostMoment(roster.since_ms, roster.wall_ms(), getpid(), roster.epoch)
        snapshot = snapshot_of(roster.sessions(), events, moment)
        return State(service=self._runtime(base_url), snapshot=snapshot)

    async def _recent(self, until: int, session: Session | None = None) -> list[CodexdEvent]:
        """Return the newest events up to an id, of one session or of all."""
        found = await self._roster.latest(MOST_RECENT, until, without=DELTAS, session=session)
        return [event_record(event, self._roster.get(event.session)) for event in found]

    def _known(self, session_id: str) -> Session:
        session = self._roster.get(session_id)
        if session is None:
            raise _unknown(session_id)
        return session

    # What acts.

    async def codexd_begin(self, body: bytes) -> CodexdSessionBegun:
        """Begin a session; of a thread that has one, tell which it is."""
        given = parse_session(body, self._service.limits.depth)
        if given.thread_id is None:
            return await self._begin(given)
        lock = self._resuming.setdefault(given.thread_id, DeferredLock())
        async with lock:
            known = self._roster.talking(given.thread_id)
            return _begun(known) if known else await self._begin(given)

    async def _begin(self, given: SessionInput) -> CodexdSessionBegun:
        hosted = await self._agency.start(launch_of(given))
        return _begun(self._known(hosted.session.id))

    async def codexd_turn(self, body: bytes) -> CodexdTurnTaken:
        """Begin a turn, or add to the one that runs."""
        given = parse_turn(body, self._service.limits.depth)
        session = self._known(given.session_id)
        try:
            turn = await (self._steer if given.expected_turn_id else self._submit)(given)
        except UnknownSession:
            raise _unknown(session.id) from None
        thread = self._known(session.id).native_id
        return CodexdTurnTaken(
            Taken(session_id=session.id, thread_id=thread or None, turn_id=turn)
        )

    async def _submit(self, given: TurnInput) -> str | None:
        draft, spoken = draft_of(given), spoken_of(given)
        submitted = await self._agency.submit_native(given.session_id, draft, spoken)
        return turn_name(submitted.turn)

    async def _steer(self, given: TurnInput) -> str | None:
        hosted = self._agency.fleet.get(given.session_id)
        turn = hosted.turn if hosted is not None else None  # the log comes later
        wanted = given.expected_turn_id
        if turn is None or turn.status != "running" or turn_name(turn) != wanted:
            text = f'Turn "{wanted}" is not running in codexd session "{given.session_id}".'
            raise Refusal(text, CONFLICT)
        await self._agency.steer(given.session_id, SteerDraft(input=steer_of(given)))
        return wanted

    # What goes on.

    async def codexd_events(self) -> Upgrade:
        """Follow the events over a WebSocket."""
        return Upgrade(self._audience.connect)


def _begun(session: Session) -> CodexdSessionBegun:
    return CodexdSessionBegun(Begun(session_record(session)))


def _unknown(session_id: str) -> Refusal:
    return Refusal(f'Unknown codexd session "{session_id}".', NOT_FOUND)


def routes(service: SessionService) -> Sequence[Route]:
    """Return codexd's routes over the sessions of a host."""
    it, route = Codexd(service), partial(Route, tag="codexd", response_format=CODEXD)
    return (
        route(
            "GET",
            "/healthz",
            it.codexd_health,
            "Tell that the host is there.",
            scope="open",
            asks=True,
        ),
        route("GET", "/describe", it.codexd_describe, "Describe codexd's face."),
        route("GET", STATUS, it.codexd_status, "Tell all there is of codex."),
        route("GET", SESSIONS, it.codexd_sessions, "List codex's sessions."),
        route(
            "GET", f"{SESSIONS}/<session_id>", it.codexd_session, "Tell of a session of codex."
        ),
        route(
            "POST",
            SESSIONS,
            it.codexd_begin,
            "Begin or resume a session of codex.",
            201,
            reads=SessionInput,
        ),
        route(
            "POST",
            TURN,
            it.codexd_turn,
            "Begin a turn of codex, or steer it.",
            202,
            scope="send",
            reads=TurnInput,
        ),
        route(
            "GET",
            EVENTS,
            it.codexd_events,
            "Follow codex over a WebSocket.",
            101,
            produces=NDJSON,
        ),
    )
