"""The lines around the board's panes: who is how, what is read, who asks elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from sxhost.cli.board.feed import LostLink
from sxhost.cli.board.sessions import BoardSessions
from sxhost.cli.formats import one_line
from sxhost.cli.standing import COLOURS
from sxhost.model.approval import Approval

__all__ = ["elsewhere", "heading", "lost_heading", "news", "title"]


def heading(url: str, sessions: BoardSessions, words: str) -> Text:
    """Return the first line: which host, how many sessions stand how, the filter's words."""
    text = _program().append(f" {one_line(url.partition('//')[2] or url)} ")
    counts = [
        (f"{count} {stands}", Style.parse(COLOURS.get(stands, "")))
        for stands, count in sessions.counts().items()
    ]
    for at, (part, look) in enumerate(counts or [("no sessions yet", Style())]):
        text.append(" · " if at else " ").append(part, look)
    return text.append(f" /{one_line(words)}", Style(color="cyan")) if words else text


def lost_heading(lost: LostLink, now_ms: int) -> Text:
    """Return the first line while there is no link."""
    loss = f"  link lost {lost.ago(now_ms)} ago ({one_line(lost.why)}): trying again"
    return _program().append(loss, Style(color="red", bold=True))


def title(name: str, about: Sequence[str], unseen: int) -> Text:
    """Return the line above a conversation; `unseen` items have come below what is seen."""
    text = news("").append(one_line(name), Style(bold=True))
    text.append(f"  {one_line(' · '.join(filter(None, about)))}", Style(dim=True))
    return text.append(f"  ▼ {unseen} new", Style(color="cyan")) if unseen else text


def elsewhere(name: str, asked: Approval, more: int) -> Text:
    """Return the line about what a session asks that is not chosen; `more` questions wait."""
    text = news("").append(" ! ", Style(color="yellow", bold=True, reverse=True))
    text.append(f" {one_line(name)} asks: ", Style(bold=True)).append(one_line(asked.title))
    return text.append(f"  and {more} more", Style(dim=True)) if more else text


def news(text: str) -> Text:
    """Return a text in a line."""
    return Text(one_line(text), no_wrap=True, overflow="ellipsis")


def _program() -> Text:
    return news("").append(" sxhost top ", Style(bold=True, reverse=True))
