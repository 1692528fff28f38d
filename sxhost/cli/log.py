"""``sxhost log`` (``transcript``): a session's conversation, read, followed or exported."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from sxhost.cli.log_reader import ConversationPart, read_conversation
from sxhost.cli.moments import MOMENT
from sxhost.cli.names import find_session, session_argument
from sxhost.cli.output import Flow, fail, put, put_json, put_views
from sxhost.cli.pager import pager_command
from sxhost.cli.progress import Wait
from sxhost.cli.terminal import HostLink, linked

if TYPE_CHECKING:
    from sxhost.cli.conversation import Look
    from sxhost.client.host import HostClient

__all__ = ["commands"]

TURNS = 20
"""Turns that are shown where nobody says how many."""

FOLLOWED = 2
"""Turns that are shown before what is followed."""

Format = Literal["md", "html", "json", "jsonl"]


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the command."""
    for option in reversed(
        [
            click.option("--follow", "-f", is_flag=True, help="Go on as it goes on."),
            click.option(
                "--turns", "-n", type=click.IntRange(1), help=f"The last turns.  [{TURNS}]"
            ),
            click.option("--since", type=MOMENT, help="What has happened since: 2h, 12:00, …"),
            click.option("--all", "everything", is_flag=True, help="All that is kept."),
            click.option("--tools", is_flag=True, help="Also inputs and outputs of tools."),
            click.option("--thinking", is_flag=True, help="Also all of its reasoning."),
            click.option(
                "--format",
                "as_format",
                type=click.Choice(["md", "html", "json", "jsonl"]),
                help="Print all of it as a document.",
            ),
            click.option("--redact", is_flag=True, help="Take out secrets and your name."),
            click.option("--no-pager", is_flag=True, help="Print at once, through no pager."),
        ]
    ):
        command = option(command)
    return command


@click.command("log")
@session_argument
@_options
@linked
def log(link: HostLink, session_id: str, **options: Any) -> None:
    """Print a session's conversation."""
    _show(link, session_id, **options)


@click.command("transcript")
@session_argument
@_options
@linked
def transcript(link: HostLink, session_id: str, **options: Any) -> None:
    """Print a session's conversation: the same as log."""
    _show(link, session_id, **options)


def _show(
    link: HostLink,
    session_id: str,
    *,
    follow: bool,
    turns: int | None,
    since: float | None,
    everything: bool,
    tools: bool,
    thinking: bool,
    as_format: Format | None,
    redact: bool,
    no_pager: bool,
) -> None:
    if follow and as_format:
        fail(2, "A conversation that goes on is no document: leave out --follow or --format.")
    chosen = sum((turns is not None, since is not None, everything))
    if chosen > 1:
        fail(2, "Choose one of --turns, --since and --all.")
    if as_format is None and not chosen:
        turns = FOLLOWED if follow else TURNS
    clean = _redactor() if redact else None
    look = _look(tools=tools, thinking=thinking)
    detail = "full" if tools or link.json or as_format else "compact"

    async def read(host: HostClient) -> ConversationPart:
        found = await find_session(host, session_id)
        with link.progress.waiting(Wait(f"Reading the conversation of {found}")):
            return await read_conversation(host, found, turns, since, detail)

    if follow:
        from sxhost.cli.log_follow import follow_conversation

        follow_conversation(link, read, look, clean)
        return
    as_format = as_format or ("jsonl" if link.json else None)
    found = link.run_with_client(lambda host: _write(link, read(host), as_format, clean))
    if not as_format:
        terminal = sys.stdout.isatty() and not no_pager
        pager = pager_command(os.environ, terminal=terminal)
        put_views(_views(look, found), look.width, pager)


async def _write(
    link: HostLink,
    reading: Awaitable[ConversationPart],
    as_format: Format | None,
    clean: Callable[[Any], Any] | None,
) -> ConversationPart:
    """Clean a conversation once it is read, and print it if it is to be a document."""
    from sxhost.slices import TimeSlicer

    found = await reading
    with link.progress.waiting(Wait("Writing the conversation down")):
        await TimeSlicer(link.reactor).run(_writing(found, as_format, clean))
    return found


def _views(look: Look, read: ConversationPart) -> Iterator[Any]:
    """Yield what is printed of a conversation."""
    from rich.text import Text

    from sxhost.cli.conversation import ConversationPrinter

    view = ConversationPrinter(look)
    if read.dropped and read.is_whole:
        yield Text(f"(events up to {read.dropped} are not kept any more)", "dim")
    for item in read.items:
        yield from view.lines(item)


def _look(*, tools: bool, thinking: bool) -> Look:
    """Return how a conversation is shown where stdout leads."""
    import shutil

    from sxhost.cli.conversation import ASCII, UNICODE, Look

    terminal = sys.stdout.isatty()
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Look(
        shutil.get_terminal_size().columns if terminal else None,
        rendered=terminal,
        tools=tools,
        thinking=thinking,
        signs=UNICODE if encoding.startswith("utf") else ASCII,
    )


def _writing(
    read: ConversationPart, as_format: Format | None, clean: Callable[[Any], Any] | None
) -> Iterator[None]:
    """Do so in small steps."""
    from sxhost.cli.export import html_document, markdown_document

    if clean is not None:
        yield from read.clean(clean)
    if as_format == "jsonl":
        for item in read.items:
            put_json(item)
            yield
    elif as_format == "json":
        put_json({"session": read.session, "items": read.items})
    elif as_format:
        make = html_document if as_format == "html" else markdown_document
        for line in make(read.session, read.items):
            put(Flow(line))
            yield


def _redactor() -> Callable[[Any], Any]:
    from functools import partial
    from getpass import getuser

    from sxhost.cli.redact import MISSING, make_redactor, redacted

    try:
        redact = make_redactor(str(Path.home()), getuser())
    except ImportError:
        fail(2, MISSING)
    return partial(redacted, redact=redact)


commands = (log, transcript)
