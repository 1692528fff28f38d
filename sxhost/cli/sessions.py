"""``sxhost sessions``, ``show``, ``register``, ``rm``: sessions, whoever runs them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.bulk import Action, do_to_many, do_to_named, yes_option
from sxhost.cli.filters import filter_options
from sxhost.cli.formats import home_path
from sxhost.cli.names import on_session, session_argument, sessions_argument
from sxhost.cli.output import Pieces, at_terminal, fail, put, put_pieces, terminal_width
from sxhost.cli.session_list import Listed, list_sessions, session_table
from sxhost.cli.table import Column, TableRow, table_lines
from sxhost.cli.terminal import HostLink, linked, session_lines

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.approval import Approval
    from sxhost.model.session import Detail, Discovered, Forgotten, SessionQuery, Summary

__all__ = ["commands"]

FOUND_COLUMNS = (
    Column("ID", 8),
    Column("AGENT", rank=1),
    Column("PROCESS", rank=3, right=True),
    Column("DIRECTORY", 12, rank=2),
    Column("ABOUT", 12, rank=4),
)


@click.command()
@filter_options
@click.option("--needs-me", is_flag=True, help="Only those that wait for somebody, or failed.")
@click.option("--all", "-a", "everything", is_flag=True, help="Also all that are over.")
@click.option("--wide", "-w", is_flag=True, help="More about each, uncut.")
@click.option("--watch", is_flag=True, help="Keep the list on the screen, as it changes.")
@linked
def sessions(
    link: HostLink, query: SessionQuery, *, needs_me: bool, watch: bool, **how: bool
) -> None:
    """List sessions, those first that need you.

    In a pipe, and with --json, there is a line for each session, in the order of their ids.
    """

    if watch and not link.json:
        from sxhost.cli.session_watch import SessionWatch

        def table(listed: Listed) -> list[Pieces]:
            return session_table(listed, _now_ms(), **how)

        link.run_with_client(
            lambda host: SessionWatch(link, host, query, table, needs_me=needs_me).run()
        )
        return
    found = link.run_with_client(lambda host: list_sessions(host, query, needs_me=needs_me))
    if link.json or not (at_terminal() or how["wide"]):
        link.show(found.sessions, *session_lines(found.sessions))
    else:
        put_pieces(*session_table(found, _now_ms(), **how))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@click.command()
@linked
def discover(link: HostLink) -> None:
    """Find agents that run here without hooks.

    Each becomes a session, to be read.
    """
    found = link.run_with_client(lambda host: host.discover())
    if link.json or not at_terminal():
        link.show(found, *map(_discovered_line, found))
        return
    if not found:
        put("No agent runs here.", dim=True)
        return
    home = os.environ.get("HOME", "")
    rows = [
        TableRow(
            (one.id or "-", one.agent, str(one.pid), home_path(one.cwd, home), _about(one))
        )
        for one in found
    ]
    put_pieces(*table_lines(FOUND_COLUMNS, rows, terminal_width()))


def _discovered_line(found: Discovered) -> str:
    about = _about(found)
    if not found.id:
        return f"-  {found.agent}  {found.cwd}  (process {found.pid}: {about})"
    return f"{found.id}  {found.agent}  {found.cwd}{f'  ({about})' if about else ''}"


def _about(found: Discovered) -> str:
    """Return what there is to know of an agent that was found; empty if there is nothing."""
    if not found.id:
        return "no session before its first prompt"
    if found.answerable or found.agent == "pi":
        return ""
    return f"to answer it: sxhost hook install {found.agent}"


@click.command()
@session_argument
@linked
def show(link: HostLink, session_id: str) -> None:
    """Print all about a session."""
    from sxhost.cli.session_view import detail_lines, session_view

    people = at_terminal() and not link.json

    async def look(host: HostClient) -> tuple[Detail, list[Approval]]:
        from sxhost.model.approval import ApprovalQuery

        name, found = await on_session(host, session_id, host.session)
        asks = people and found.pending_approvals
        return found, await host.session_approvals(name, ApprovalQuery()) if asks else []

    found, asked = link.run_with_client(look)
    if people:
        put_pieces(*session_view(found, asked, _now_ms(), terminal_width()))
    else:
        link.show(found, *detail_lines(found))


@click.command()
@session_argument
@click.option("--model", help="The model that the agent uses.")
@click.option("--provider", help="Whose model that is.")
@click.option("--cwd", metavar="DIR", help="The agent's working directory.")
@click.option("--git-branch", metavar="NAME", help="The branch that it works on.")
@click.option("--title", help="What the session is about, for lists.")
@click.option("--agent", help="The kind of agent: claude, codex, …")
@click.option("--pid", type=int, help="The agent's process: once it is gone, so is the agent.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME:VALUE", help="A label; repeatable."
)
@linked
def register(link: HostLink, session_id: str, *, labels: Sequence[str], **fields: Any) -> None:
    """Create a session, or update its fields.

    What can be an ID is taken as it is, for it may be new; a title is that of a session.
    """
    from sxhost.model.session import Registration

    given = dict(label.partition(":")[::2] for label in labels)
    if not all(":" in label[1:] for label in labels):
        fail(2, "A label is written NAME:VALUE.")
    registration = Registration(labels=given or None, **fields)
    found, done = link.run_with_client(
        lambda host: on_session(
            host, session_id, lambda one: host.register(one, registration), may_be_new=True
        )
    )
    link.show(done, f"{found} {'registered' if done.created else 'updated'}")


@click.command()
@sessions_argument
@filter_options
@yes_option
@linked
def rm(link: HostLink, names: Sequence[str], query: SessionQuery, yes: bool) -> None:
    """End sessions and delete their logs.

    They are named, or chosen by the options. At a terminal it asks before it deletes several.
    """
    action = Action(_forget, "forgotten", "Delete these {} sessions with their logs?")
    do_to_named(link, names, query, action, yes=yes)


@click.command()
@click.option("--lost", is_flag=True, help="Also those that fell silent: `lost`.")
@filter_options
@click.option("--dry-run", is_flag=True, help="Only print which.")
@yes_option
@linked
def prune(link: HostLink, *, query: SessionQuery, lost: bool, dry_run: bool, yes: bool) -> None:
    """Delete all sessions that are over, with their logs.

    Agents that are asleep, or have ended with their host, are not over: they can go on. At a
    terminal it asks before it deletes several.
    """

    async def over(host: HostClient) -> list[Summary]:
        return [one for one in await host.sessions(query) if _is_over(one, lost)]

    if dry_run:
        found = link.run_with_client(over)
        link.show(found, *(f"{session.id} would be forgotten" for session in found))
        return
    question = "Delete these {} sessions, which are over, with their logs?"
    do_to_many(link, over, Action(_forget_if_there, "forgotten", question), yes=yes)


async def _forget(host: HostClient, session_id: str) -> Forgotten:
    return await host.forget(session_id)


async def _forget_if_there(host: HostClient, session_id: str) -> Forgotten:
    from sxhost.errors import UnknownSession
    from sxhost.model.session import Forgotten

    try:
        return await host.forget(session_id)
    except UnknownSession:  # somebody was faster
        return Forgotten(ok=True)


def _is_over(session: Summary, lost: bool) -> bool:
    """Return whether nobody waits for more from a session."""
    if session.kind == "hosted":
        return session.rest == "ended"
    return session.detail_state == "ended" or (lost and session.detail_state == "lost")


commands = (sessions, discover, show, register, rm, prune)
