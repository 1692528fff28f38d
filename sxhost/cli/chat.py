"""``sxhost chat``: a conversation with a session's agent, line by line.

A hosted agent is given each line as a turn; while one runs, and where the host does not run the
agent, as a message, of which is said when it is heard.
"""

from __future__ import annotations

import signal
import sys
from collections import deque
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredLock

from sxhost.cli.approval_prompts import ApprovalPrompts
from sxhost.cli.follow import link_reporter
from sxhost.cli.keyboard import Keyboard, Paste
from sxhost.cli.output import put
from sxhost.cli.terminal import HOST_SAID_NO, INTERRUPTED, HostLink
from sxhost.cli.turn_view import TurnView
from sxhost.cli.turns import end_of_turn
from sxhost.errors import HostError, HostUnreachable, TurnInProgress
from sxhost.logs import logger
from sxhost.model.event import Event
from sxhost.model.event_types import (
    IdleEvent,
    MessageDeltaEvent,
    MessageEvent,
    ToolStartEvent,
    TurnStartedEvent,
    UserMessageEvent,
    decode_event,
)
from sxhost.model.message import MessageDraft
from sxhost.model.rights import APPROVAL_EVENTS
from sxhost.model.turn import TurnDraft
from sxhost.waiting import background

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.client.stream import EventStream
    from sxhost.model.session import Detail

__all__ = ["Chat"]

log = logger(__name__)

PROMPT = "> "
LONGEST_LINE = 1 << 20
"""Bytes of a line that are taken; a terminal itself passes on 4095."""

HELP = (
    "Each line is given to the agent. Lines that are pasted are one text: Enter sends it.",
    "/interrupt or Ctrl-C stops its turn.",
    "/quit or Ctrl-D leaves; the agent goes on.",
)
COMMANDS = {"/quit", "/exit", "/interrupt", "/help"}
"""All other lines are the agent's, which may have commands of its own."""


