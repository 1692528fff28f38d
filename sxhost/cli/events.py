"""``sxhost events``, ``tail``, ``fire``: what sessions have reported, and what is new."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.filters import is_empty, lasting_filter_options, session_filter
from sxhost.cli.moments import MOMENT
from sxhost.cli.names import (
    complete_sessions,
    find_session,
    on_session,
    session_argument,
)
from sxhost.cli.output import at_terminal, fail, looks, put, terminal_width
from sxhost.cli.terminal import HostLink, event_line, linked, text_or_stdin
from sxhost.cli.words import WordsCommand

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.client.stream import EventStream, Value
    from sxhost.model.event import Event
    from sxhost.model.session import SessionQuery

__all__ = ["commands"]


@click.command()
@session_argument
@click.option("--follow", "-f", is_flag=True, help="Print new events as they come.")
@click.option("--after", default="", help="Only events after this number or cursor.")
@click.option(
    "--since",
    type=MOMENT,
    metavar="TIME",
    help="Only events since then: 2h (ago), 12:00, yesterday, 2026-11-30, '2026-11-30 14:00'.",
)
@click.option("--limit", type=click.IntRange(1), help="Print at most so many.")
@click.option("--types", default="", metavar="A,B", help="Only these events.")
@click.option("--pieces", is_flag=True, help="Also pieces of texts and outputs.")
@click.option("--raw", is_flag=True, help="The agents' own data, pieces and all.")
@linked
def events(
    link: HostLink,
    session_id: str,
    *,
    follow: bool,
    since: float | None,
    limit: int | None,
    raw: bool,
    **selection: Any,
) -> None:
    """Print a session's events, a line each.

    Pieces of a text or output are left out; --pieces has those that are not gone yet. With
    --json and without --follow, those are left out that are there whole.
    """
    selection["pieces"] = selection["pieces"] or raw
    hidden = hidden_events(link, selection["types"], pieces=selection["pieces"])
    if since is not None:
        selection["after"] = selection["after"] or "0"  # all that there is
    if follow:
        chosen = {"after": selection["after"], "types": _list(selection["types"])}

        async def subscribe(host: HostClient, link_options: dict[str, Any]) -> EventStream:
            found = await find_session(host, session_id)
            return host.subscribe(found, **chosen, **link_options)

        _watch_since(link, subscribe, since, limit, raw=raw, hidden=hidden)
        return
    from sxhost.model.event import EventQuery
    from sxhost.model.names import UNLIMITED

    most = UNLIMITED if hidden or since is not None else limit or UNLIMITED
    query = EventQuery(limit=most, **selection)
    _, found = link.run_with_client(
        lambda host: on_session(host, session_id, lambda one: host.events(one, query))
    )
    found = [one for one in found if _is_since(one, since) and one.event not in hidden][:limit]
    put_events(link, found, raw=raw)


def _watch_since(
    link: HostLink,
    subscribe: Callable[[HostClient, dict[str, Any]], Awaitable[EventStream]],
    since: float | None,
    limit: int | None,
    **options: Any,
) -> None:
    """Print what a stream brings, but events before `since` (Unix seconds)."""
    from sxhost.cli.follow import watch

    async def recent(_host: HostClient, value: Value) -> Value | None:
        return value if _is_since(value, since) else None

    watch(link, subscribe, limit, look=recent, **options)


@click.command()
@click.option(
    "--session",
    default="",
    metavar="A,B",
    help="Only these sessions.",
    shell_complete=complete_sessions,
)
@lasting_filter_options
@click.option("--types", default="", metavar="A,B", help="Only these events.")
@click.option("--after", default="now", help="Only events after this id or cursor.  [now]")
@click.option("--state", is_flag=True, help="Print sessions' states, too, as they change.")
@click.option("--pieces", is_flag=True, help="Also pieces of texts and outputs.")
@click.option("--raw", is_flag=True, help="The agents' own data, pieces and all.")
@linked
def tail(
    link: HostLink,
    session: str,
    query: SessionQuery,
    types: str,
    *,
    pieces: bool,
    raw: bool,
    **selection: Any,
) -> None:
    """Print the events of all sessions as they come, a line each."""
    from sxhost.cli.follow import watch

    selection["types"] = _list(types)
    selection["label"] = query.label
    chosen = session_filter(query)

    async def of_chosen(host: HostClient, value: Value) -> Value | None:
        return value if await chosen(host, value) else None

    async def subscribe(host: HostClient, link_options: dict[str, Any]) -> EventStream:
        sessions = [await find_session(host, name) for name in _list(session)]
        return host.subscribe(sessions=sessions, **selection, **link_options)

    hidden = hidden_events(link, types, pieces=pieces or raw)
    look = None if is_empty(query) else of_chosen
    watch(link, subscribe, names=True, raw=raw, hidden=hidden, look=look)


@click.command(cls=WordsCommand)
@session_argument
@click.argument("event")
@click.argument("data", required=False)
@click.option("--raw", is_flag=True, help="DATA is JSON, not text.")
@click.option("--key", help="An idempotency key: the same again is not fired twice.")
@linked
def fire(
    link: HostLink, session_id: str, event: str, data: str | None, *, raw: bool, key: str
) -> None:
    """Fire an event of a session.

    What can be an ID is taken as it is, for it may be new; a title is that of a session. DATA
    may be - for standard input.
    """
    from sxhost.model.event import EventDraft

    text = None if data is None else text_or_stdin(data)
    value = _json(text) if raw else text
    found, fired = link.run_with_client(
        lambda host: on_session(
            host,
            session_id,
            lambda one: host.fire(one, EventDraft.of(event, value, key=key)),
            may_be_new=True,
        )
    )
    link.show(fired, f"{found} event {fired.seq}: {event}")


def hidden_events(link: HostLink, types: str, *, pieces: bool) -> frozenset[str]:
    """Return the names of events that people are spared, unless they have asked for them."""
    from sxhost.model.event_types import PIECES

    asked = pieces or link.json or not PIECES.isdisjoint(_list(types))
    return frozenset() if asked else PIECES


def put_events(link: HostLink, events: Sequence[Event], *, raw: bool) -> None:
    """Print events: for people as `tail` does."""
    if link.json or not at_terminal():
        link.show(events, *(event_line(event, raw=raw) for event in events))
        return
    from sxhost.cli.follow import LinePrinter

    printer = LinePrinter(
        json=False, names=False, colours=True, raw=raw, width=terminal_width()
    )
    for event in events:
        text, colour = printer.line(event)
        put(text, **looks(colour))


def _is_since(value: Value, since: float | None) -> bool:
    from sxhost.model.event import Event

    return since is None or not isinstance(value, Event) or value.ts_ms >= since * 1000


def _list(comma_separated: str) -> list[str]:
    return list(filter(None, comma_separated.split(",")))


def _json(text: str | None) -> Any:
    from sxhost.codec.json import decode
    from sxhost.errors import HostError

    try:
        return decode((text or "null").encode(), object)
    except HostError as error:
        fail(2, error.message)


commands = (events, tail, fire)
