"""A turn at the terminal, to its end: printed as it comes, and answered where it asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from sxhost.cli.approval_prompts import ApprovalPrompts
from sxhost.cli.follow import link_reporter
from sxhost.cli.formats import reason_text
from sxhost.cli.keyboard import Keyboard
from sxhost.cli.output import put
from sxhost.cli.terminal import HostLink
from sxhost.cli.turn_view import TurnView
from sxhost.model.event import Event
from sxhost.model.event_types import (
    AgentEvent,
    BackgroundEvent,
    CompleteEvent,
    EndedEvent,
    ErrorEvent,
    StartedEvent,
    TurnStartedEvent,
    decode_event,
)
from sxhost.model.rights import APPROVAL_EVENTS
from sxhost.model.session import BackgroundTask, Summary

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.turn import Turn

__all__ = [
    "TurnFollower",
    "end_of_turn",
    "follow_turn",
    "put_heading",
]


AFTER_AN_END = frozenset({"ended", "asleep"})
"""Events after which an agent says nothing any more."""


class TurnFollower:
    """Follows a turn of a session to its end.

    :param background: whether what the turn leaves running is waited for, too.
    """

    def __init__(self, link: HostLink, session_id: str, *, background: bool = False) -> None:
        self.view = TurnView(json=link.json)
        self.saw_start = False
        """Whether the agent has been started meanwhile."""
        self.has_ended = False
        """Whether the agent has ended by itself."""
        self._link = link
        self._waits_for_background = background
        self._status = ""
        """How the last turn has ended; empty while one runs."""
        self._background: list[BackgroundTask] = []
        self._keyboard: Keyboard | None = None
        self._prompts = ApprovalPrompts(self.view, session_id, self._listen)

    async def follow(self, host: HostClient, stream: Any, turn_id: int = 0) -> str:
        """Follow the turn of a number, or any later one; return how it ended.

        Empty: the session is gone.
        """
        async for value in stream:
            if not isinstance(value, Event):
                continue
            self.view.show(value)
            if self._note_progress(decode_event(value), turn_id):
                return self._status
            if value.event in APPROVAL_EVENTS and not self._link.json:
                await self._prompts.look(host)
        return ""

    async def show_last_words(self, stream: Any) -> None:
        """Print what an agent says up to its end, which is near."""
        async for value in stream:
            if isinstance(value, Event):
                if value.event in AFTER_AN_END:
                    return
                self.view.show(value)

    def close(self) -> None:
        """Read no more of what is typed."""
        if self._keyboard is not None:
            self._keyboard.close()

    def _listen(self) -> None:
        if self._keyboard is None:
            self._keyboard = Keyboard(self._link.reactor)
            self._keyboard.on_line = self._prompts.take

    def _note_progress(self, event: AgentEvent, turn_id: int) -> bool:
        """Note what begins and ends; return whether all is over that is waited for."""
        match event:
            case BackgroundEvent(tasks=tasks):
                self._background = tasks
            case StartedEvent():
                self.saw_start = True
            case TurnStartedEvent():
                self._status = ""
            case CompleteEvent(turn=int(turn)) | ErrorEvent(turn=int(turn)) if turn < turn_id:
                return False
        end = end_of_turn(event)
        self.has_ended = isinstance(event, EndedEvent)
        if end is not None:
            status, reason = end
            self._status = status or "failed"
            self.view.line(f"({reason or status})", dim=True)
            if self._background and not self.has_ended:
                titles = "; ".join(task.title or task.kind for task in self._background)
                self.view.line(f"(in the background: {titles})", dim=True)
        waits = self._waits_for_background and bool(self._background)
        return bool(self._status) and (not waits or self.has_ended)


def end_of_turn(event: AgentEvent) -> tuple[str, str] | None:
    """Return the status and the reason with which a turn ends, if it does."""
    match event:
        case CompleteEvent() | ErrorEvent():
            return event.status or "", reason_text(event.reason or "")
        case EndedEvent():
            return "", event.reason
    return None


async def follow_turn(
    link: HostLink,
    host: HostClient,
    session_id: str,
    begin: Callable[[], Awaitable[Turn]],
    after: str = "now",
) -> str:
    """Begin a turn and follow it; return how it ended.

    Whoever interrupts the command is told that the turn goes on without it.

    :param after: where in the log to begin to read.
    """
    follower, over = TurnFollower(link, session_id), False

    def leave() -> None:
        if not over:
            follower.view.typed(end=False)  # a terminal shows ^C
            follower.view.end_line()
            stop = f"sxhost interrupt {session_id}"
            put(f"The turn goes on; to stop it: {stop}", err=True)

    async with host.subscribe(session_id, after=after, on_link=link_reporter(link)) as stream:
        turn = await begin()
        link.reactor.addSystemEventTrigger("before", "shutdown", leave)
        try:
            status = await follower.follow(host, stream, turn.id)
        finally:
            follower.close()
        over = True
        return status


def put_heading(link: HostLink, session: Summary) -> None:
    """Print whose words follow."""
    if not link.json:
        put(f"{session.id}: {session.agent} {session.model}".rstrip(), err=True)
