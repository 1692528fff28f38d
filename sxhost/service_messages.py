"""The verbs on messages to agents: queued, pulled, confirmed, given back, withdrawn."""

from __future__ import annotations

from functools import partial

from twisted.internet.interfaces import IReactorTime

from sxhost.agents.supervisor import Supervisor
from sxhost.audit import Audit
from sxhost.errors import MessageTooLarge, Unsupported
from sxhost.eviction import Eviction
from sxhost.model.caller import current_caller
from sxhost.model.limits import Limits
from sxhost.model.session import Message, MessageDraft, PullQuery, Sent
from sxhost.store.contracts import Store
from sxhost.streams.notifier import LogNotifier, inbox_topic
from sxhost.streams.presence import Presence

__all__ = ["MessageService"]


class MessageService:
    """The inboxes of all sessions.

    A hosted session's messages are delivered by its supervisor; those of an attached one
    wait until its agent pulls them.
    """

    def __init__(
        self,
        store: Store,
        *,
        hub: LogNotifier,
        fleet: Supervisor,
        presence: Presence,
        eviction: Eviction,
        audit: Audit,
        clock: IReactorTime,
        limits: Limits,
    ) -> None:
        self._store = store
        self._hub = hub
        self._fleet = fleet
        self._presence = presence
        self._eviction = eviction
        self._audit = audit
        self._clock = clock
        self._limits = limits

    async def send(self, session_id: str, draft: MessageDraft) -> Sent:
        """Queue a message for a session's agent.

        :raises MessageTooLarge: it has more bytes than a message may have.
        """
        size = len(draft.content.encode())
        if size > self._limits.message_size:
            raise MessageTooLarge(size, self._limits.message_size)
        entry = self._audit.entry("send", session_id)
        put = partial(self._store.put_message, session_id, draft, entry.at_ms, entry)
        message, queued = await self._eviction.run_with_room(put)
        self._hub.poke(inbox_topic(session_id))
        self._fleet.deliver_messages(session_id)
        return Sent(id=message.id, queued=queued)

    async def pull(self, session_id: str, query: PullQuery) -> list[Message]:
        """Take the messages that wait, or look at them.

        With `wait`, an empty inbox is answered once a message is there, the time is up or
        the host stops.

        :raises Unsupported: the host delivers them itself.
        :raises Unauthorized: the caller's token has ended meanwhile; no message is taken.
        """
        if query.peek:
            return await self._store.peek_messages(session_id)
        await self._check_attached(session_id)
        deadline = self._clock.seconds() + min(query.wait, self._limits.wait)
        caller, topic = current_caller.get(), inbox_topic(session_id)
        with self._hub.watch(topic) as watch, caller.on_end(watch.poke):
            while True:
                caller.check_ended()
                messages = await self._take(session_id, query)
                left = deadline - self._clock.seconds()
                if messages or left <= 0 or self._hub.closed:
                    return messages
                await watch.wait(left)

    async def _take(self, session_id: str, query: PullQuery) -> list[Message]:
        lease = min(query.lease, self._limits.lease)
        take = partial(self._store.take_messages, session_id, lease)
        messages = await self._eviction.run_with_room(take)
        if messages and lease:  # what is not confirmed by then may be pulled again
            self._hub.poke_later(lease, inbox_topic(session_id))
        self._presence.hear(session_id)
        return messages

    async def ack(self, session_id: str, message_id: int) -> None:
        """Confirm a message: it is delivered.

        :raises Unsupported: the host delivers it itself.
        """
        await self._check_attached(session_id)
        await self._store.ack_message(session_id, message_id)
        self._presence.hear(session_id)

    async def nack(self, session_id: str, message_id: int) -> None:
        """Give a leased message back to its place in the queue; errors as for `ack`."""
        await self._check_attached(session_id)
        await self._store.nack_message(session_id, message_id)
        self._hub.poke(inbox_topic(session_id))
        self._presence.hear(session_id)

    async def withdraw(self, session_id: str, message_id: int) -> None:
        """Take back a message that nobody has taken yet."""
        entry = self._audit.entry("withdraw", session_id)
        await self._store.withdraw(session_id, message_id, entry)

    async def _check_attached(self, session_id: str) -> None:
        if (await self._store.session(session_id)).kind == "hosted":
            raise Unsupported(
                "The host delivers this session's messages itself; ?peek=1 shows them."
            )
