"""``sxhost sessions``, ``show``, ``register``, ``rm``: sessions, whoever runs them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.names import on_session, session_argument
from sxhost.cli.output import fail, put_table
from sxhost.cli.terminal import HostLink, detail_lines, detail_rows, linked, session_lines

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.session import Discovered, Summary

__all__ = ["commands"]


@click.command()
@click.option(
    "--state",
    default="",
    help="Only sessions in this state: active, idle, working, waiting, stalled, …",
)
@click.option("--label", default="", metavar="NAME:VALUE", help="Only those with this label.")
@linked
def sessions(link: HostLink, state: str, label: str) -> None:
    """List sessions."""
    from sxhost.model.session import SessionQuery

    query = SessionQuery(state=state, label=label)
    found = link.run_with_client(lambda host: host.sessions(query))
    link.show(found, *session_lines(found))


@click.command()
@linked
def discover(link: HostLink) -> None:
    """Find agents that run here without hooks.

    Each becomes a session, to be read.
    """
    found = link.run_with_client(lambda host: host.discover())
    link.show(found, *map(_discovered_line, found))


def _discovered_line(found: Discovered) -> str:
    hint = "" if found.answerable else f"  (to answer it: sxhost hook install {found.agent})"
    return f"{found.id}  {found.agent}  {found.cwd}{hint if found.agent != 'pi' else ''}"


@click.command()
@session_argument
@linked
def show(link: HostLink, session_id: str) -> None:
    """Print all about a session."""
    _, found = link.run_with_client(lambda host: on_session(host, session_id, host.session))
    if sys.stdout.isatty() and not link.json:
        put_table(detail_rows(found))
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
@session_argument
@linked
def rm(link: HostLink, session_id: str) -> None:
    """End a session and delete its log."""
    found, done = link.run_with_client(lambda host: on_session(host, session_id, host.forget))
    link.show(done, f"{found} forgotten")


@click.command()
@click.option("--lost", is_flag=True, help="Also those that fell silent: `lost`.")
@click.option("--label", default="", metavar="NAME:VALUE", help="Only those with this label.")
@click.option("--dry-run", is_flag=True, help="Only print which.")
@linked
def prune(link: HostLink, lost: bool, label: str, dry_run: bool) -> None:
    """Delete all sessions that are over, with their logs.

    Agents that are asleep, or have ended with their host, are not over: they can go on.
    """
    from sxhost.errors import UnknownSession
    from sxhost.model.session import SessionQuery

    async def forget_all(host: HostClient) -> list[Summary]:
        done = []
        for session in await host.sessions(SessionQuery(label=label)):
            if not _is_over(session, lost):
                continue
            with suppress(UnknownSession):  # somebody was faster
                if not dry_run:
                    await host.forget(session.id)
                done.append(session)
        return done

    found = link.run_with_client(forget_all)
    lines = (f"{session.id} {'would be ' if dry_run else ''}forgotten" for session in found)
    link.show(found, *lines)


def _is_over(session: Summary, lost: bool) -> bool:
    """Return whether nobody waits for more from a session."""
    if session.kind == "hosted":
        return session.rest == "ended"
    return session.detail_state == "ended" or (lost and session.detail_state == "lost")


commands = (sessions, discover, show, register, rm, prune)
