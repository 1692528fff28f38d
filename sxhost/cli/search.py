"""``sxhost search``: where something was said, in all that is kept of all sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import click

from sxhost.cli.formats import age, columns_of, date, fit, one_line, short_ids
from sxhost.cli.moments import MOMENT
from sxhost.cli.names import complete_sessions, find_session
from sxhost.cli.output import Pieces, at_terminal, put, put_pieces, terminal_width
from sxhost.cli.terminal import HostLink, linked
from sxhost.cli.words import WordsCommand
from sxhost.visible import escape_hidden

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.search import SearchHit, SearchPage, SearchQuery

__all__ = ["commands", "hit_lines"]

INDENT: Final = "    "
MARKED: Final = "yellow"
PAGE: Final = 200
"""Hits of one answer, at the most."""


@click.command(cls=WordsCommand)
@click.argument("words", nargs=-1, required=True)
@click.option(
    "--session",
    default="",
    metavar="A,B",
    help="Only in these sessions.",
    shell_complete=complete_sessions,
)
@click.option("--agent", default="", metavar="NAME", help="Only in sessions of this agent.")
@click.option(
    "--project", default="", metavar="NAME", help="Only in sessions that work in this project."
)
@click.option(
    "--since",
    type=MOMENT,
    metavar="TIME",
    help="Only what happened since then: 2h (ago), 12:00, yesterday, 2026-11-30.",
)
@click.option("--types", "--type", default="", metavar="A,B", help="Only these events.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, help="The most hits to print.  [50]"
)
@linked
def search(
    link: HostLink,
    words: Sequence[str],
    session: str,
    since: float | None,
    limit: int,
    **where: Any,
) -> None:
    """Find where something was said, in all sessions.

    All WORDS must be in one event, in any order; '"some words"' one after the other; -WORD must
    not be there. Capitals and accents do not matter. The newest hit comes first, as ID:SEQ.
    """
    from sxhost.model.search import SearchQuery

    query = SearchQuery(q=" ".join(words), since_ms=int(1000 * (since or 0)), **where)

    async def work(host: HostClient) -> tuple[list[SearchHit], SearchPage]:
        names = filter(None, session.split(","))
        found = ",".join([await find_session(host, name) for name in names])
        return await _collect(host, query, found, limit)

    hits, last = link.run_with_client(work)
    if link.json or not at_terminal():
        link.show(hits, *map(_line, hits))
    else:
        put_pieces(*hit_lines(hits, time.time(), terminal_width()))
    _say_what_is_left(last, limit)


async def _collect(
    host: HostClient, query: SearchQuery, sessions: str, limit: int
) -> tuple[list[SearchHit], SearchPage]:
    """Return so many hits, and the last page: the host ends a search that takes long."""
    from msgspec.structs import replace

    hits: list[SearchHit] = []
    query = replace(query, session=sessions)
    while True:
        page = await host.search(replace(query, limit=min(limit - len(hits), PAGE)))
        hits += page.hits
        if page.before in (None, query.before) or len(hits) >= limit:
            return hits[:limit], page
        query = replace(query, before=page.before)


def _say_what_is_left(page: SearchPage, limit: int) -> None:
    """Say on stderr what was not searched, or not printed."""
    if page.unindexed:
        missing = f"About {page.unindexed} old events are not searched yet"
        put(f"{missing}: their index is being made.", err=True)
    elif page.before is not None and at_terminal():
        put(f"There may be older ones: --limit {2 * limit} prints more.", err=True)


def _line(hit: SearchHit) -> str:
    """Return a hit in a line of its own, which stays as it is."""
    place, moment = f"{hit.session}:{hit.seq}", date(hit.ts_ms / 1000)
    return f"{place}  {moment}  {hit.event:<12}  {one_line(hit.text)}"


def hit_lines(hits: Sequence[SearchHit], now: float, width: int) -> list[Pieces]:
    """Return hits for a person: where each is, and what is said there, with its marks."""
    if not hits:
        return [[("Nothing was found.", "dim")]]
    short = short_ids([hit.session for hit in hits])
    lines: list[Pieces] = []
    for hit in hits:
        place = f"{short[hit.session]}:{hit.seq}"
        ago = age(now - hit.ts_ms / 1000)
        rest = [hit.event, hit.agent, hit.project, hit.title]
        about = " · ".join(filter(None, ("now" if ago == "now" else f"{ago} ago", *rest)))
        room = width - columns_of(place) - 2
        lines.append([(fit(place, width), "bold"), (f"  {fit(about, room)}".rstrip(), "dim")])
        lines += _wrapped(hit, max(width, len(INDENT) + 1))
    return lines


def _wrapped(hit: SearchHit, width: int) -> Iterator[Pieces]:
    """Yield the text of a hit in lines of at most so many columns, broken at blanks."""
    marked = {at for begin, end in hit.marks for at in range(begin, min(end, len(hit.text)))}
    room = width - len(INDENT)
    line: list[tuple[str, str | None]] = []
    used = blank = 0
    for at, char in enumerate(hit.text):
        shown = escape_hidden(char)
        if line and used + columns_of(shown) > room:
            rest = line[blank:] if blank else []
            yield _pieces(line[:blank] if blank else line)
            line, used, blank = rest, sum(columns_of(text) for text, _ in rest), 0
            if not line and char == " ":
                continue
        line.append((shown, MARKED if at in marked else None))
        used += columns_of(shown)
        if char == " ":
            blank = len(line)
    if line:
        yield _pieces(line)


def _pieces(chars: Sequence[tuple[str, str | None]]) -> Pieces:
    """Join characters of one style."""
    styled = groupby(chars, key=itemgetter(1))
    pieces = [("".join(text for text, _ in some), style) for style, some in styled]
    return [(INDENT, None), *pieces]


commands = (search,)
