"""What agents wait for, as a person reads it: what it is, whose, since when, how to answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sxhost.cli.answers import numbered, own_choices
from sxhost.cli.event_text import decision_text
from sxhost.cli.formats import HOUR, age, cut, home_path, one_line, wrap
from sxhost.cli.output import Pieces
from sxhost.cli.table import Column, TableRow, table_lines
from sxhost.codec.approval_text import approval_details

if TYPE_CHECKING:
    from sxhost.model.approval import Approval, Inquiry
    from sxhost.model.session import Summary

__all__ = ["approval_card", "approvals_view"]

INDENT = " " * 4
"""Before what an approval is about: as `sxhost.codec.approval_text` has it."""

DECIDED = (
    Column("N", right=True),
    Column("KIND", 4, rank=3),
    Column("SESSION", 8, rank=2),
    Column("WHAT", 12),
    Column("DECISION", 12, rank=1),
    Column("AGE", rank=4, right=True),
)


def approvals_view(
    approvals: Sequence[Approval], sessions: Sequence[Summary], now_ms: int, width: int
) -> list[Pieces]:
    """Return what is decided in a table, then what waits, each whole, the oldest first."""
    known = {session.id: session for session in sessions}
    lines: list[Pieces] = []
    decided = [approval for approval in approvals if approval.state != "pending"]
    if decided:
        lines += table_lines(DECIDED, [_decided_row(one, now_ms) for one in decided], width)
    for approval in sorted(approvals, key=lambda one: one.opened_ms):
        if approval.state == "pending":
            card = approval_card(approval, known.get(approval.session), now_ms, width)
            lines += [*([[("", None)]] if lines else []), *card]
            lines += [[(line, "dim")] for line in _how(approval)]
    return lines or [[("Nobody waits for you.", "dim")]]


def approval_card(
    approval: Approval, session: Summary | None, now_ms: int, width: int
) -> list[Pieces]:
    """Return what an agent asks for, whole, with whose it is and how long it has waited."""
    title = session.title if session else ""
    whose = " · ".join(filter(None, (approval.session, title)))
    heading = f"{approval.id} {approval.kind} · {whose}"
    lines: list[Pieces] = [[(cut(one_line(heading), width), "yellow")]]
    lines += [
        [(line, "dim")] for line in wrap(_about(approval, session, now_ms), width, INDENT)
    ]
    if approval.at_terminal_ms is not None:
        since = age((now_ms - approval.at_terminal_ms) / 1000)
        only = f"only at its terminal, for {since}"
        lines += [[(line, "red")] for line in wrap(only, width, INDENT)]
    if not approval.inquiries and approval.title not in ("", *approval.detail.values()):
        lines += [[(line, "bold")] for line in wrap(one_line(approval.title), width, INDENT)]
    lines += [[(line, _colour(line))] for line in approval_details(approval)]
    for inquiry in approval.inquiries:
        lines += [[(line, None)] for line in _inquiry_lines(inquiry, width)]
    return lines


def _about(approval: Approval, session: Summary | None, now_ms: int) -> str:
    agent = session.agent if session else ""
    place = home_path(session.cwd, os.environ.get("HOME", "")) if session else ""
    waited = (now_ms - approval.opened_ms) / 1000
    asked = "asked just now" if waited < 1 else f"asked {age(waited)} ago"
    left = HOUR if approval.expires_ms is None else (approval.expires_ms - now_ms) / 1000
    # until then nobody needs to hurry
    ends = f"expires in {age(left)}" if left < HOUR else ""
    return ", ".join(filter(None, (agent, place, asked, ends)))


def _colour(line: str) -> str | None:
    """Return the style of a line of the details: of a command, and of a change."""
    if line.startswith("    command"):
        return "bold"
    return {"    | +": "green", "    | -": "red"}.get(line[:7])


def _inquiry_lines(inquiry: Inquiry, width: int) -> Iterator[str]:
    yield from wrap(inquiry.text, width, INDENT)
    for number, option in enumerate(inquiry.options, 1):
        about = f": {option.description}" if option.description else ""
        yield from wrap(f"{number} {option.label}{about}", width, f"{INDENT}  ")


def _how(approval: Approval) -> Iterator[str]:
    """Yield how an approval is answered from the command line."""
    number = approval.id
    if approval.inquiries:
        yield f"{INDENT}sxhost answer {number}{' CHOICE' * len(approval.inquiries)}"
        return
    if own := own_choices(approval):
        yield f"{INDENT}sxhost answer {number} CHOICE   {numbered(own)}"
    commands = {
        "approve": f"sxhost approve {number}",
        "approve_session": f"sxhost approve {number} --session",
        "deny": f'sxhost deny {number} "because …"',
    }
    offered = [command for choice, command in commands.items() if choice in approval.choices]
    if offered:
        yield f"{INDENT}{'   '.join(offered)}"


def _decided_row(approval: Approval, now_ms: int) -> TableRow:
    how = approval.resolution
    what = approval.title or "; ".join(inquiry.text for inquiry in approval.inquiries)
    at_ms = how.at_ms if how is not None else approval.opened_ms
    cells = (
        *(str(approval.id), approval.kind, approval.session, what),
        *(decision_text(approval), age((now_ms - at_ms) / 1000)),
    )
    return TableRow(cells)
