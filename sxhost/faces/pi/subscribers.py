"""What clients are sent: responses, notifications, and the events that they subscribe to.

Events wait for a client in the log and nowhere else: a client that does not read is paused and
reads on from its place.  Notifications to all clients skip one that is paused; it is told how
many it has missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sxhost.codec.json import encode
from sxhost.errors import HostError
from sxhost.faces.pi.event_streams import EventStreams, Wrap
from sxhost.faces.pi.responses import notification
from sxhost.logs import logger
from sxhost.model.caller import Caller
from sxhost.model.host import Host
from sxhost.model.subscription import Subscription
from sxhost.waiting import background

__all__ = ["ClientTransport", "Subscriber", "Subscribers"]

log = logger(__name__)


class ClientTransport(Protocol):
    """The connection of a client: a WebSocket, or two pipes."""

    paused: bool
    """Whether its buffer is full."""

    def send(self, data: bytes) -> object:
        """Send whole frames, together with what else is sent in this turn."""

    def send_now(self, data: bytes) -> object:
        """Send whole frames at once."""


class SubscriptionSink:
    """Writes the frames of one subscription to a client."""

    def __init__(self, client: Subscriber, session_id: str) -> None:
        self.tag: Mapping[str, object] = {"sessionId": session_id}
        self._client = client
        self._id = self._name = session_id

    def begin(self, subscription: Subscription) -> None:
        """Let the client pause and resume the subscription."""
        self._name = self._client.streams.names.get(self._id, self._id)
        self._client.add_subscription(self._id, subscription)

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        if data:
            self._client.transport.send_now(data)

    def end(self) -> None:
        """End, since the session is forgotten or the host stops."""
        self._client.subscription_ended(self._id, self._name)


class Subscriber:
    """One client as it is written to: its subscriptions, and whether it keeps up with reading.

    :param wrap: makes a frame of a JSON object's bytes.
    """

    def __init__(
        self, streams: EventStreams, transport: ClientTransport, wrap: Wrap, caller: Caller
    ) -> None:
        self.transport = transport
        self.subscriptions: dict[str, Subscription] = {}
        self.closed = False
        self.streams = streams
        self._wrap = wrap
        self._caller = caller
        self._missed = 0

    def send(self, message: bytes) -> None:
        """Send a JSON object."""
        if not self.closed:
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

    # Subscriptions.

    async def subscribe(
        self, session_id: str, now: str, after: str | None, *, snapshots: bool
    ) -> None:
        """Subscribe from the cursor `after` on, which replaces a subscription that goes on.

        :param after: None begins at the cursor `now`, unless a subscription goes on.
        """
        if session_id in self.subscriptions and after is None:
            return
        self.unsubscribe(session_id)
        sink, begin = SubscriptionSink(self, session_id), now if after is None else after
        try:
            await self.streams.subscribe(
                session_id, begin, self._wrap, sink, snapshots=snapshots
            )
        except HostError as error:
            log.info("a subscription did not begin: {error}", error=error)

    def add_subscription(self, session_id: str, subscription: Subscription) -> None:
        """Keep a subscription that is about to begin; close it if the client has left."""
        if self.closed:
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

    def subscription_ended(self, session_id: str, name: str) -> None:
        """Drop a subscription that has ended: its session is forgotten, or the host stops.

        :param name: what clients call the session.
        """
        ended = self.subscriptions.pop(session_id, None)
        if ended and not self.streams.host.knows(session_id):
            self.streams.forget(session_id)
            self.send(notification("session_deleted", {"sessionId": name}))

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

    def close(self) -> None:
        """Close the subscriptions and send nothing more."""
        self.closed = True
        for session_id in tuple(self.subscriptions):
            self.unsubscribe(session_id)


class Subscribers:
    """All clients that are connected."""

    def __init__(self, host: Host) -> None:
        self.connected: dict[Subscriber, None] = {}
        self.streams = EventStreams(host)
        self._host = host

    def broadcast(self, frame: bytes, session_id: str | None = None) -> None:
        """Notify all clients, once the events that came before have been delivered to them.

        :param session_id: the session that it is about.
        """

        async def deliver() -> None:
            await self._host.deliver_events()
            for client in tuple(self.connected):
                client.notify(frame, session_id)

        background(deliver(), log, "notifying all clients")

    def unsubscribe(self, session_id: str) -> None:
        """End all subscriptions to a session that is deleted, and drop what is kept of it."""
        for client in tuple(self.connected):
            client.unsubscribe(session_id)
        self.streams.forget(session_id)
