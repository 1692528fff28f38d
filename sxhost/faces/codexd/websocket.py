"""Codexd's WebSocket: a hello with the state of the host, then each event as it happens.

A slow client is a cursor in the log: it misses nothing but what retention drops, and an event
``codexd.gap`` says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from sxhost.codec.frames import websocket_text_frame
from sxhost.codec.json import decode, encode
from sxhost.errors import HostError, SubscriptionLimit
from sxhost.faces.codexd.directory import CodexDirectory
from sxhost.faces.codexd.events import event_record, gap_record
from sxhost.faces.codexd.records_wire import CodexdRuntime, CodexdSnapshot
from sxhost.faces.codexd.requests import trimmed
from sxhost.http.parameters import base_url
from sxhost.http.site import HostRequest
from sxhost.http.websocket import GOING_AWAY, Connection
from sxhost.model.cursor import Cursor
from sxhost.model.event import Event
from sxhost.model.host import Host
from sxhost.model.subscription import Subscription

__all__ = ["CodexdConnection", "EventClients", "EventEncoder", "HostState"]


class HostState(Struct, frozen=True, kw_only=True):
    """The state of the host, in messages of type `hello` and `status`."""

    service: CodexdRuntime
    snapshot: CodexdSnapshot


ReadState = Callable[[str, Cursor], Awaitable[HostState]]
"""Returns the state, given the base URL that a client uses and the end of the log."""


class EventEncoder:
    """Encodes events, and gaps between them, as codexd's WebSocket frames."""

    def __init__(self, directory: CodexDirectory) -> None:
        self._directory = directory

    def event(self, event: Event, epoch: str) -> bytes:  # noqa: ARG002 - `seq` is the place
        """Encode an event."""
        return _message(
            event=event_record(event, self._directory.get(event.session)), type="event"
        )

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        """Encode a gap as an event; other control frames have no counterpart in codexd."""
        if name != "gap":
            return b""
        return _message(event=gap_record(fields, self._directory.now_ms()), type="event")


class Sink:
    """The sink of a connection's subscription."""

    tag: Mapping[str, object] = {}

    def __init__(self, connection: CodexdConnection) -> None:
        self._connection = connection

    def begin(self, reader: Subscription) -> None:
        """Let the connection pause and resume the reader."""
        self._connection.follow(reader)

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        if data:
            self._connection.send_now(data)

    def end(self) -> None:
        """Close the connection: the host is stopping, and clients connect again."""
        self._connection.close(GOING_AWAY, "the events have ended")


class EventClients:
    """The clients that are connected; `read_state` returns what they are sent as the state."""

    def __init__(self, host: Host, directory: CodexDirectory, read_state: ReadState) -> None:
        self.directory = directory
        self.read_state = read_state
        self.connected: set[CodexdConnection] = set()
        self._host = host
        self._encoding = EventEncoder(directory)

    def connect(self, request: HostRequest) -> CodexdConnection:
        """Return the connection of a new client."""
        return CodexdConnection(self, request)

    async def follow(self, client: CodexdConnection, after: Cursor) -> None:
        """Subscribe a client to the events after a place in the log."""
        selection, sink = self.directory.selection, Sink(client)
        await self._host.subscribe(selection, str(after), self._encoding, sink)


class CodexdConnection(Connection):
    """A client of codexd's WebSocket."""

    def __init__(self, clients: EventClients, request: HostRequest) -> None:
        super().__init__(request)
        self._clients = clients
        self._base_url = base_url(request)
        self._reader: Subscription | None = None

    async def begin(self) -> None:
        """Send the hello, then follow the events from there on."""
        self._clients.connected.add(self)
        end = self._clients.directory.end
        state = await self._clients.read_state(self._base_url, end)
        recent = state.snapshot.recent_events.events
        self._send_message(
            recentEvents=recent, service=state.service, snapshot=state.snapshot, type="hello"
        )
        try:
            await self._clients.follow(self, end)
        except SubscriptionLimit as error:
            self.close_for_violation(error.message)
        except HostError:  # the host is stopping
            self.release()

    def follow(self, reader: Subscription) -> None:
        """Keep the subscription that is about to begin, unless the client has left."""
        self._reader = reader
        if self not in self._clients.connected:
            reader.close()
        elif self.paused:
            reader.pauseProducing()

    async def answer_message(self, message: bytes) -> None:
        """Answer a ``ping`` or a ``status``; refuse any other message."""
        match _type_of(message, self.site.limits.depth):
            case "ping":
                self._send_message(type="pong")
            case "status":
                state = await self._clients.read_state(
                    self._base_url, self._clients.directory.end
                )
                self._send_message(
                    service=state.service, snapshot=state.snapshot, type="status"
                )
            case kind:
                text = f"Unsupported websocket message type: {kind or 'unknown'}."
                self._send_message(message=text, type="error")

    def pause_sending(self) -> None:
        """Pause the subscription."""
        if self._reader is not None:
            self._reader.pauseProducing()

    def resume_sending(self) -> None:
        """Resume the subscription."""
        if self._reader is not None:
            self._reader.resumeProducing()

    def connection_closed(self) -> None:
        """End the subscription."""
        self._clients.connected.discard(self)
        if self._reader is not None:
            self._reader.close()

    def _send_message(self, **fields: object) -> None:
        self.send(_message(**fields))


def _message(**fields: object) -> bytes:
    return websocket_text_frame(encode(fields))


def _type_of(message: bytes, depth: int) -> str | None:
    """Return the type of a message, if it is an object with one."""
    try:
        value: object = decode(message, object, depth=depth)
    except HostError:
        return None
    return trimmed(value.get("type")) if isinstance(value, dict) else None
