"""What an agent asks, in front of its conversation: whole, with the keys that answer it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from sxhost.cli.answers import numbered, own_choices
from sxhost.cli.formats import age, one_line
from sxhost.codec.approval_text import approval_details
from sxhost.model.approval import Approval

__all__ = ["ApprovalCard"]

SETTLED_MS: Final = 400
"""Milliseconds for which a card must have stood there: a key that was meant for what was there
before answers nothing.
"""

STANDARD: Final = (
    ("approve", "a approve"),
    ("approve_session", "A approve all such"),
    ("deny", "d deny"),
    ("cancel", "x deny, stop"),
)


class ApprovalCard(Vertical):
    """One approval, with what may be answered."""

    DEFAULT_CSS = """
    ApprovalCard { height: auto; max-height: 60%; border-top: heavy $warning; display: none; }
    ApprovalCard.shown { display: block; }
    ApprovalCard VerticalScroll { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
    ApprovalCard Static { height: auto; }
    ApprovalCard #whose { height: 1; }
    ApprovalCard #choices { max-height: 2; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.approval: Approval | None = None
        self._since_ms = 0
        self._seen_whole = False
        self._body = VerticalScroll(Static(id="asked"))
        self._body.can_focus = False
        self._choices = Static(id="choices")
        self._head = Static(id="whose")

    def compose(self) -> ComposeResult:
        """Whose it is, what it is about, what may be answered."""
        yield self._head
        yield self._body
        yield self._choices

    def show(self, asked: Sequence[Approval], name: str, now_ms: int) -> None:
        """Show the first of what a session of this name has asked; nothing if it asks none."""
        approval = asked[0] if asked else None
        is_new = (approval and (approval.session, approval.id)) != (
            self.approval and (self.approval.session, self.approval.id)
        )
        self.approval = approval
        self.set_class(approval is not None, "shown")
        if approval is None:
            return
        self._head.update(_head(approval, name, now_ms, len(asked)))
        if is_new:
            self._since_ms, self._seen_whole = now_ms, False
            self._body.query_one(Static).update(_asked(approval))
            self._body.scroll_home(animate=False)
        self._choices.update(Text(_choices(approval), Style(bold=True)))

    def scroll_by(self, lines: int) -> None:
        """Show what is further down, or up."""
        self._body.scroll_relative(y=lines, animate=False)

    def refusal(self, now_ms: int) -> str:
        """Return why no key answers this yet; "" if keys do."""
        body = self._body
        if not body.size.height:
            return "It is not seen: Enter opens it, and a larger terminal has more room."
        self._seen_whole = self._seen_whole or body.scroll_offset.y >= body.max_scroll_y
        if now_ms - self._since_ms < SETTLED_MS:
            return "It has only just come: look at it first."
        if not self._seen_whole:
            return "There is more of it: J shows what is further down."
        return ""


def _head(approval: Approval, name: str, now_ms: int, count: int) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f" {one_line(name)} asks", Style(color="yellow", bold=True))
    first = f" (1 of {count})" if count > 1 else ""
    asked = age((now_ms - approval.opened_ms) / 1000).replace("now", "0 s")
    about = f"{first} · {approval.kind} · {asked} ago"
    if approval.expires_ms is not None:
        left = age(max(approval.expires_ms - now_ms, 0) / 1000)
        about += f" · denied in {left}"
    return text.append(about, Style(dim=True))


def _asked(approval: Approval) -> Text:
    titles = {inquiry.text for inquiry in approval.inquiries} - {approval.title}
    lines = approval_details(approval)
    if titles or not approval.inquiries:
        lines.insert(0, f"  {one_line(approval.title)}")
    for inquiry in approval.inquiries:
        lines.append(f"  {one_line(inquiry.text)}")
        for number, option in enumerate(inquiry.options, 1):
            more = f"  {one_line(option.description)}" if option.description else ""
            lines.append(f"    {number} {one_line(option.label)}{more}")
    return Text("\n".join(lines))


def _choices(approval: Approval) -> str:
    if approval.at_terminal_ms is not None:
        return " It can only be answered at its agent's own terminal."
    if approval.inquiries:
        return " a answer  d deny" if "deny" in approval.choices else " a answer"
    keys: Sequence[str] = [key for choice, key in STANDARD if choice in approval.choices]
    others = numbered(own_choices(approval))
    return " " + "   ".join([*keys, *([one_line(others)] if others else ())])
