"""``sxhost run``: an agent at the terminal, from its start to the end of its turn."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong

from sxhost.cli.answers import answer_to, choice_of, numbered, own_choices, question_text
from sxhost.cli.keyboard import Keyboard
from sxhost.cli.output import Flow, put, put_json
from sxhost.cli.terminal import HostLink
from sxhost.codec.approval_text import approval_details
from sxhost.errors import AlreadyAnswered, HostError, HostUnreachable, UnknownSession
from sxhost.logs import logger
from sxhost.model.approval import Answer, Approval, ApprovalQuery
from sxhost.model.event_types import (
    AgentEvent,
    BackgroundEvent,
    CompleteEvent,
    EndedEvent,
    ErrorEvent,
    MessageDeltaEvent,
    MessageEvent,
    ToolDoneEvent,
    ToolStartEvent,
    TurnStartedEvent,
    WarningEvent,
    decode_event,
)
from sxhost.model.rights import APPROVAL_EVENTS
from sxhost.model.session import BackgroundTask, Event
from sxhost.model.turn import TurnDraft
from sxhost.waiting import Signal, background

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.session import Summary
    from sxhost.model.turn import Launch

__all__ = ["TurnView", "waiting_for"]

log = logger(__name__)

KEYS = {"y": "approve", "a": "approve_session", "n": "deny", "c": "cancel"}
WORDS = {"approve": "yes", "approve_session": "always", "deny": "no", "cancel": "cancel"}

AFTER_AN_END = frozenset({"ended", "asleep"})
"""Events after which an agent says nothing any more."""

INTERRUPTED_WITHIN = 10.0
"""Seconds that an interrupted turn and its agent get to end; then the command ends anyway."""


class TurnView:
    """A turn of a new session, and what it leaves running, printed; approvals are asked for.

    Events only say that approvals have changed: what they are is read from the host.
    """

    def __init__(self, link: HostLink, launch: Launch, prompt: str) -> None:
        self._link = link
        self._launch = launch
        self._input = prompt
        self._session = ""
        self._at_line_start = True
        self._status = ""
        """How the last turn has ended; empty while one runs."""
        self._background: list[BackgroundTask] = []
        self._gone = False
        """Whether the agent has ended by itself."""
        self._shown_pieces: set[str] = set()
        """Texts that were shown piece by piece."""
        self.interrupted = False
        """Whether the user has ended the command."""
        self._over = Signal()
        """Fires when all is done, and the agent has ended if it was to."""
        self._keyboard: Keyboard | None = None
        self._prompt: ApprovalPrompt | None = None
        self._announced: set[int] = set()
        self._shown_decisions: set[int] = set()
        """Approvals that were shown, and those that were shown as decided."""

    async def run_turn(
        self, host: HostClient, *, keep: bool = False, forget: bool = False
    ) -> str:
        """Run the turn; return how it ended.

        The agent ends with it, however that ends, unless it is to `keep`; `forget` deletes
        the session, too.
        """
        with self._link.saying_if_slow(waiting_for(self._launch)):
            made = await host.start(self._launch)
        self._session = made.session.id
        reactor = self._link.reactor
        stop = reactor.addSystemEventTrigger(
            "before", "shutdown", lambda: Deferred.fromCoroutine(self._interrupt(host))
        )
        _stop_on_hangup(reactor)
        try:
            return await self._submit_and_follow(host, made.session, keep=keep)
        finally:
            if self._keyboard is not None:
                self._keyboard.close()
            with suppress(UnknownSession):  # somebody has deleted it
                if forget:
                    await host.forget(self._session)
                elif not keep:
                    await host.end(self._session)
            self._over.fire()
            if not self.interrupted:
                reactor.removeSystemEventTrigger(stop)

    async def _submit_and_follow(
        self, host: HostClient, session: Summary, *, keep: bool
    ) -> str:
        if not self._link.json:
            put(f"{session.id}: {session.agent} {session.model}", err=True)
        async with host.subscribe(self._session, after="0") as stream:
            await host.submit(self._session, TurnDraft(input=self._input))
            status = await self._follow(host, stream)
            if not (keep or self._gone):
                await self._follow_to_end(host, stream)
            return status or "failed"

    async def _interrupt(self, host: HostClient) -> None:
        """Interrupt the turn, since the user has interrupted the command; wait for the end."""
        self.interrupted = True
        over = self._over.wait().addTimeout(INTERRUPTED_WITHIN, self._link.reactor)
        with suppress(HostError, HostUnreachable):  # the turn may be over
            await host.interrupt(self._session)
        with suppress(TookTooLong):
            await over

    async def _follow(self, host: HostClient, stream: Any) -> str:
        async for value in stream:
            if not isinstance(value, Event):
                continue
            if self._link.json:
                put_json(value)
            else:
                self._show(value)
            if self._note_progress(decode_event(value)):
                return self._status
            if value.event in APPROVAL_EVENTS and not self._link.json:
                with suppress(HostUnreachable):  # the stream comes back, and asks again
                    query = ApprovalQuery(all=True)
                    known = await host.session_approvals(self._session, query)
                    self._show_approvals(host, known)
        return ""

    async def _follow_to_end(self, host: HostClient, stream: Any) -> None:
        """End the agent, and show what it says up to its end: last words may come late."""
        with suppress(UnknownSession):  # somebody has deleted it
            await host.end(self._session)
            async for value in stream:
                if isinstance(value, Event):
                    if value.event in AFTER_AN_END:
                        return
                    if self._link.json:
                        put_json(value)
                    else:
                        self._show(value)

    def _note_progress(self, event: AgentEvent) -> bool:
        """Note what begins and ends; return whether all is done: what runs on is waited for."""
        match event:
            case BackgroundEvent(tasks=tasks):
                self._background = tasks
            case TurnStartedEvent():
                self._status = ""
        end = _end_of_turn(event)
        self._gone = isinstance(event, EndedEvent)
        if end is not None:
            status, reason = end
            self._status = status or "failed"
            self._line(f"({reason or status})", dim=True)
            if self._background and not self._gone:
                titles = "; ".join(task.title or task.kind for task in self._background)
                self._line(f"(in the background: {titles})", dim=True)
        return bool(self._status) and (not self._background or self._gone)

    # Showing.

    def _show(self, event: Event) -> None:
        match decode_event(event):
            case MessageDeltaEvent(item=item, text=text):
                self._shown_pieces.add(item)
                self._put_piece(text)
            case MessageEvent(item=item, text=text) if item not in self._shown_pieces:
                self._line(Flow(text))
            case ToolStartEvent() as call:
                self._line(f"$ {call.title or call.tool}", bold=True)
            case ToolDoneEvent(output=str(output)):
                self._line(Flow(output.rstrip()), dim=True)
            case WarningEvent(text=text):
                self._line(text, fg="yellow")

    def _put_piece(self, text: str) -> None:
        put(Flow(text), nl=False)
        self._at_line_start = text.endswith("\n")

    def _line(self, text: str, **style: Any) -> None:
        if not self._at_line_start:
            put("")
        self._at_line_start = True
        if text and not self._link.json:
            put(text, err=bool(style.get("dim")), **style)

    # Asking.

    def _show_approvals(self, host: HostClient, known: Sequence[Approval]) -> None:
        """Print the decisions that are new, then ask for one that is pending."""
        for approval in known:
            if approval.resolution is not None and approval.id not in self._shown_decisions:
                self._shown_decisions.add(approval.id)
                self._announce(approval)
                decided = f"{approval.resolution.decision} ({approval.resolution.by})"
                self._line(decided, fg="yellow")
        waiting = {approval.id: approval for approval in known if approval.state == "pending"}
        if self._prompt is not None and self._prompt.approval.id not in waiting:
            self._prompt = None
        for approval in waiting.values():
            if self._prompt is None and approval.id not in self._announced:
                self._ask(host, approval)

    def _announce(self, approval: Approval) -> None:
        if approval.id not in self._announced:
            self._announced.add(approval.id)
            self._line(f"? {approval.kind}: {approval.title}", fg="yellow", bold=True)
            for line in approval_details(approval):
                self._line(line, fg="yellow")

    def _ask(self, host: HostClient, approval: Approval) -> None:
        self._announce(approval)
        if not sys.stdin.isatty():
            if asked := question_text(approval):
                self._line(f"  {asked}", fg="yellow")
            verb, word = ("answer", " CHOICE") if asked else ("approve", "")
            self._line(f"  sxhost {verb} {approval.id}{word}", fg="yellow")
            return
        if self._keyboard is None:
            self._keyboard = Keyboard(self._link.reactor)
        self._prompt = open_prompt = ApprovalPrompt(approval)
        put(open_prompt.prompt, nl=False)
        self._keyboard.on_line = lambda line: self._handle_line(host, open_prompt, line)

    def _handle_line(self, host: HostClient, open_prompt: ApprovalPrompt, line: str) -> None:
        if open_prompt is not self._prompt:
            return  # somebody was faster
        answer = open_prompt.parse_line(line.strip())
        if answer is None:
            put(open_prompt.prompt, nl=False)
            return
        background(self._send_answer(host, open_prompt.approval, answer), log, "answering")

    async def _send_answer(self, host: HostClient, approval: Approval, answer: Answer) -> None:
        """Send a decision; a refusal is shown, but for the one that somebody was faster."""
        try:
            await host.answer(approval.session, approval.id, answer)
        except AlreadyAnswered:
            pass  # the stream brings the decision that counts
        except (HostError, HostUnreachable) as error:
            self._line(str(error), fg="red")


def waiting_for(launch: Launch) -> str:
    """Return what is waited for while an agent starts."""
    program = f" ({' '.join(launch.command)})" if launch.command else ""
    return f"Waiting until {launch.agent}{program} is ready for its first turn …"


def _stop_on_hangup(reactor: Any) -> None:
    """Have a terminal that closes interrupt the command, unless that is to go on (nohup)."""
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reactor.stop))


def _end_of_turn(event: AgentEvent) -> tuple[str, str] | None:
    """Return the status and the reason with which a turn ends, if it does."""
    match event:
        case CompleteEvent() | ErrorEvent():
            return event.status or "", event.reason or ""
        case EndedEvent():
            return "", event.reason
    return None


class ApprovalPrompt:
    """One approval asked at the keyboard: for a decision, or for a text for each inquiry."""

    def __init__(self, approval: Approval) -> None:
        self.approval = approval
        self._answers: dict[str, str | list[str]] = {}

    @property
    def prompt(self) -> str:
        """The text before the cursor: the next inquiry, or the keys of the decisions."""
        if self.approval.inquiries:
            inquiry = self.approval.inquiries[len(self._answers)]
            offers = numbered([option.label for option in inquiry.options])
            return f"  {inquiry.text} {offers}".rstrip() + " > "
        choices = self.approval.choices
        keys = [f"[{k}]{WORDS[c][1:]}" for k, c in KEYS.items() if c in choices]
        return f"  {' '.join([*keys, numbered(own_choices(self.approval))]).strip()} > "

    def parse_line(self, line: str) -> Answer | None:
        """Take a typed line; return the answer once it is complete and valid."""
        if not self.approval.inquiries:
            choices = self.approval.choices
            decision = choice_of(line, choices, own_choices(self.approval))
            decision = decision or KEYS.get(line[:1].lower(), "")
            return Answer(decision=decision) if decision in choices else None
        inquiry = self.approval.inquiries[len(self._answers)]
        answer = answer_to(inquiry, line) if line else None
        if answer is not None:
            self._answers[inquiry.id] = answer
        if len(self._answers) < len(self.approval.inquiries):
            return None
        return Answer(decision="approve", answers=self._answers)
