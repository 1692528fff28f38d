"""``sxhost send``, ``pull``: messages on their way to a session's agent."""

from __future__ import annotations

from typing import Any

import click

from sxhost.cli.names import on_session, session_argument
from sxhost.cli.output import Flow
from sxhost.cli.terminal import HostLink, linked, text_or_stdin
from sxhost.cli.words import WordsCommand

__all__ = ["commands"]

LONG_PULL = 60.0
"""Seconds of one pull while waiting: less than what proxies cut."""


@click.command(cls=WordsCommand)
@session_argument
@click.argument("text")
@click.option(
    "--mode",
    type=click.Choice(["auto", "interrupt", "queue"]),
    default="auto",
    show_default=True,
    help="What the agent is to do with it while it works.",
)
@linked
def send(link: HostLink, session_id: str, text: str, mode: Any) -> None:
    """Queue a message for a session's agent.

    TEXT may be - for standard input.
    """
    from sxhost.model.message import MessageDraft

    draft = MessageDraft(content=text_or_stdin(text), mode=mode)
    found, sent = link.run_with_client(
        lambda host: on_session(host, session_id, lambda one: host.send(one, draft))
    )
    when = sent.note.removeprefix("queued: ")
    link.show(sent, f"Message {sent.id} queued for {found} ({sent.queued} waiting): {when}")


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
