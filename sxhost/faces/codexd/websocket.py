"""Codexd's WebSocket: a hello with all there is, then each event as it happens.

A client that is behind is a place in the log: it misses nothing but what retention drops,
and is told of that by an event ``codexd.gap``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from sxhost.agents.directory import AgentDirectory
from sxhost.codec.frames import framed
from sxhost.codec.json import decode, encode
from sxhost.errors import HostError, SubscriptionLimit
from sxhost.faces.codexd.events import event_record, gap_record
from sxhost.faces.codexd.records_wire import CodexdRuntime, CodexdSnapshot
from sxhost.faces.codexd.requests import trimmed
from sxhost.http.parameters import base_url
from sxhost.http.site import HostRequest
from sxhost.http.websocket import Connection
from sxhost.model.cursor import Cursor
from sxhost.model.session import Event
from sxhost.service import SessionService
from sxhost.streams.subscription import Subscription

__all__ = ["Audience", "CodexdConnection", "EventText", "State"]

GOING_AWAY = 1001


class State(Struct, frozen=True, kw_only=True):
    """What `hello` and `status` say."""

    service: CodexdRuntime
    snapshot: CodexdSnapshot


Look = Callable[[str, int], Awaitable[State]]
"""Tells the state for a client that knows the host by a URL, with events up to an id."""


class EventText:
    """Events as codexd's WebSocket frames; of all else only gaps are told."""

    def __init__(self, roster: AgentDirectory) -> None:
        self._roster = roster

    def event(self, event: Event, epoch: str) -> bytes:  # noqa: ARG002 - `seq` is the place
        """Encode an event."""
        return _message(
            event=event_record(event, self._roster.get(event.session)), type="event"
        )

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        """Encode a gap as an event, and nothing else."""
        if name != "gap":
            return b""
        return _message(event=gap_record(fields, self._roster.wall_ms()), type="event")


class Sink:
    """Where a connection's subscription writes."""

    tag: Mapping[str, object] = {}

    def __init__(self, connection: CodexdConnection) -> None:
        self._connection = connection

    def begin(self, reader: Subscription) -> None:
        """Let the connection pause and resume the reader."""
        self._connection.follow(reader)

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        if data:
            self._connection.send(data)

    def end(self) -> None:
        """There are no more events: whoever wants them comes again."""
        self._connection.sendCloseFrame(GOING_AWAY, b"the events have ended")


class Audience:
    """Who is connected.  `look` tells them all there is."""

    def __init__(self, service: SessionService, roster: AgentDirectory, look: Look) -> None:
        self.roster = roster
        self.look = look
        self.clients: set[CodexdConnection] = set()
        self._service = service
        self._encoding = EventText(roster)

    def connect(self, request: HostRequest) -> CodexdConnection:
        """Return the connection of one more."""
        return CodexdConnection(self, request)

    async def follow(self, client: CodexdConnection, position: int) -> None:
        """Have a client told of what comes after an id."""
        cursor = str(Cursor(position, self.roster.epoch))
        wanted, sink = self.roster.selection, Sink(client)
        await self._service.subscribe(wanted, cursor, self._encoding, sink)


class CodexdConnection(Connection):
    """One client."""

    def __init__(self, audience: Audience, request: HostRequest) -> None:
        super().__init__(request)
        self._audience = audience
        self._base_url = base_url(request)
        self._reader: Subscription | None = None

    async def begin(self) -> None:
        """Say hello, then follow the events from there on."""
        self._audience.clients.add(self)
        position = self._audience.roster.position
        state = await self._audience.look(self._base_url, position)
        recent = state.snapshot.recent_events.events
        self._say(
            recentEvents=recent, service=state.service, snapshot=state.snapshot, type="hello"
        )
        try:
            await self._audience.follow(self, position)
        except SubscriptionLimit as error:
            self._put_out(error.message)
        except HostError:  # the host is stopping
            self.leave()

    def follow(self, reader: Subscription) -> None:
        """Keep the subscription that is about to begin, unless the client has gone."""
        self._reader = reader
        if self not in self._audience.clients:
            reader.close()
        elif self.paused:
            reader.pauseProducing()

    async def answer(self, said: bytes) -> None:
        """Answer a message."""
        match _kind(said, self.site.limits.depth):
            case "ping":
                self._say(type="pong")
            case "status":
                state = await self._audience.look(
                    self._base_url, self._audience.roster.position
                )
                self._say(service=state.service, snapshot=state.snapshot, type="status")
            case kind:
                text = f"Unsupported websocket message type: {kind or 'unknown'}."
                self._say(message=text, type="error")

    def behind(self) -> None:
        """Let the events wait."""
        if self._reader is not None:
            self._reader.pauseProducing()

    def go_on(self) -> None:
        """Serve the events again."""
        if self._reader is not None:
            self._reader.resumeProducing()

    def connection_closed(self) -> None:
        """End the subscription."""
        self._audience.clients.discard(self)
        if self._reader is not None:
            self._reader.close()

    def _say(self, **fields: Any) -> None:
        self.send(_message(**fields))


def _message(**fields: Any) -> bytes:
    return framed(encode(fields))


def _kind(said: bytes, depth: int) -> str | None:
    """Return the type of a message, if it has one."""
    try:
        message: Any = decode(said, object, depth=depth)
    except HostError:
        return None
    return trimmed(message.get("type")) if isinstance(message, dict) else None
