"""``sxhost cost``: what agents have used, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from sxhost.cli.formats import count, fit, short_ids
from sxhost.cli.moments import MOMENT, parse_moment
from sxhost.cli.names import complete_sessions, find_session
from sxhost.cli.output import Pieces, at_terminal, put_pieces, terminal_width
from sxhost.cli.table import Column, TableRow, table_lines
from sxhost.cli.terminal import HostLink, linked

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.usage import UsageGroup, UsageReport

__all__ = ["commands", "cost_lines", "cost_text", "report_lines"]

GROUPINGS: Final = ("session", "project", "model", "agent", "day")

CENT: Final = Decimal("0.01")

FIGURES: Final = (
    Column("INPUT", rank=4, right=True),
    Column("CACHED", rank=5, right=True),
    Column("WRITTEN", rank=6, right=True),
    Column("OUTPUT", rank=3, right=True),
    Column("TOKENS", rank=2, right=True),
    Column("COST", right=True),
)


@click.command()
@click.option("--today", is_flag=True, help="Since midnight.")
@click.option(
    "--since", type=MOMENT, metavar="TIME", help="Since then: 2h (ago), yesterday, 2026-11-30."
)
@click.option(
    "--by",
    type=click.Choice(GROUPINGS),
    default="session",
    show_default=True,
    help="What is summed up.",
)
@click.option(
    "--session",
    default="",
    metavar="ID",
    help="Only of this session, also if it is deleted.",
    shell_complete=complete_sessions,
)
@click.option("--project", default="", metavar="NAME", help="Only of this project.")
@click.option("--model", default="", metavar="NAME", help="Only of this model.")
@click.option("--agent", default="", metavar="NAME", help="Only of this agent.")
@linked
def cost(
    link: HostLink, *, today: bool, since: float | None, session: str, **where: Any
) -> None:
    """Print what agents have used, and what that costs.

    The dearest comes first. What the agent says of the cost counts, else the host's table
    of prices (~). What has no price is unknown (?), and in no sum.
    """
    from sxhost.model.usage import UsageQuery

    if today and since is not None:
        raise click.UsageError("--today and --since exclude each other.")
    begin = parse_moment("today", time.time()) if today else since or 0

    async def work(host: HostClient) -> UsageReport:
        named = await _session_id(host, session) if session else ""
        query = UsageQuery(since_ms=int(begin * 1000), session=named, **where)
        return await host.usage(query)

    report = link.run_with_client(work)
    if link.json or not at_terminal():
        link.show(report, *report_lines(report))
    else:
        put_pieces(*cost_lines(report, terminal_width()))


async def _session_id(host: HostClient, name: str) -> str:
    """Return the id of the session that is meant; one that is deleted has only that."""
    from sxhost.errors import UnknownSession

    try:
        return await find_session(host, name)
    except UnknownSession:
        return name


def report_lines(report: UsageReport) -> list[str]:
    """Return a report for a pipe, a line for each group.

    Input, cached, written and output tokens, those without a price, US dollars, the name.
    """
    return [" ".join(_fields(group)) for group in report.groups]


def _fields(group: UsageGroup) -> Sequence[str]:
    numbers = (
        *(group.input_tokens, group.cached_tokens, group.cache_write_tokens),
        *(group.output_tokens, group.unpriced_tokens),
    )
    return (*map(str, numbers), group.cost_usd or "unknown", group.name)


def cost_lines(report: UsageReport, width: int) -> list[Pieces]:
    """Return a report for a terminal: a table with its sum, and what has no price."""
    if not report.groups:
        return [[("Nothing was used.", "dim")]]
    columns = (Column(report.by.upper(), 12), Column("TITLE", 10, rank=1), *FIGURES)
    names = [group.name or f"no {report.by}" for group in report.groups]
    short = short_ids(names) if report.by == "session" else {name: name for name in names}
    rows = [
        TableRow(_cells(group, short[name]), _colours(group))
        for name, group in zip(names, report.groups, strict=True)
    ]
    total = TableRow(_cells(report.total, "all"), ["bold"] * len(columns))
    lines: list[Pieces] = [*table_lines(columns, [*rows, total], width)]
    return [*lines, *([(fit(note, width), "dim")] for note in _notes(report))]


def _cells(group: UsageGroup, name: str) -> Sequence[str]:
    used = (
        *(group.input_tokens, group.cached_tokens, group.cache_write_tokens),
        *(group.output_tokens, group.total_tokens),
    )
    counts = [count(number) if number else "" for number in used]
    return (name, group.title, *counts, cost_text(group))


def _colours(group: UsageGroup) -> Sequence[str | None]:
    is_unknown = group.unpriced_tokens > 0
    return [None] * (1 + len(FIGURES)) + ["yellow" if is_unknown else None]


def cost_text(group: UsageGroup) -> str:
    """Return what a group costs: ``$1.20``; ``~`` is by the table, ``+?`` is not all of it."""
    if group.cost_usd is None:
        return "unknown"
    amount = Decimal(group.cost_usd)
    about = "~" if Decimal(group.estimated_usd) else ""
    text = "<$0.01" if 0 < amount < CENT / 2 else f"${amount.quantize(CENT):,}"
    return f"{about}{text}{'+?' if group.unpriced_tokens else ''}"


def _notes(report: UsageReport) -> list[str]:
    notes = []
    if report.omitted:
        notes.append(f"{report.omitted} more are in the sum and not listed.")
    if Decimal(report.total.estimated_usd):
        notes.append(f"~ by the prices of {report.prices}")
    if report.total.unpriced_tokens:
        names = ", ".join(name or "a model without a name" for name in report.unpriced_models)
        notes.append(f"? {count(report.total.unpriced_tokens)} tokens have no price: {names}")
    return notes


commands = (cost,)
