"""What keys do at the host: answers, messages, interrupts, new agents; what came of it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from sxhost.cli.board.host import BoardHost
from sxhost.cli.event_text import decided_text, decision_text
from sxhost.cli.formats import clock
from sxhost.errors import AlreadyAnswered, HostError, HostUnreachable
from sxhost.model.approval import Answer, Approval
from sxhost.model.host import RemoteHost
from sxhost.model.message import MessageDraft
from sxhost.model.session import SeenDraft
from sxhost.model.turn import Launch

__all__ = ["Acts"]

T = TypeVar("T")

Say = Callable[[str], None]


class Acts:
    """Asks the host for what somebody wants, and says in a line what it has answered."""

    def __init__(self, host: BoardHost, say: Say) -> None:
        self._host = host
        self._say = say

    async def decide(self, approval: Approval, answer: Answer) -> bool:
        """Answer an approval; return whether it is closed now, by whomever."""
        try:
            done = await self._host.ask(
                lambda host: host.answer(approval.session, approval.id, answer)
            )
        except AlreadyAnswered as error:
            how = error.details
            at = how.get("at_ms")
            when = f", {clock(at / 1000)}" if isinstance(at, int) else ""
            decided = decided_text(str(how.get("decision")), str(how.get("by")))
            self._say(f"Closed already: {decided}{when}")
            return True
        except (HostError, HostUnreachable) as error:
            self._say(_sentence(error))
            return False
        self._say(f"{decision_text(done) or done.state}: {approval.title}")
        return True

    async def send(self, session_id: str, text: str) -> bool:
        """Send a message; return whether the host has it."""
        draft = MessageDraft(content=text, key=secrets.token_hex(8))
        sent = await self._asked(lambda host: host.send(session_id, draft))
        if sent is None:
            return False
        self._say(f"Message {sent.id}: {sent.note or 'queued'}.")
        return True

    async def interrupt(self, session_id: str) -> None:
        """Stop a session's turn."""
        if await self._asked(lambda host: host.interrupt(session_id)) is not None:
            self._say(f"{session_id} was interrupted.")

    async def note_seen(self, session_id: str, seq: int) -> None:
        """Note that somebody has looked at a session; what comes of it, its summary tells."""
        draft = SeenDraft(seq=seq)
        with suppress(HostError, HostUnreachable):
            await self._host.ask(lambda host: host.mark_seen(session_id, draft))

    async def start(self, launch: Launch) -> str | None:
        """Start an agent; return its session's id."""
        self._say(f"Starting {launch.agent} …")
        made = await self._asked(lambda host: host.start(launch))
        if made is None:
            return None
        self._say(f"{made.session.id} has started.")
        return made.session.id

    async def _asked(self, work: Callable[[RemoteHost], Awaitable[T]]) -> T | None:
        try:
            return await self._host.ask(work)
        except (HostError, HostUnreachable) as error:
            self._say(_sentence(error))
            return None


def _sentence(error: HostError | HostUnreachable) -> str:
    if isinstance(error, HostError):
        return error.message
    return f"No host answers ({error}); what you wrote is kept."
