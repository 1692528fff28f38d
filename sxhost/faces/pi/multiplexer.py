"""The multiplexer: clients that speak the pi-app-server protocol with every agent of the host.

Events wait for a client in the log and nowhere else: a client that does not read is paused and
reads on from its place.  Notifications to all clients skip one that is paused; it is told how
many it has missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from msgspec import UNSET
from twisted.internet.defer import Deferred

from sxhost.codec.json import encode
from sxhost.errors import HostError
from sxhost.faces.pi.commands import Command, SwitchSession, Unsubscribe
from sxhost.faces.pi.dispatch import CommandHandler
from sxhost.faces.pi.encoder import PiEncoding
from sxhost.faces.pi.executor import CommandExecutor
from sxhost.faces.pi.responses import Response, notification, server_ready
from sxhost.faces.pi.server_commands import ServerCommands, recovery_summary
from sxhost.faces.pi.session_info import Sessions
from sxhost.faces.pi.transcript_cache import TranscriptCache
from sxhost.faces.pi.validation import BadCommand, parse
from sxhost.logs import logger
from sxhost.model.caller import Caller, current_caller
from sxhost.model.session import Event, EventQuery
from sxhost.model.subscription import Selection, Subscription
from sxhost.service import SessionService
from sxhost.waiting import RunInThread, background, run_inline

__all__ = ["Client", "ClientTransport", "Multiplexer"]

log = logger(__name__)


class ClientTransport(Protocol):
    """The connection of a client: a WebSocket, or two pipes."""

    paused: bool
    """Whether its buffer is full."""

    def send(self, data: bytes) -> object:
        """Send whole frames."""


class Multiplexer:
    """All clients, and the executor and the transcripts that they share."""

    def __init__(
        self, service: SessionService, clock: Any, apart: RunInThread = run_inline
    ) -> None:
        self.service = service
        self.limits = service.limits
        self.clients: dict[Client, None] = {}
        self._incarnations: dict[str, tuple[str, int]] = {}
        """Of each session that was read: its agent if it is hosted, and its start (Unix s)."""
        self._transcripts = TranscriptCache(service.limits, self._hosted_agent)
        self._encodings: dict[tuple[Callable[[bytes], bytes], bool], PiEncoding] = {}
        sessions = Sessions(service, clock, apart)
        server_commands = ServerCommands(service, sessions, self._statistics, clock)
        handler = CommandHandler(service, sessions, server_commands, self._unsubscribe_all)
        self.executor = CommandExecutor(clock, service.limits, handler, self.broadcast)

    def connect(
        self, transport: ClientTransport, wrap: Callable[[bytes], bytes]
    ) -> Client | None:
        """Return a new client behind a transport; None if there are too many.

        :param wrap: makes a frame of a JSON object's bytes.
        """
        if len(self.clients) >= self.limits.mux_connections:
            return None
        client = Client(self, transport, wrap, current_caller.get())
        self.clients[client] = None
        client.send(server_ready())
        client.send(notification("startup_recovery_summary", recovery_summary()))
        return client

    def encoding(self, wrap: Callable[[bytes], bytes], *, snapshots: bool) -> PiEncoding:
        """Return the encoding that all clients with such frames share."""
        if (wrap, snapshots) not in self._encodings:
            encoding = PiEncoding(wrap, self._transcripts, snapshots=snapshots)
            self._encodings[wrap, snapshots] = encoding
        return self._encodings[wrap, snapshots]

    def broadcast(self, frame: bytes, session_id: str | None = None) -> None:
        """Notify all clients, once the events that came before have been delivered to them."""

        def deliver(_: object) -> None:
            for client in tuple(self.clients):
                client.notify(frame, session_id)

        self.service.hub.deliver_now().addCallback(deliver)

    def stop(self) -> None:
        """Take no more commands, and notify the clients."""
        self.executor.stopping = True
        data = {"reason": "graceful_shutdown", "timeoutMs": 30000}
        self.broadcast(notification("server_shutdown", data))

    def announce(self, command: Command, response: Response) -> None:
        """Notify all clients of a session that a command has created or deleted."""
        if not response.success:
            return
        if command.type == "create_session":
            frame = notification("session_created", response.data)
            self.broadcast(frame, response.data["sessionId"])
        elif command.type == "delete_session":
            self.forget(str(command.target))
            frame = notification("session_deleted", {"sessionId": command.target})
            self.broadcast(frame, command.target)

    def _unsubscribe_all(self, session_id: str) -> None:
        """End all subscriptions to a session that is deleted."""
        for client in tuple(self.clients):
            client.unsubscribe(session_id)

    def _statistics(self) -> dict[str, Any]:
        """Return the counts for ``get_metrics``."""
        executor = self.executor
        return {
            "connectionCount": len(self.clients),
            "pendingConnectionCount": 0,
            "totalCommandsExecuted": executor.counts["executed"],
            "rateLimitUsage": {
                "globalCount": executor.rates.count,
                "globalLimit": self.limits.mux_rate_all,
            },
            "stores": {
                "replay": executor.idempotency.statistics(),
                "version": {"sessionCount": len(executor.session_versions)},
                "execution": {"laneCount": len(executor.lanes)},
            },
            "circuitBreakers": [],
        }

    # Transcripts.

    async def load_transcript(self, session_id: str, cursor: str) -> None:
        """Load the transcript of a session's run at a cursor, from where events are read."""
        detail = await self.service.session(session_id)
        incarnation = detail.agent if detail.kind == "hosted" else "", detail.start_time
        if self._incarnations.setdefault(session_id, incarnation) != incarnation:
            self._transcripts.forget(session_id)
            self._incarnations[session_id] = incarnation

        async def read(seq: int, limit: int) -> list[Event]:
            query = EventQuery(after=str(seq), limit=limit)
            return await self.service.events(session_id, query)

        following = await self.service.events(session_id, EventQuery(after=cursor, limit=1))
        seq = following[0].seq if following else detail.event_count + 1
        await self._transcripts.read_back(session_id, seq, read)

    def forget(self, session_id: str) -> None:
        """Drop what is kept of a session that is deleted."""
        self._incarnations.pop(session_id, None)
        self._transcripts.forget(session_id)

    def _hosted_agent(self, session_id: str) -> str:
        return self._incarnations.get(session_id, ("", 0))[0]


