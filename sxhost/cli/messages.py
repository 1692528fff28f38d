"""``sxhost send``, ``pull``: messages on their way to a session's agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.bulk import Action, do_to_named, yes_option
from sxhost.cli.filters import filter_options, is_empty
from sxhost.cli.names import on_session, session_argument
from sxhost.cli.output import Flow
from sxhost.cli.terminal import HostLink, linked, text_or_stdin
from sxhost.cli.words import WordsCommand
from sxhost.model.delivery import OVER

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.message import MessageDraft, Sent
    from sxhost.model.session import SessionQuery

__all__ = ["commands"]

LONG_PULL = 60.0
"""Seconds of one pull while waiting: less than what proxies cut."""


QUESTION = "Send this to these {} sessions?"


@click.command(cls=WordsCommand)
@session_argument
@click.argument("text", required=False)
@filter_options
@yes_option
@click.option(
    "--mode",
    type=click.Choice(["auto", "interrupt", "queue"]),
    default="auto",
    show_default=True,
    help="What the agent is to do with it while it works.",
)
@linked
def send(
    link: HostLink,
    session_id: str,
    text: str | None,
    mode: Any,
    query: SessionQuery,
    *,
    yes: bool,
) -> None:
    """Queue a message for a session's agent, or for many.

    TEXT may be - for standard input.  With --label, --agent, --project, --dir or --state it
    goes to all sessions like that which are not over, and no ID is given.
    """
    from sxhost.model.message import MessageDraft

    if (text is None) is is_empty(query):
        how = "Say to whom and what: ID TEXT, or TEXT with --label, --agent, --project …"
        raise click.UsageError(how)
    draft = MessageDraft(content=text_or_stdin(session_id if text is None else text), mode=mode)
    if text is None:
        send_to_many(link, query, draft, yes=yes)
        return
    found, sent = link.run_with_client(
        lambda host: on_session(host, session_id, lambda one: host.send(one, draft))
    )
    when = sent.note.removeprefix("queued: ")
    link.show(sent, f"Message {sent.id} queued for {found} ({sent.queued} waiting): {when}")


def send_to_many(
    link: HostLink, query: SessionQuery, draft: MessageDraft, *, yes: bool
) -> None:
    """Send a message to the sessions that a query chooses, and say of each when it is heard."""

    async def act(host: HostClient, session_id: str) -> Sent:
        return await host.send(session_id, draft)

    action = Action(act, "sent", QUESTION, concerns=lambda one: one.detail_state not in OVER)
    do_to_named(link, (), query, action, yes=yes)


@click.command()
@session_argument
@click.option("--wait", is_flag=True, help="Wait until there is a message.")
@linked
def pull(link: HostLink, session_id: str, wait: bool) -> None:
    """Take a session's messages and print them."""
    from sxhost.model.message import PullQuery

    async def take(host: Any) -> list[Any]:
        query = PullQuery(wait=LONG_PULL if wait else 0)
        found, messages = await on_session(host, session_id, lambda one: host.pull(one, query))
        while wait and not messages:
            messages = await host.pull(found, query)
        return list(messages)

    found = link.run_with_client(take)
    link.show(found, *(Flow(message.content) for message in found))


commands = (send, pull)
