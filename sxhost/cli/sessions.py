"""``sxhost sessions``, ``show``, ``register``, ``rm``: sessions, whoever runs them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.output import fail, put_table
from sxhost.cli.terminal import HostLink, detail_lines, detail_rows, linked, session_lines

if TYPE_CHECKING:
    from sxhost.model.session import Discovered

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
    """Show agents that run here without hooks as sessions, to be read."""
    found = link.run_with_client(lambda host: host.discover())
    link.show(found, *map(_discovered_line, found))


def _discovered_line(found: Discovered) -> str:
    hint = "" if found.answerable else f"  (to answer it: sxhost hook install {found.agent})"
    return f"{found.id}  {found.agent}  {found.cwd}{hint if found.agent != 'pi' else ''}"


@click.command()
@click.argument("session_id", metavar="ID")
@linked
def show(link: HostLink, session_id: str) -> None:
    """Print all about a session."""
    found = link.run_with_client(lambda host: host.session(session_id))
    if sys.stdout.isatty() and not link.json:
        put_table(detail_rows(found))
    else:
        link.show(found, *detail_lines(found))


@click.command()
@click.argument("session_id", metavar="ID")
@click.option("--model")
@click.option("--provider")
@click.option("--cwd")
@click.option("--git-branch")
@click.option("--title")
@click.option("--agent")
@click.option("--pid", type=int)
@click.option("--label", "labels", multiple=True, metavar="NAME:VALUE")
@linked
def register(link: HostLink, session_id: str, *, labels: Sequence[str], **fields: Any) -> None:
    """Create a session, or update its fields."""
    from sxhost.model.session import Registration

    given = dict(label.partition(":")[::2] for label in labels)
    if not all(":" in label[1:] for label in labels):
        fail(2, "A label is written NAME:VALUE.")
    registration = Registration(labels=given or None, **fields)
    done = link.run_with_client(lambda host: host.register(session_id, registration))
    link.show(done, f"{session_id} {'registered' if done.created else 'updated'}")


@click.command()
@click.argument("session_id", metavar="ID")
@linked
def rm(link: HostLink, session_id: str) -> None:
    """End a session and delete its log."""
    link.show(
        link.run_with_client(lambda host: host.forget(session_id)), f"{session_id} forgotten"
    )


commands = (sessions, discover, show, register, rm)
