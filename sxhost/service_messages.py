"""The verbs on messages to agents: queued, pulled, confirmed, given back, withdrawn."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from sxhost.errors import MessageTooLarge, Stopping, StorageFull, StoreUnavailable, Unsupported
from sxhost.model.caller import current_caller
from sxhost.model.delivery import (
    DELIVERY_NOTES,
    OVER,
    Delivery,
    attached_delivery,
    is_at_rest,
)
from sxhost.model.message import (
    Message,
    MessageDraft,
    Mode,
    PullQuery,
    Sent,
)
from sxhost.model.session import Done, Registration, Session
from sxhost.service_core import ServiceCore
from sxhost.streams.topics import inbox_topic, wake_topic

__all__ = ["MessageVerbs", "expected_delivery", "queue_message"]


REST_LOOK_S = 1.0
"""Seconds between two looks at whether an agent rests for which a message waits."""

END_LOOK_S = 30.0
"""Seconds between two looks at whether one has ended that there is no message for."""

MOVE_LEASE_S = 30.0
"""Seconds after which a message that was not moved is back in its queue."""


class MessageVerbs:
    """The verbs on messages, a part of `SessionService`.

    A hosted session's messages are delivered by its supervisor; those of an attached one
    wait until its agent pulls them.
    """

    _core: ServiceCore

    async def send(self, session_id: str, draft: MessageDraft) -> Sent:
        """Queue a message for the session's agent.

        :raises MessageTooLarge: it has more bytes than a message may have.
        """
        return await queue_message(self._core, session_id, draft)

    async def pull(self, session_id: str, query: PullQuery) -> list[Message]:
        """Take the messages that wait, or look at them.

        With `wait`, an empty inbox is answered once a message is there, the time is up or
        the host stops.

        :raises Unsupported: the host delivers them itself.
        :raises Unauthorized: the caller's token has ended meanwhile; no message is taken.
        """
        core = self._core
        if query.peek:
            return await core.store.peek_messages(session_id)
        await self._check_attached(session_id)
        await self._note_puller(session_id)
        deadline = core.clock.seconds() + min(query.wait, core.limits.wait)
        caller, topic = current_caller.get(), inbox_topic(session_id)
        with core.notifier.topics.watch(topic) as watch, caller.on_end(watch.poke):
            while True:
                caller.check_ended()
                messages = await self._take(session_id, query)
                left = deadline - core.clock.seconds()
                if messages or left <= 0 or core.notifier.closed:
                    return messages
                await watch.wait(left)

    async def wait_to_wake(self, session_id: str) -> bool:
        """Return True once a message waits for an attached agent at rest, which hooks serve.

        False: its agent has ended, or another call has taken this one's place.

        :raises Stopping: the host is; a later life of it may be asked again.
        """
        core = self._core
        await self._check_attached(session_id)
        caller, topic = current_caller.get(), wake_topic(session_id)
        # The hook that was run beside the one that asks may still take what waits.
        from_then_on = core.clock.seconds() + REST_LOOK_S
        with core.notifier.topics.take_over(topic) as watch, caller.on_end(watch.poke):
            while not watch.is_replaced:
                caller.check_ended()
                if core.notifier.closed:
                    raise Stopping
                session = core.current(await core.store.session(session_id))
                if session.state.name in OVER:
                    return False
                waiting = await core.store.peek_messages(session_id)
                rests = is_at_rest(session.state.name, turn_over=session.turn_over)
                is_queued = any(message.state == "queued" for message in waiting)
                if rests and is_queued and core.clock.seconds() >= from_then_on:
                    return True
                await watch.wait(REST_LOOK_S if waiting else END_LOOK_S)
        return False

    async def move_messages(self, old_id: str, new_id: str) -> None:
        """Move what is queued for one session's agent to another's, in order."""
        store = self._core.store
        for message in await store.take_messages(old_id, MOVE_LEASE_S):
            draft = MessageDraft(
                content=message.content,
                mode=message.mode,
                key=f"moved:{old_id[:100]}:{message.id}",
                sender=message.sender,
                ttl_s=message.ttl_s,
            )
            await store.put_message(new_id, draft, self._core.wall_ms())
            await store.ack_message(old_id, message.id)

    async def _note_puller(self, session_id: str) -> None:
        """Note that an attached agent asks for messages, unless it has said how it does."""
        session = self._core.store.known.get(session_id)
        if session is not None and not session.inbox:
            at = self._core.wall_ms()
            with suppress(
                StorageFull, StoreUnavailable
            ):  # a disk may refuse that, not the pull
                await self._core.store.register(session_id, Registration(inbox="pull"), at)

    async def _take(self, session_id: str, query: PullQuery) -> list[Message]:
        core = self._core
        lease = min(query.lease, core.limits.lease)
        take = partial(core.store.take_messages, session_id, lease)
        messages = await core.eviction.run_with_room(take)
        if messages and lease:  # what is not confirmed by then may be pulled again
            core.notifier.topics.poke_later(lease, inbox_topic(session_id))
        core.presence.hear(session_id)
        return messages

    async def ack(self, session_id: str, message_id: int) -> Done:
        """Confirm a message: it is delivered.

        :raises Unsupported: the host delivers it itself.
        """
        await self._check_attached(session_id)
        await self._core.store.ack_message(session_id, message_id)
        self._core.presence.hear(session_id)
        return Done()

    async def nack(self, session_id: str, message_id: int) -> Done:
        """Give a leased message back to its place in the queue; errors as for `ack`."""
        await self._check_attached(session_id)
        await self._core.store.nack_message(session_id, message_id)
        self._core.presence.hear(session_id)
        return Done()

    async def withdraw(self, session_id: str, message_id: int) -> Done:
        """Take back a message that nobody has taken yet."""
        entry = self._core.audit.entry("withdraw", session_id)
        await self._core.store.withdraw(session_id, message_id, entry)
        return Done()

    async def _check_attached(self, session_id: str) -> None:
        if (await self._core.store.session(session_id)).kind == "hosted":
            raise Unsupported(
                "The host delivers this session's messages itself; ?peek=1 shows them."
            )


async def queue_message(core: ServiceCore, session_id: str, draft: MessageDraft) -> Sent:
    """Queue a message for a session's agent.

    :raises MessageTooLarge: it has more bytes than a message may have.
    """
    size = len(draft.content.encode())
    if size > core.limits.message_size:
        raise MessageTooLarge(size, core.limits.message_size)
    entry = core.audit.entry("send", session_id)
    topics = core.notifier.topics
    pulls = topics.watched(inbox_topic(session_id))
    can_wake = topics.watched(wake_topic(session_id))  # as it was before this message came
    put = partial(core.store.put_message, session_id, draft, entry.at_ms, entry)
    message, queued = await core.eviction.run_with_room(put)
    session = await core.store.session(session_id)
    delivery: Delivery = "repeated"
    if message.state == "queued":
        delivery = _delivery(core, session, message.mode, pulls=pulls, can_wake=can_wake)
    core.supervisor.deliver_messages(session_id)
    note = DELIVERY_NOTES[delivery]
    return Sent(id=message.id, queued=queued, delivery=delivery, note=note)


def expected_delivery(core: ServiceCore, session: Session) -> Delivery:
    """Return when a message would reach a session's agent that is sent now, as it can."""
    topics = core.notifier.topics
    pulls = topics.watched(inbox_topic(session.id))
    can_wake = topics.watched(wake_topic(session.id))
    return _delivery(core, session, "auto", pulls=pulls, can_wake=can_wake)


def _delivery(
    core: ServiceCore, session: Session, mode: Mode, *, pulls: bool, can_wake: bool
) -> Delivery:
    """Return when a message that is just queued reaches its agent."""
    if session.kind == "hosted":
        return core.supervisor.delivery(session, mode)
    return attached_delivery(
        session.inbox,
        core.current(session).state.name,
        mode,
        turn_over=session.turn_over,
        pulls=pulls,
        can_wake=can_wake,
    )