class SubscriptionSink:
    """Writes the frames of one subscription to a client."""

    def __init__(self, client: Client, session_id: str) -> None:
        self.tag: Mapping[str, object] = {"sessionId": session_id}
        self._client = client
        self._id = session_id

    def begin(self, subscription: Subscription) -> None:
        """Let the client pause and resume the subscription."""
        self._client.add_subscription(self._id, subscription)

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        if data:
            self._client.transport.send(data)

    def end(self) -> None:
        """End, since the session is forgotten or the host stops."""
        self._client.subscription_ended(self._id)


class Client:
    """One client: its commands, its subscriptions, and whether it keeps up with reading."""

    def __init__(
        self,
        mux: Multiplexer,
        transport: ClientTransport,
        wrap: Callable[[bytes], bytes],
        caller: Caller,
    ) -> None:
        self.transport = transport
        self.subscriptions: dict[str, Subscription] = {}
        self._mux = mux
        self._wrap = wrap
        self._caller = caller
        self._pending = 0
        self._missed = 0
        self._closed = False
        self._idle_waiters: list[Deferred[None]] = []

    # Commands.

    def receive(self, frame: bytes) -> None:
        """Take a frame with a command: there is one response to each."""
        limits = self._mux.limits
        if len(frame) > limits.mux_message:
            self.refuse_size(len(frame))
            return
        try:
            command = parse(frame)
        except BadCommand as bad:
            self._refuse(bad.error, bad.command, bad.id)
            return
        if self._pending >= limits.mux_pending:
            error = f"Too many pending commands for this connection (max {limits.mux_pending})"
            self._refuse(error, command.type, command.id)
            return
        self._pending += 1
        background(self._execute(command, frame), log, "answering a command")

    def refuse_size(self, size: int) -> None:
        """Respond to a frame that was too large to be kept, of so many bytes."""
        self._refuse(f"Message size {size} exceeds limit {self._mux.limits.mux_message}")

    def _refuse(self, error: str, command: str = "unknown", command_id: Any = UNSET) -> None:
        response = Response(id=command_id, command=command, success=False, error=error)
        self.send(encode(response))

    async def _execute(self, command: Command, frame: bytes) -> None:
        current_caller.set(self._caller)
        try:
            await self._mux.executor.execute(command, frame, partial(self._respond, command))
        finally:
            self._pending -= 1
            self._check_idle()

    def _respond(self, command: Command, response: Response) -> None:
        """Send a response, and do what follows from it before anything else happens."""
        self.send(encode(response))
        if response.success and not self._closed:
            background(self._follow(command, response), log, "subscribing for a command")
        self._mux.announce(command, response)

    async def _follow(self, command: Command, response: Response) -> None:
        """Subscribe or unsubscribe, if that is what the command was for."""
        if isinstance(command, Unsubscribe):
            self.unsubscribe(command.session_id)
        elif isinstance(command, SwitchSession):
            now = self._mux.service.cursor if response.replayed else response.data["cursor"]
            await self._subscribe(command, now)

    def idle(self) -> Deferred[None]:
        """Return a Deferred that fires once all commands have got their response."""
        waiter: Deferred[None] = Deferred()
        self._idle_waiters.append(waiter)
        self._check_idle()
        return waiter

    def _check_idle(self) -> None:
        if not self._pending:
            waiters, self._idle_waiters = self._idle_waiters, []
            for waiter in waiters:
                waiter.callback(None)

    # Subscriptions.

    async def _subscribe(self, command: SwitchSession, now: str) -> None:
        """Subscribe from the command's cursor or from now on, unless a subscription goes on."""
        session_id, after = command.session_id, command.after
        if session_id in self.subscriptions and after is UNSET:
            return
        self.unsubscribe(session_id)
        begin = now if after is UNSET else after
        encoding = self._mux.encoding(self._wrap, snapshots=command.snapshots)
        selection = Selection(frozenset({session_id}))
        sink = SubscriptionSink(self, session_id)
        try:
            await self._mux.load_transcript(session_id, begin)
            await self._mux.service.subscribe(selection, begin, encoding, sink)
        except HostError as error:
            log.info("a subscription did not begin: {error}", error=error)

    def add_subscription(self, session_id: str, subscription: Subscription) -> None:
        """Keep a subscription that is about to begin; close it if the client has left."""
        if self._closed:
            subscription.close()
            return
        self.subscriptions[session_id] = subscription
        if self.transport.paused:
            subscription.pauseProducing()

    def unsubscribe(self, session_id: str) -> None:
        """End a subscription."""
        subscription = self.subscriptions.pop(session_id, None)
        if subscription is not None:
            subscription.close()

    def subscription_ended(self, session_id: str) -> None:
        """Drop a subscription that has ended: its session is forgotten, or the host stops."""
        ended = self.subscriptions.pop(session_id, None)
        if ended and not self._mux.service.knows(session_id):
            self._mux.forget(session_id)
            self.send(notification("session_deleted", {"sessionId": session_id}))

    # Sending, and back-pressure.

    def send(self, message: bytes) -> None:
        """Send a JSON object."""
        if not self._closed:
            self.transport.send(self._wrap(message))

    def notify(self, message: bytes, session_id: str | None) -> None:
        """Send a notification, unless it is of a session that the caller may not see.

        While the transport is paused it is only counted as missed.
        """
        if self._caller.session not in (None, session_id):
            return
        if self.transport.paused:
            self._missed += 1
        else:
            self.send(message)

    def pause_subscriptions(self) -> None:
        """Pause all subscriptions: the transport's buffer is full."""
        for subscription in tuple(self.subscriptions.values()):
            subscription.pauseProducing()

    def resume_subscriptions(self) -> None:
        """Resume the subscriptions, each in its turn: any may fill the buffer again.

        One that is resumed becomes the last, so that the next time others come first.
        """
        if self._missed:
            missed, self._missed = self._missed, 0
            self.send(encode({"type": "gap", "reason": "slow", "missed": missed}))
        for session_id in tuple(self.subscriptions):
            if not self.transport.paused and session_id in self.subscriptions:
                subscription = self.subscriptions.pop(session_id)
                self.subscriptions[session_id] = subscription
                subscription.resumeProducing()

    def connection_closed(self) -> None:
        """Leave the multiplexer and close the subscriptions; commands that run go on."""
        self._closed = True
        self._mux.clients.pop(self, None)
        for subscription in tuple(self.subscriptions.values()):
            subscription.close()
        self.subscriptions.clear()
