"""``sxhost sessions``, ``show``, ``register``, ``rm``: sessions, whoever runs them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from sxhost.cli.names import on_session, session_argument
from sxhost.cli.output import fail, put_table
from sxhost.cli.terminal import HostLink, detail_lines, detail_rows, linked, session_lines

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


commands = (sessions, show, register, rm)
