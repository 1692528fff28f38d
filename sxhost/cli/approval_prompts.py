"""What agents ask, asked at the terminal: each approval in its turn, answered in a line.

Events only say that approvals have changed: what they are is read from the host.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sxhost.cli.answers import answer_to, choice_of, numbered, own_choices, question_text
from sxhost.cli.turn_view import TurnView
from sxhost.codec.approval_text import approval_details
from sxhost.errors import AlreadyAnswered, HostError, HostUnreachable
from sxhost.logs import logger
from sxhost.model.approval import Answer, Approval, ApprovalQuery
from sxhost.waiting import background

if TYPE_CHECKING:
    from sxhost.client.host import HostClient

__all__ = ["KEYS", "ApprovalPrompt", "ApprovalPrompts"]

log = logger(__name__)

KEYS = {"y": "approve", "a": "approve_session", "n": "deny", "c": "cancel"}
"""Decisions by the letters that are typed for them."""

WORDS = {"approve": "yes", "approve_session": "always", "deny": "no", "cancel": "cancel"}


class ApprovalPrompts:
    """The approvals of a session: shown, asked one by one, shown when they are decided.

    :param listen: called before one is asked: lines that are typed go to `take` from then on.
    """

    def __init__(
        self, view: TurnView, session_id: str, listen: Callable[[], object] = lambda: None
    ) -> None:
        self._view = view
        self._session = session_id
        self._listen = listen
        self._host: HostClient | None = None
        self._open: ApprovalPrompt | None = None
        self._announced: set[int] = set()
        self._shown_decisions: set[int] = set()
        """Approvals that were shown, and those that were shown as decided."""
        self._moved: set[int] = set()
        """Those that were shown as answered at the agent's own terminal alone."""

    @property
    def is_asking(self) -> bool:
        """Whether the next line is the answer to one."""
        return self._open is not None

    async def look(self, host: HostClient) -> None:
        """Read the session's approvals, print the decisions that are new, and ask for one."""
        self._host = host
        with suppress(HostUnreachable):  # the stream comes back, and asks again
            query = ApprovalQuery(all=True)
            self._show(await host.session_approvals(self._session, query))

    def take(self, line: str) -> None:
        """Take a typed line as the answer to the one that is asked."""
        self._view.typed()
        prompt = self._open
        if prompt is None:
            return  # somebody was faster
        answer = prompt.parse_line(line.strip())
        if answer is None:
            self._view.prompt(prompt.prompt)
        else:
            self._open = None
            background(self._send(prompt, answer), log, "answering")

    def ask_again(self) -> None:
        """Print the prompt of the one that is asked once more."""
        if self._open is not None:
            self._view.prompt(self._open.prompt)

    def _show(self, known: Sequence[Approval]) -> None:
        for approval in known:
            if approval.resolution is not None and approval.id not in self._shown_decisions:
                self._shown_decisions.add(approval.id)
                self._announce(approval)
                decided = f"{approval.resolution.decision} ({approval.resolution.by})"
                self._view.line(decided, fg="yellow")
        waiting = {approval.id: approval for approval in known if approval.state == "pending"}
        waiting = {n: one for n, one in waiting.items() if not self._is_for_terminal(one)}
        if self._open is not None and self._open.approval.id not in waiting:
            self._open = None
        for approval in waiting.values():
            if self._open is None and approval.id not in self._announced:
                self._ask(approval)

    def _is_for_terminal(self, approval: Approval) -> bool:
        """Return whether only the agent's own terminal takes the answer; say so once."""
        if approval.at_terminal_ms is None:
            return False
        if approval.id not in self._moved:
            self._moved.add(approval.id)
            self._announce(approval)
            self._view.line("  only at its terminal", fg="yellow")
        return True

    def _announce(self, approval: Approval) -> None:
        if approval.id not in self._announced:
            self._announced.add(approval.id)
            self._view.line(f"? {approval.kind}: {approval.title}", fg="yellow", bold=True)
            for line in approval_details(approval):
                self._view.line(line, fg="yellow")

    def _ask(self, approval: Approval) -> None:
        self._announce(approval)
        if not sys.stdin.isatty():
            if asked := question_text(approval):
                self._view.line(f"  {asked}", fg="yellow")
            verb, word = ("answer", " CHOICE") if asked else ("approve", "")
            self._view.line(f"  sxhost {verb} {approval.id}{word}", fg="yellow")
            return
        self._open = ApprovalPrompt(approval)
        self._view.prompt(self._open.prompt)
        self._listen()

    async def _send(self, prompt: ApprovalPrompt, answer: Answer) -> None:
        """Send a decision; a refusal is shown, but for the one that somebody was faster."""
        assert self._host is not None  # noqa: S101 - it has told of the approval
        approval = prompt.approval
        try:
            await self._host.answer(approval.session, approval.id, answer)
        except AlreadyAnswered:
            pass  # the stream brings the decision that counts
        except (HostError, HostUnreachable) as error:
            self._view.line(str(error), fg="red")
            self._open = self._open or prompt
            self.ask_again()


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