class Chat:
    """A conversation with the agent of one session, at a terminal or over pipes.

    Without a terminal each line waits until the turn of the line before is over, and the end of
    the input is the end once the last turn is over.
    """

    def __init__(self, link: HostLink, host: HostClient, session: Detail) -> None:
        self._link = link
        self._host = host
        self._session = session
        self._id = session.id
        self._hosted = session.kind == "hosted"
        self._view = TurnView(json=link.json)
        self._prompts = ApprovalPrompts(self._view, session.id)
        self._is_terminal = sys.stdin.isatty()
        self._works = False
        self._sent_here: deque[str] = deque(maxlen=100)
        """Texts that were sent from here, and that the log has not repeated yet."""
        self._waiting: deque[str] = deque()
        """Lines that have come, and are not sent."""
        self._sending = DeferredLock()
        self._ended = False
        """Whether no more lines come."""
        self._warned = False
        """Whether the next Ctrl-C leaves."""
        self._status = 0
        self._stream: EventStream | None = None
        self._paste = Paste(link.reactor, self._say, self._hold)

    async def talk(self) -> int:
        """Talk until one side has enough; return the exit status."""
        self._catch_signals()
        stream = self._host.subscribe(self._id, after="now", on_link=self._handle_link)
        async with stream:
            self._stream = stream
            self._greet()
            # only now: the stream tells what changes from here on
            self._works = (await self._host.session(self._id)).state == "active"
            await self._prompts.look(self._host)
            keyboard = Keyboard(self._link.reactor, LONGEST_LINE)
            keyboard.on_line = self._take
            keyboard.on_end = self._end
            self._ask()
            try:
                await self._follow(stream)
            finally:
                keyboard.close()
        return self._farewell(stream.ended)

    async def _follow(self, stream: EventStream) -> None:
        async for value in stream:
            if not isinstance(value, Event):
                continue
            self._note(value)
            if value.event in APPROVAL_EVENTS and not self._link.json:
                await self._prompts.look(self._host)

    def _handle_link(self, up: bool, why: str) -> None:
        """Say that the host was lost, or is back."""
        self._view.end_line()
        link_reporter(self._link)(up, why)
        if up:
            self._ask()

    # What comes.

    def _greet(self) -> None:
        if self._link.json:
            return
        about = " ".join(filter(None, (self._session.agent, self._session.model)))
        where = f" in {self._session.cwd}" if self._session.cwd else ""
        put(f"{self._id}: {about or 'an agent'}{where}", err=True)
        if self._is_terminal:
            put("/help tells more; /quit leaves.", err=True)

    def _note(self, value: Event) -> None:
        """Print an event, and note whether the agent works."""
        event = decode_event(value)
        self._view.show(value)
        match event:
            case UserMessageEvent(text=text):
                self._works = True
                self._show_words(text)
            case TurnStartedEvent() | ToolStartEvent() | MessageDeltaEvent():
                self._works = True
            case MessageEvent() if self._is_terminal and not self._works:
                self._ask()
            case IdleEvent() if self._works:
                self._turn_over()
        end = end_of_turn(event)
        if end is not None:
            status, reason = end
            self._status = 0 if status == "completed" or not self._hosted else HOST_SAID_NO
            if status != "completed" and (reason or status):
                self._view.line(f"({reason or status})", dim=True)
            self._turn_over()

    def _show_words(self, text: str) -> None:
        """Print what the agent was told, unless it was told so here."""
        if text in self._sent_here:
            self._sent_here.remove(text)
        else:
            self._view.line(f"{PROMPT}{text}", dim=True)

    def _turn_over(self) -> None:
        self._works = self._warned = False
        self._send_next()
        self._ask()
        self._leave_at_end()

    # What goes.

    def _ask(self) -> None:
        if not self._is_terminal or self._link.json:
            return
        if self._prompts.is_asking:
            self._prompts.ask_again()
        elif not self._works:
            self._view.prompt(PROMPT)

    def _take(self, line: str) -> None:
        """Take a line that was typed."""
        self._view.typed()
        self._warned = False
        if self._prompts.is_asking:
            self._prompts.take(line)
        elif line.strip() in COMMANDS and not self._paste.held:
            self._obey(line.strip())
        elif self._is_terminal:
            self._paste.add(line)
        else:
            self._say(line)

    def _hold(self, lines: int) -> None:
        self._view.typed(end=False)  # the terminal shows the line that has not ended
        self._view.line(f"({lines} lines: Enter sends them, Ctrl-C drops them)", dim=True)

    def _say(self, text: str) -> None:
        if text.strip():
            self._waiting.append(text.rstrip())
            self._send_next()
        else:
            self._ask()

    def _send_next(self) -> None:
        """Send what waits; without a terminal only once the agent is done with the last."""
        if self._waiting and (self._is_terminal or not (self._hosted and self._works)):
            text = self._waiting.popleft()
            self._works = self._works or self._hosted
            sending = background(self._sending.run(self._send, text), log, "sending")
            sending.addCallback(lambda _: self._leave_at_end())  # what is sent may be over

    def _send(self, text: str) -> Deferred[None]:
        return Deferred.fromCoroutine(self._send_words(text))

    async def _send_words(self, text: str) -> None:
        """Send a text; the stream brings what becomes of a turn, maybe before this is done."""
        self._sent_here.append(text)
        try:
            if self._hosted and await self._began_turn(text):
                return
            sent = await self._host.send(self._id, MessageDraft(content=text))
            self._view.line(f"({sent.note})", dim=True)
        except (HostError, HostUnreachable) as error:
            self._sent_here.remove(text)
            self._works, self._status = False, HOST_SAID_NO
            why = error.message if isinstance(error, HostError) else f"No host answers: {error}"
            self._view.line(f"Not sent: {why}", fg="red", err=True)
        if not self._works:
            self._turn_over()

    async def _began_turn(self, text: str) -> bool:
        """Give a text to a hosted agent as a turn; return False if one runs."""
        try:
            await self._host.submit(self._id, TurnDraft(input=text))
        except TurnInProgress:
            return False
        return True

    def _obey(self, command: str) -> None:
        match command:
            case "/help":
                for line in HELP:
                    self._view.line(line, dim=True)
                self._ask()
            case "/interrupt":
                self._stop_turn()
            case _:
                self._leave()

    # The end.

    def _catch_signals(self) -> None:
        reactor = self._link.reactor
        signal.signal(signal.SIGINT, lambda *_: reactor.callFromThread(self._handle_interrupt))

    def _handle_interrupt(self) -> None:
        """Stop the turn, or drop what was pasted; the second time leave."""
        if self._warned:
            self._leave(INTERRUPTED)
            return
        self._view.typed(end=False)
        self._warned = True
        if self._paste.held:
            self._paste.drop()
            self._warned = False
            self._view.line("(dropped)", dim=True)
            self._ask()
        elif self._works:
            self._stop_turn()
        else:
            self._view.line("(Ctrl-C again leaves, and so does /quit)", dim=True)
            self._ask()

    def _stop_turn(self) -> None:
        background(self._interrupt(), log, "interrupting")

    async def _interrupt(self) -> None:
        try:
            await self._host.interrupt(self._id)
        except (HostError, HostUnreachable) as error:
            self._view.line(str(error), fg="red", err=True)
            self._ask()

    def _end(self) -> None:
        """Leave, since no more lines come; without a terminal once all is said and done."""
        self._ended = True
        if self._is_terminal:
            self._view.typed(end=False)
            self._leave()
        else:
            self._leave_at_end()

    def _leave_at_end(self) -> None:
        busy = self._waiting or self._sending.locked or (self._hosted and self._works)
        if self._ended and not self._is_terminal and not busy:
            self._leave(self._status)

    def _leave(self, status: int = 0) -> None:
        self._status = status
        if self._stream is not None and not self._link.interrupted:
            background(self._stream.aclose(), log, "leaving")

    def _farewell(self, ended: str) -> int:
        """Say what goes on without us; return the exit status."""
        self._view.end_line()
        if ended:
            put(f"The end: {ended}.", err=True)
            return HOST_SAID_NO
        if self._works and not self._link.interrupted:
            put(f"{self._id} goes on: sxhost chat {self._id} comes back.", err=True)
        return self._status
