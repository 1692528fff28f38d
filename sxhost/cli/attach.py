"""``sxhost attach -- COMMAND…``: run a program so that the host sees it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import click

from sxhost.cli.output import fail, put

__all__ = ["commands"]

NOT_FOUND = 127
"""What a shell exits with when there is no such program."""


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--id", "session_id", help="The session's id.")
@click.option("--title", help="The session's title.  [the command]")
@click.option("--agent", help="The kind of agent.  [the program]")
@click.option("--model", help="The model that it uses.")
@click.option("--provider", help="Whose model that is.")
@click.option(
    "--detail",
    type=click.Choice(["none", "lines"]),
    default="none",
    help="Whether its output is reported, too.",
)
@click.option("--stdin", is_flag=True, help="Pass messages on as lines of its input.")
@click.option(
    "--verbose", is_flag=True, help="Say at the end if the host did not get all events."
)
@click.option("--url", help="The host.  [SXHOST_URL, or port 7432 of this machine]")
@click.option("--token-file", help="The file of the token for it.")
@click.option("--ca", help="The file of the authorities to trust, for https:.")
def attach(command: Sequence[str], **how: Any) -> None:
    """Run any program as a session.

    Its start and its end are reported, and with --detail lines its output. Terminal, signals
    and exit status are the program's own; it runs whether there is a host or not.
    """
    if shutil.which(command[0]) is None:
        fail(NOT_FOUND, f"There is no program {command[0]!r} that could be run.")
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    statuses: list[int] = []

    async def run(reactor: Any) -> None:
        running: Deferred[None] = Deferred()
        reactor.callWhenRunning(running.callback, None)
        await running  # by then it has taken the signals that we are going to take from it
        statuses.append(await _wrapped(reactor, command, **how))

    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
    except SystemExit as done:
        if done.code:
            raise
    _end_like(statuses[0] if statuses else signal.SIGTERM)  # the reactor's own, before it began


async def _wrapped(
    reactor: Any,
    command: Sequence[str],
    *,
    url: str | None,
    token_file: str | None,
    ca: str | None,
    verbose: bool,
    detail: Any,
    stdin: bool,
    session_id: str | None,
    **about: Any,
) -> int:
    from sxhost.attach.agent import AgentSession, host_client
    from sxhost.attach.wrapper import run_wrapped

    about["title"] = about["title"] or " ".join(command)[:500]
    about["agent"] = about["agent"] or os.path.basename(command[0])[:500]  # noqa: PTH119
    environ = {**os.environ, **({"SXHOST_TOKEN_FILE": token_file} if token_file else {})}
    find = partial(host_client, reactor, url, environ, ca)
    session = AgentSession(reactor, session_id=session_id, find=find, **about)
    status = await run_wrapped(reactor, session, command, detail=detail, stdin=stdin)
    if verbose and session.outbox:
        why = session.trouble or "the host has not answered in time"
        put(f"sxhost attach: {why}", err=True)
    return status


def _end_like(status: int) -> NoReturn:
    """End as the program has ended: with its exit status, or by its signal."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


commands = (attach,)
