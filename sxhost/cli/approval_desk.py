"""``sxhost approvals -f`` at a terminal: what agents ask as it comes, a key for each answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from sxhost.cli.answers import own_choices
from sxhost.cli.approval_prompts import KEYS, ApprovalPrompt
from sxhost.cli.approval_view import approval_card
from sxhost.cli.event_text import decision_text
from sxhost.cli.follow import approval_of, link_reporter
from sxhost.cli.formats import clock
from sxhost.cli.keys import Keys
from sxhost.cli.output import put, put_pieces, terminal_width
from sxhost.cli.terminal import HostLink
from sxhost.codec.json import decode
from sxhost.errors import AlreadyAnswered, HostError, HostUnreachable
from sxhost.logs import logger
from sxhost.model.approval import Answer, Approval, ApprovalQuery
from sxhost.model.event import Event
from sxhost.model.event_types import ApprovalResolvedEvent
from sxhost.model.rights import APPROVAL_EVENTS
from sxhost.waiting import background

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.client.stream import EventStream, Value

__all__ = ["ApprovalDesk", "answer_for", "key_prompt"]

log = logger(__name__)

Chosen = Callable[["HostClient", "Value | Approval"], Awaitable[bool]]

WORDS: Final = {
    "approve": "[y]es",
    "approve_session": "[a]lways",
    "deny": "[n]o, [b]ecause",
    "cancel": "[c]ancel",
}
MOST_KEYS: Final = 9
"""Choices that have a key of their own, their number."""

UNSEEN: Final = 0.4
"""Seconds in which a key was not meant for what has just come: nobody reads that fast."""


def key_prompt(approval: Approval) -> str:
    """Return what the keys mean for an approval."""
    if approval.inquiries:
        choices = [*(["[1-9] choose"] if _options(approval) else []), "[t]ype", "[n]o"]
    else:
        choices = [words for choice, words in WORDS.items() if choice in approval.choices]
        choices += [f"[{n}] {name}" for n, name in enumerate(own_choices(approval), 1)]
    return f"    {'  '.join([*choices, '[s]kip', '[q]uit'])} > "


def answer_for(approval: Approval, key: str) -> Answer | None:
    """Return the answer that a key is; None if it is none here."""
    number = int(key) if key in "123456789" else 0
    if approval.inquiries:
        labels = _options(approval)
        if 0 < number <= len(labels):
            answers: dict[str, str | list[str]] = {approval.inquiries[0].id: labels[number - 1]}
            return Answer(decision="approve", answers=answers)
        return Answer(decision="deny") if key == "n" else None
    choices = own_choices(approval)
    decision = choices[number - 1] if 0 < number <= len(choices) else KEYS.get(key, "")
    return Answer(decision=decision) if decision in approval.choices else None


def _options(approval: Approval) -> list[str]:
    """Return the choices that a number is enough for: of a single question."""
    first, *others = approval.inquiries
    if others or first.multiple or len(first.options) > MOST_KEYS:
        return []
    return [option.label for option in first.options]


class ApprovalDesk:
    """Shows one question after the other, asks for a key, and tells what others decide."""

    def __init__(self, link: HostLink, host: HostClient, chosen: Chosen) -> None:
        self._link = link
        self._host = host
        self._chosen = chosen
        self._keys = Keys(link.reactor)
        self._report = link_reporter(link)
        self._keys.on_key = self._take_key
        self._keys.on_end = self._leave
        self._skipped: set[tuple[str, int]] = set()
        self._open: Approval | None = None
        """What is asked for now."""
        self._shown_at = 0.0
        self._busy = False
        """Whether words are typed, or an answer is on its way."""
        self._rests = False
        """Whether it was said that nobody waits."""
        self._printed: set[tuple[str, int]] = set()
        """Decisions that were printed: what is answered here comes by the stream, too."""
        self._stream: EventStream | None = None

    async def run(self) -> None:
        """Ask until somebody has seen enough, or the stream ends."""
        options: dict[str, Any] = {"fail_fast": True, "on_link": self._tell_of_link}
        try:
            async with self._host.subscribe(
                types=sorted(APPROVAL_EVENTS), after="now", **options
            ) as stream:
                self._stream = stream
                await self._look()
                async for value in stream:
                    await self._tell(value)
                    await self._look()
        finally:
            self._keys.close()

    def _tell_of_link(self, up: bool, why: str) -> None:
        """Say that the host is lost, or found; what was asked is asked again then."""
        if self._open is not None and not self._busy:
            put("")  # the prompt's line
        self._report(up, why)
        if up and not self._busy:
            self._open = None
            background(self._look(), log, "looking")

    def _leave(self) -> None:
        """End, unless it is an interrupt that ends everything: that has its own exit status."""
        if self._stream is not None and not self._link.interrupted:
            background(self._stream.aclose(), log, "ending")

    # What is asked.

    async def _look(self) -> None:
        """Read what waits now, and ask for the first of it, unless something is asked for."""
        try:
            known = await self._host.approvals(ApprovalQuery())
        except HostUnreachable:
            return  # the stream comes back, and we look again
        waiting = [one for one in known if await self._chosen(self._host, one)]
        if self._open is not None and _key(self._open) not in map(_key, waiting):
            self._open = None
        left = [one for one in waiting if _key(one) not in self._skipped]
        if self._busy or self._open is not None:
            return
        if left:
            await self._show(min(left, key=lambda one: one.opened_ms), len(left) - 1)
        elif not self._rests:
            self._rests = True
            put("Nobody waits for you. What comes is shown here; q ends this.", dim=True)

    async def _show(self, approval: Approval, others: int) -> None:
        self._open, self._rests = approval, False
        try:
            session = await self._host.session(approval.session)
        except (HostError, HostUnreachable):
            session = None
        now_ms = time.time_ns() // 1_000_000
        put_pieces([("", None)], *approval_card(approval, session, now_ms, terminal_width()))
        if others:
            put(f"    {others} more after it", dim=True)
        self._keys.forget_typed()
        self._shown_at = self._link.reactor.seconds()
        put(key_prompt(approval), nl=False)

    async def _tell(self, value: Value) -> None:
        """Print what has been decided, by whomever."""
        if not isinstance(value, Event) or value.event != ApprovalResolvedEvent.name:
            return
        shown = await approval_of(self._host, value)
        if isinstance(shown, Event) and await self._chosen(self._host, value):
            self._put_decision(decode(bytes(shown.data), Approval))

    def _put_decision(self, done: Approval) -> None:
        """Print once how an approval was closed, and again the prompt of what is still open."""
        if _key(done) in self._printed:
            return
        self._printed.add(_key(done))
        at_prompt = self._open is not None and not self._busy
        if at_prompt:
            put("")
        at = clock(time.time() if done.resolution is None else done.resolution.at_ms / 1000)
        put(f"{at}  {done.session} {done.id}: {decision_text(done)}", dim=True)
        if self._open is not None and at_prompt and _key(self._open) != _key(done):
            put(key_prompt(self._open), nl=False)

    # What is pressed.

    def _take_key(self, key: str) -> None:
        if key == "q":
            put(key)
            self._leave()
            return
        seen = self._link.reactor.seconds() - self._shown_at >= UNSEEN
        if self._open is not None and seen and not self._busy:
            self._act(self._open, key)

    def _act(self, approval: Approval, key: str) -> None:
        """Do what a key means for what is asked; other keys do nothing."""
        answer = answer_for(approval, key)
        work: Coroutine[Any, Any, None] | None = None
        if key == "s":
            work = self._skip(approval)
        elif answer is not None:
            work = self._send(approval, answer)
        elif key == "b" and "deny" in approval.choices and not approval.inquiries:
            work = self._deny_because(approval)
        elif key == "t" and approval.inquiries:
            work = self._send_words(approval)
        if work is not None:
            put(key)
            background(self._finish(work), log, "answering")

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something about what is asked, then go on to the next."""
        self._busy = True
        try:
            await work
        finally:
            self._busy, self._open = False, None
        await self._look()

    async def _skip(self, approval: Approval) -> None:
        self._skipped.add(_key(approval))

    async def _deny_because(self, approval: Approval) -> None:
        reason = await self._keys.line("    because > ")
        await self._send(approval, Answer(decision="deny", reason=reason or None))

    async def _send_words(self, approval: Approval) -> None:
        """Ask for each inquiry's answer in words, until all are valid."""
        prompt, answer = ApprovalPrompt(approval), None
        while answer is None:
            answer = prompt.parse_line(await self._keys.line(f"  {prompt.prompt}"))
        await self._send(approval, answer)

    async def _send(self, approval: Approval, answer: Answer) -> None:
        """Send an answer; the stream tells what became of it, also if somebody was faster."""
        try:
            self._put_decision(await self._host.answer(approval.session, approval.id, answer))
        except AlreadyAnswered:
            pass
        except (HostError, HostUnreachable) as error:
            put(str(error), fg="red")


def _key(approval: Approval) -> tuple[str, int]:
    return approval.session, approval.id
