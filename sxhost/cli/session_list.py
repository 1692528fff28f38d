"""``sxhost sessions`` for people: who needs you first, what each does now, since when."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from sxhost.cli.formats import age, count, dollars, fit, home_path, short_ids, usage_text
from sxhost.cli.output import Pieces, terminal_width
from sxhost.cli.standing import (
    COLOURS,
    NEEDY,
    OVER,
    by_need,
    now_text,
    oldest_by_session,
    standing,
)
from sxhost.cli.table import Column, TableRow, table_lines

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.approval import Approval
    from sxhost.model.session import SessionQuery, Summary

__all__ = ["Listed", "choose", "list_sessions", "pending_by_session", "session_table"]

COLUMNS: Final = (
    Column("STATE"),
    Column("ID", 8, wish=14),
    Column("TITLE", 10, rank=3, wish=20),
    Column("AGENT", 6, rank=4),
    Column("MODEL", 6, rank=8),
    Column("PROJECT", 8, rank=7),
    Column("NOW", 15, rank=1, keep=" · ", wish=20),
    Column("AGE", rank=5, right=True),
    Column("COST", rank=6, right=True),
)
"""What fits into a terminal of 80 columns; in wider ones all are wider."""

WIDE_COLUMNS: Final = (
    *(Column(name) for name in ("STATE", "ID", "TITLE", "AGENT", "MODEL")),
    *(Column(name) for name in ("DIRECTORY", "BRANCH", "NOW")),
    Column("AGE", right=True),
    Column("SEEN", right=True),
    Column("EVENTS", right=True),
    *(Column(name) for name in ("USED", "LABELS")),
)
KNOWN_HERE: Final = ("approval", "question", "failed", "asleep")
"""Values of ``--state`` that the host has no states for: their sessions are chosen here."""

WHOLE = 1_000_000
"""Columns of a line that is not cut."""

SHOWN_OVER = 10
"""Sessions that are over and listed all the same: the newest."""


class Listed(NamedTuple):
    """Sessions, and what the agents of some wait for."""

    sessions: list[Summary]
    asked: dict[str, Approval]


async def list_sessions(host: HostClient, query: SessionQuery, *, needs_me: bool) -> Listed:
    """Return the sessions that a query chooses, or of them those that need somebody."""
    known_there = replace(query, state="") if query.state in KNOWN_HERE else query
    found = await host.sessions(known_there)
    asks = any(session.pending_approvals for session in found)
    listed = Listed(found, await pending_by_session(host) if asks else {})
    return choose(listed, query, needs_me=needs_me)


async def pending_by_session(host: HostClient) -> dict[str, Approval]:
    """Return what each session waits for, the oldest of each."""
    from sxhost.errors import ForbiddenScope
    from sxhost.model.approval import ApprovalQuery

    with suppress(ForbiddenScope):  # a token for one session may not ask for all
        return oldest_by_session(await host.approvals(ApprovalQuery()))
    return {}


def choose(listed: Listed, query: SessionQuery, *, needs_me: bool = False) -> Listed:
    """Return of these sessions those that a query chooses, or of them those in need."""
    from sxhost.model.summaries import summary_filter

    stands = query.state if query.state in KNOWN_HERE else ""
    matches = summary_filter(replace(query, state="") if stands else query)
    wanted = NEEDY if needs_me else (stands,) if stands else ()
    found = [
        one
        for one in listed.sessions
        if matches(one) and (not wanted or standing(one, listed.asked.get(one.id)) in wanted)
    ]
    return listed._replace(sessions=found)


def session_table(
    listed: Listed, now_ms: int, *, wide: bool = False, everything: bool = False
) -> list[Pieces]:
    """Return the lines of the table, with their styles, and how many it does not show."""
    sessions, asked = listed
    hidden = 0 if everything else _hidden(sessions)
    ordered = by_need(sessions, asked)[: len(sessions) - hidden]
    if not ordered:
        return [[("No session.", "dim")]]
    short = short_ids([session.id for session in sessions])
    rows = [
        _wide_row(session, asked.get(session.id), now_ms)
        if wide
        else _row(session, short[session.id], asked.get(session.id), now_ms)
        for session in ordered
    ]
    width = WHOLE if wide else terminal_width()
    lines: list[Pieces] = [*table_lines(WIDE_COLUMNS if wide else COLUMNS, rows, width)]
    if hidden:
        lines.append(
            [(fit(f"{hidden} more are over: --all lists them", terminal_width()), "dim")]
        )
    return lines


def _hidden(sessions: Sequence[Summary]) -> int:
    """Return how many sessions are over and too many to be listed: the last in order."""
    return max(sum(standing(session) in OVER for session in sessions) - SHOWN_OVER, 0)


def _row(session: Summary, short: str, asked: Approval | None, now_ms: int) -> TableRow:
    stands = standing(session, asked)
    place = " ".join(filter(None, (session.project, session.git_branch)))
    cells = (
        *(stands, short, session.title, _agent(session), _model(session), place),
        *(now_text(session, asked, now_ms), age(now_ms / 1000 - session.start_time)),
        _cost(session),
    )
    faded = "dim" if stands in OVER else None
    return TableRow(cells, (COLOURS.get(stands), *[faded] * (len(cells) - 1)))


def _wide_row(session: Summary, asked: Approval | None, now_ms: int) -> TableRow:
    stands = standing(session, asked)
    home = os.environ.get("HOME", "")
    used = {
        "input_tokens": session.input_tokens,
        "output_tokens": session.output_tokens,
        "cost_usd": session.cost_usd,
    }
    cells = (
        *(stands, session.id, session.title, _agent(session), _model(session)),
        *(home_path(session.cwd, home), session.git_branch, now_text(session, asked, now_ms)),
        age(now_ms / 1000 - session.start_time),
        age((now_ms - session.last_seen_ms) / 1000),
        *(str(session.event_count), usage_text(used)),
        " ".join(f"{name}:{value}" for name, value in session.labels.items()),
    )
    return TableRow(cells, (COLOURS.get(stands), *[None] * (len(cells) - 1)))


def _agent(session: Summary) -> str:
    return session.agent or session.provider or session.model


def _model(session: Summary) -> str:
    """Return the model; not once more what stands for the agent."""
    return "" if session.model == _agent(session) else session.model


def _cost(session: Summary) -> str:
    """Return what a session has cost, or where nobody says that its tokens."""
    if session.cost_usd:
        return dollars(session.cost_usd)
    used = (session.input_tokens or 0) + (session.output_tokens or 0)
    return f"{count(used)} tok" if used else ""
