"""One session's messages in the order they came, each with its state.

A leased message keeps its place; when its lease runs out it is queued again there, so
that what is given back stands at the head, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from sxhost.errors import MessageClosed, QueueFull, UnknownMessage
from sxhost.model.limits import Limits
from sxhost.model.message import Message, MessageDraft

__all__ = ["MessageQueue"]


class MessageQueue:
    """Messages to one agent: queued, leased, closed.

    :param seconds: a monotonic clock, by which leases and messages expire.
    """

    def __init__(self, session_id: str, limits: Limits, seconds: Callable[[], float]) -> None:
        self._session_id = session_id
        self._limits = limits
        self._seconds = seconds
        self._open: dict[int, Message] = {}
        self._closed: dict[int, Message] = {}
        self._leases: dict[int, float] = {}
        self._keys: dict[str, int] = {}
        self._expiries: dict[int, float] = {}
        self._expired: dict[int, Message] = {}
        self.forgotten: list[int] = []
        """Ids of closed messages that are remembered no longer, though the journal has them."""

    def restore(self, messages: Iterable[tuple[Message, str | None]]) -> None:
        """Add, in order, what a journal has kept, each with its key.

        Leases have ended with the host that gave them; older hosts wrote some of them down.
        """
        for message, key in messages:
            if message.state in ("queued", "leased"):
                self._open[message.id] = queued = replace(message, state="queued")
                self._count_down(queued)
            else:
                self._closed[message.id] = message
            if key is not None:
                self._keys[key] = message.id

    def key_of(self, message_id: int) -> str | None:
        """Return the key that a remembered message was put under."""
        return next((key for key, other in self._keys.items() if other == message_id), None)

    def copy(self) -> MessageQueue:
        """Return a queue that can change without this one changing (messages are values)."""
        twin = MessageQueue(self._session_id, self._limits, self._seconds)
        twin._open, twin._closed = dict(self._open), dict(self._closed)
        twin._leases, twin._keys = dict(self._leases), dict(self._keys)
        twin._expiries, twin._expired = dict(self._expiries), dict(self._expired)
        twin.forgotten = list(self.forgotten)
        return twin

    def __len__(self) -> int:
        """Return how many messages are queued or on lease."""
        return len(self._open)

    def find_key(self, key: str | None) -> Message | None:
        """Return the remembered message that was put under an idempotency key."""
        message_id = self._keys.get(key) if key is not None else None
        return None if message_id is None else self._find(message_id)

    def put(self, message_id: int, draft: MessageDraft, at: int) -> Message:
        """Queue a message at the end, or raise `QueueFull`."""
        if len(self._open) >= self._limits.messages:
            raise QueueFull(self._session_id, self._limits.messages)
        message = Message(
            draft.content,
            message_id,
            draft.mode,
            at // 1000,
            draft.sender,
            "queued",
            draft.ttl_s,
        )
        self._open[message_id] = message
        self._count_down(message)
        if draft.key is not None:
            self._keys[draft.key] = message_id
        return message

    def take(self, lease: float) -> list[Message]:
        """Take what is queued: for good, or for `lease` seconds if that is not 0."""
        self._expire()
        queued = [m for m in self._open.values() if m.state == "queued"]
        if lease:
            return [self._lease(message, lease) for message in queued]
        return [self._close(message, "delivered") for message in queued]

    def lease(self, message_id: int, seconds: float) -> Message:
        """Take one queued message for `seconds`."""
        message = self._find(message_id)
        if message.state != "queued":
            raise MessageClosed(message_id, message.state)
        return self._lease(message, seconds)

    def peek(self) -> list[Message]:
        """Return all remembered messages in the order of their ids."""
        self._expire()
        everything = self._closed | self._open
        return [everything[message_id] for message_id in sorted(everything)]

    def ack(self, message_id: int) -> Message:
        """Mark a message as delivered; doing so again changes nothing."""
        message = self._find(message_id)
        if message.state in ("withdrawn", "expired"):
            raise MessageClosed(message_id, message.state)
        return message if message.state == "delivered" else self._close(message, "delivered")

    def nack(self, message_id: int) -> Message:
        """Queue a leased message again; a queued one stays as it is."""
        message = self._find(message_id)
        if message_id in self._closed:
            raise MessageClosed(message_id, message.state)
        return self._requeue(message)

    def withdraw(self, message_id: int) -> Message:
        """Close a message that nobody has taken; doing so again changes nothing."""
        message = self._find(message_id)
        if message.state in ("leased", "delivered", "expired"):
            raise MessageClosed(message_id, message.state)
        return message if message.state == "withdrawn" else self._close(message, "withdrawn")

    # What other nodes have done.

    def replicate(self, message: Message, key: str | None, at: float) -> None:
        """Take a message as another node has committed it: put, given back or closed.

        :param at: when that was, by this node's monotonic clock.
        """
        self._leases.pop(message.id, None)
        if message.state == "queued":
            self._open[message.id] = message
            if message.id not in self._expiries:
                self._count_down(message, at)
        else:
            self._open.pop(message.id, None)
            self._expiries.pop(message.id, None)
            self._closed[message.id] = message
        if key is not None:
            self._keys[key] = message.id

    def lease_until(self, message_id: int, until: float) -> Message | None:
        """Have an open message leased until a time, or queued again if that is over."""
        message = self._open.get(message_id)
        if message is None:
            return None
        if until <= self._seconds():
            return self._requeue(message)
        return self._lease(message, until - self._seconds())

    def lease_end(self, message_id: int) -> float:
        """Return when the lease of a message ends; 0 if it has none."""
        return self._leases.get(message_id, 0.0)

    def forget(self, message_ids: Iterable[int]) -> None:
        """Forget closed messages, as another node has."""
        for message_id in message_ids:
            if self._closed.pop(message_id, None) is not None:
                self._keys = {key: m for key, m in self._keys.items() if m != message_id}

    def _find(self, message_id: int) -> Message:
        self._expire()
        message = self._open.get(message_id) or self._closed.get(message_id)
        if message is None:
            raise UnknownMessage(self._session_id, message_id)
        return message

    def _expire(self) -> None:
        now = self._seconds()
        for message_id in [m for m, until in self._leases.items() if until <= now]:
            self._requeue(self._open[message_id])
        for message_id in [m for m, until in self._expiries.items() if until <= now]:
            if self._open[message_id].state == "queued":
                self._expired[message_id] = self._close(self._open[message_id], "expired")

    def expired(self) -> dict[int, Message]:
        """Return the messages that have expired since the last call, for the journal."""
        self._expire()
        expired, self._expired = self._expired, {}
        return expired

    def _count_down(self, message: Message, since: float | None = None) -> None:
        """Start the clock of a message that expires; a restart of the host starts it anew."""
        if message.ttl_s is not None and message.state == "queued":
            begins = self._seconds() if since is None else since
            self._expiries[message.id] = begins + message.ttl_s

    def _lease(self, message: Message, lease: float) -> Message:
        self._leases[message.id] = self._seconds() + lease
        leased = self._open[message.id] = replace(message, state="leased")
        return leased

    def _requeue(self, message: Message) -> Message:
        self._leases.pop(message.id, None)
        queued = self._open[message.id] = replace(message, state="queued")
        return queued

    def _close(self, message: Message, state: str) -> Message:
        self._leases.pop(message.id, None)
        self._expiries.pop(message.id, None)
        del self._open[message.id]
        closed = self._closed[message.id] = replace(message, state=state)
        while len(self._closed) > self._limits.closed_messages:
            oldest = next(iter(self._closed))
            del self._closed[oldest]
            self.forgotten.append(oldest)
            self._keys = {key: m for key, m in self._keys.items() if m != oldest}
        return closed
