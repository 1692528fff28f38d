"""Codexd's routes, over the sessions of agent codex that this host runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from os import getpid
from weakref import WeakValueDictionary

from msgspec import UNSET, Struct, UnsetType
from twisted.internet.defer import DeferredLock

from sxhost.errors import ForbiddenScope, Unauthorized, UnknownSession
from sxhost.faces.codexd.describe import (
    EVENTS,
    SESSIONS,
    STATUS,
    TURN,
    description_of,
    event_url,
)
from sxhost.faces.codexd.directory import CodexDirectory
from sxhost.faces.codexd.events import DELTAS, event_record
from sxhost.faces.codexd.records import HostMoment, session_record, snapshot_of, turn_id_of
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
from sxhost.faces.codexd.requests_to_host import (
    launch_of,
    native_turn_of,
    steer_input_of,
    turn_draft_of,
)
from sxhost.faces.codexd.responses import CODEXD, PREFIXES
from sxhost.faces.codexd.websocket import EventClients, HostState
from sxhost.http.parameters import AnyText
from sxhost.http.responses import ResponseFormat
from sxhost.http.routes import NDJSON, Route
from sxhost.http.websocket_handshake import Upgrade
from sxhost.model.caller import current_caller
from sxhost.model.cursor import Cursor
from sxhost.model.host import Host
from sxhost.model.session import Session
from sxhost.model.turn import SteerDraft

__all__ = ["RESPONSE_FORMATS", "routes"]

RESPONSE_FORMATS: dict[str, ResponseFormat] = dict.fromkeys(PREFIXES, CODEXD)
"""The response format under codexd's paths, for requests that no route answers, too."""

CONFLICT, NOT_FOUND = 409, 404


class CodexdHealth(Struct, frozen=True):
    """The host is up; callers that may read also learn where."""

    ok: bool
    service: CodexdRuntime | UnsetType = UNSET
    status: str = "ok"


class CodexdStatus(Struct, frozen=True):
    """The state of the host, enveloped."""

    data: HostState
    ok: bool = True


class SessionList(Struct, frozen=True):
    """Sessions, the oldest first."""

    sessions: list[CodexdSession]


class CodexdSessions(Struct, frozen=True):
    """All sessions, enveloped."""

    data: SessionList
    ok: bool = True


class SessionAndEvents(Struct, frozen=True, rename="camel"):
    """A session, and its newest events."""

    recent_events: list[CodexdEvent]
    session: CodexdSession


class CodexdSessionRead(Struct, frozen=True):
    """One session, enveloped."""

    data: SessionAndEvents
    ok: bool = True


class BegunSession(Struct, frozen=True):
    """A session that is ready for turns."""

    session: CodexdSession


class CodexdSessionBegun(Struct, frozen=True):
    """A session that is ready for turns, enveloped."""

    data: BegunSession
    ok: bool = True


class AcceptedTurn(Struct, frozen=True, kw_only=True, rename="camel"):
    """A turn that was accepted and runs."""

    accepted: bool = True
    session_id: str
    thread_id: str | None
    turn_id: str | None


class CodexdTurnTaken(Struct, frozen=True):
    """An accepted turn, enveloped; its end comes as an event and stands in the session."""

    data: AcceptedTurn
    ok: bool = True


