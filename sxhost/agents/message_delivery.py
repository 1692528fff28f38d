"""Messages from the inbox to hosted agents: which one goes next, when, and one at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sxhost.agents.session import HostedSession
from sxhost.errors import AgentFailed, HostError, UnknownSession
from sxhost.logs import logger
from sxhost.model.delivery import Delivery
from sxhost.model.message import Message, Mode
from sxhost.model.turn import TurnDraft
from sxhost.store.contracts import Inbox
from sxhost.waiting import background

__all__ = ["MessageDelivery", "delivery_to"]

log = logger(__name__)

LEASE_S = 600.0
"""Seconds that a message may take from the inbox until the agent has accepted it."""


class MessageDelivery:
    """Hands agents what waits in their inboxes; an agent that is not there is started.

    :param ensure_running: returns a session whose agent is there, once it is.
    """

    def __init__(
        self, inbox: Inbox, ensure_running: Callable[[str], Awaitable[HostedSession]]
    ) -> None:
        self._inbox = inbox
        self._ensure_running = ensure_running
        self._delivering: set[str] = set()
        self._more: set[str] = set()

    def begin(self, session_id: str) -> None:
        """Deliver in the background what an agent can take of its messages now."""
        if session_id in self._delivering:
            self._more.add(session_id)
        else:
            self._delivering.add(session_id)
            background(self._deliver(session_id), log, session_id, (HostError,))

    async def _deliver(self, session_id: str) -> None:
        try:
            while True:
                self._more.discard(session_id)
                while await self._deliver_one(session_id):
                    pass
                if session_id not in self._more:
                    return
        except (UnknownSession, AgentFailed) as error:
            log.warn("{s}: messages wait: {error}", s=session_id, error=error)
        finally:
            self._delivering.discard(session_id)

    async def _deliver_one(self, session_id: str) -> bool:
        """Deliver one message; return whether there may be more to do."""
        queued = [m for m in await self._inbox.peek_messages(session_id) if m.state == "queued"]
        if not queued:
            return False
        hosted = await self._ensure_running(session_id)
        busy = hosted.status.is_busy
        message = _next_for_busy(queued, hosted) if busy else _next_for_idle(queued)
        if message is None:
            return False
        if busy and not hosted.agent.can.steer:
            await hosted.interrupt()
            return False
        await self._hand_over(hosted, message, busy=busy)
        return True

    async def _hand_over(self, hosted: HostedSession, message: Message, *, busy: bool) -> None:
        await self._inbox.lease_message(hosted.id, message.id, LEASE_S)
        try:
            if busy:
                await hosted.steer(message.content, "message")
            else:
                await hosted.submit(TurnDraft(input=message.content), "message")
        except HostError as error:
            await self._inbox.nack_message(hosted.id, message.id)
            raise AgentFailed(f"A message was not taken: {error}") from error
        await self._inbox.ack_message(hosted.id, message.id)


def _next_for_idle(queued: list[Message]) -> Message:
    """Return the message that an idle agent gets next: urgent ones go first."""
    return min(queued, key=lambda message: (message.mode != "interrupt", message.id))


def _next_for_busy(queued: list[Message], hosted: HostedSession) -> Message | None:
    """Return the message that a busy agent gets at once, if there is one."""
    wanted = {"interrupt"}
    if hosted.agent.can.steer and hosted.life.name() == "running":
        wanted.add("auto")
    return next((message for message in queued if message.mode in wanted), None)


def delivery_to(hosted: HostedSession, mode: Mode) -> Delivery:
    """Return when a message of a mode reaches an agent that is sent now."""
    state = hosted.life.name()
    if state == "idle":
        return "now"
    if state not in ("running", "waiting"):
        return "starts_agent"
    if mode == "queue":
        return "after_turn"
    if mode == "interrupt":
        return "now" if hosted.agent.can.steer else "stops_turn"
    if not hosted.agent.can.steer:
        return "after_turn"
    return "after_decision" if state == "waiting" else "now"