class CodexdHandlers:
    """The handlers of codexd's routes."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._directory = CodexDirectory(host)
        self._clients = EventClients(host, self._directory, self._state)
        self._resuming: WeakValueDictionary[str, DeferredLock] = WeakValueDictionary()

    # Reads.

    async def codexd_health(self, base_url: str) -> CodexdHealth:
        """Return that the host is up and, to callers that may read, where."""
        try:
            current_caller.get().check("read", None)
        except (ForbiddenScope, Unauthorized):
            return CodexdHealth(ok=True)
        return CodexdHealth(ok=True, service=self._runtime(base_url))

    async def codexd_describe(self, base_url: str) -> dict[str, object]:
        """Return codexd's description of itself."""
        return description_of(base_url)

    async def codexd_status(self, base_url: str) -> CodexdStatus:
        """Return the state of the host."""
        return CodexdStatus(await self._state(base_url, self._directory.end))

    async def codexd_sessions(self) -> CodexdSessions:
        """Return all sessions."""
        records = [session_record(session) for session in self._directory.sessions()]
        return CodexdSessions(SessionList(records))

    async def codexd_session(self, session_id: AnyText) -> CodexdSessionRead:
        """Return a session and its newest events."""
        session = self._session(session_id)
        events = await self._recent(self._directory.end, session)
        return CodexdSessionRead(
            SessionAndEvents(events, session_record(self._session(session_id)))
        )

    def _runtime(self, base_url: str) -> CodexdRuntime:
        return CodexdRuntime(
            configured_base_url=base_url,
            event_stream_path=EVENTS,
            event_stream_url=event_url(base_url),
            resolved_base_url=base_url,
            websocket_clients=len(self._clients.connected),
        )

    async def _state(self, base_url: str, end: Cursor) -> HostState:
        directory, events = self._directory, await self._recent(end)
        moment = HostMoment(directory.since_ms, directory.now_ms(), getpid(), end.epoch)
        snapshot = snapshot_of(directory.sessions(), events, moment)
        return HostState(service=self._runtime(base_url), snapshot=snapshot)

    async def _recent(self, end: Cursor, session: Session | None = None) -> list[CodexdEvent]:
        """Return the newest events up to a place in the log, of one session or of all."""
        found = await self._directory.latest(
            MOST_RECENT, end.position, without=DELTAS, session=session
        )
        return [event_record(event, self._directory.get(event.session)) for event in found]

    def _session(self, session_id: str) -> Session:
        session = self._directory.get(session_id)
        if session is None:
            raise _unknown(session_id)
        return session

    # Acts.

    async def codexd_begin(self, body: bytes) -> CodexdSessionBegun:
        """Begin a session, or return the one that already has the thread."""
        request = parse_session(body, self._host.limits.depth)
        if request.thread_id is None:
            return await self._begin(request)
        lock = self._resuming.setdefault(request.thread_id, DeferredLock())
        async with lock:
            known = self._directory.find_thread(request.thread_id)
            return _begun_answer(known) if known else await self._begin(request)

    async def _begin(self, request: SessionInput) -> CodexdSessionBegun:
        hosted = await self._host.start(launch_of(request))
        return _begun_answer(self._session(hosted.session.id))

    async def codexd_turn(self, body: bytes) -> CodexdTurnTaken:
        """Begin a turn, or add to the running one that is named."""
        request = parse_turn(body, self._host.limits.depth)
        session = self._session(request.session_id)
        try:
            turn = await (self._steer if request.expected_turn_id else self._submit)(request)
        except UnknownSession:
            raise _unknown(session.id) from None
        thread = self._session(session.id).native_id
        return CodexdTurnTaken(
            AcceptedTurn(session_id=session.id, thread_id=thread or None, turn_id=turn)
        )

    async def _submit(self, request: TurnInput) -> str | None:
        draft, spoken = turn_draft_of(request), native_turn_of(request)
        submitted = await self._host.submit_native(request.session_id, draft, spoken)
        return turn_id_of(submitted.turn)

    async def _steer(self, request: TurnInput) -> str | None:
        status = await self._host.agent_status(request.session_id)
        turn = status.turn if status is not None else None  # the log lags behind it
        wanted = request.expected_turn_id
        if turn is None or turn.status != "running" or turn_id_of(turn) != wanted:
            text = f'Turn "{wanted}" is not running in codexd session "{request.session_id}".'
            raise Refusal(text, CONFLICT)
        await self._host.steer(request.session_id, SteerDraft(input=steer_input_of(request)))
        return wanted

    # Events.

    async def codexd_events(self) -> Upgrade:
        """Follow the events over a WebSocket."""
        return Upgrade(self._clients.connect)


def _begun_answer(session: Session) -> CodexdSessionBegun:
    return CodexdSessionBegun(BegunSession(session_record(session)))


def _unknown(session_id: str) -> Refusal:
    return Refusal(f'Unknown codexd session "{session_id}".', NOT_FOUND)


def routes(host: Host) -> Sequence[Route]:
    """Return codexd's routes over the sessions of `host`."""
    face = CodexdHandlers(host)
    route = partial(Route, tag="codexd", response_format=CODEXD)
    return (
        route(
            "GET",
            "/healthz",
            face.codexd_health,
            "Check that the host serves.",
            scope="open",
            asks=True,
        ),
        route("GET", "/describe", face.codexd_describe, "Describe codexd's API."),
        route("GET", STATUS, face.codexd_status, "Show the state of codex."),
        route("GET", SESSIONS, face.codexd_sessions, "List codex's sessions."),
        route(
            "GET",
            f"{SESSIONS}/<session_id>",
            face.codexd_session,
            "Show a session of codex.",
        ),
        route(
            "POST",
            SESSIONS,
            face.codexd_begin,
            "Begin or resume a session of codex.",
            201,
            reads=SessionInput,
        ),
        route(
            "POST",
            TURN,
            face.codexd_turn,
            "Begin a turn of codex, or steer it.",
            202,
            scope="send",
            reads=TurnInput,
        ),
        route(
            "GET",
            EVENTS,
            face.codexd_events,
            "Follow codex over a WebSocket.",
            101,
            produces=NDJSON,
        ),
    )
