"""Commands for hosted agents: start one, tell it what to do, end it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from sxhost.cli.bulk import Action, do_to_named
from sxhost.cli.completion import complete_agent
from sxhost.cli.filters import filter_options
from sxhost.cli.names import (
    find_session,
    on_session,
    session_argument,
    sessions_argument,
)
from sxhost.cli.output import fail
from sxhost.cli.terminal import INTERRUPTED, HostLink, linked, text_or_stdin
from sxhost.cli.words import WordsCommand

if TYPE_CHECKING:
    from sxhost.client.host import HostClient
    from sxhost.model.session import Done, SessionQuery
    from sxhost.model.turn import Launch, Submitted, Turn

__all__ = [
    "commands",
    "launch_from_options",
    "launch_options",
]


STOP_LOOK_S, STOP_LOOKS = 0.1, 50
"""Seconds between two looks whether a turn that was told to stop has, and how many."""


LAUNCH_OPTIONS = (
    click.option("--id", help="The new session's id."),
    click.option("--cwd", help="Its working directory.  [this one]"),
    click.option("--model", help="The model that it uses.  [the agent's usual one]"),
    click.option("--provider", help="Whose model that is."),
    click.option("--effort", help="How much it thinks: low, medium, high, …"),
    click.option(
        "--approval-policy",
        metavar="NAME",
        help="When it asks: on-request, never, …; agents have their own names.",
    ),
    click.option(
        "--sandbox",
        metavar="NAME",
        help="What it may do without asking: read-only, workspace-write, …",
    ),
    click.option("--title", help="What the session is about, for lists."),
    click.option("--resume", metavar="ID", help="Resume the agent's conversation of this id."),
    click.option(
        "--command",
        metavar="WORDS",
        help="The program to start, in place of the usual one.",
    ),
    click.option(
        "--env",
        multiple=True,
        metavar="NAME=VALUE",
        help="A variable of its environment; repeatable.",
    ),
    click.option(
        "--label",
        "labels",
        multiple=True,
        metavar="NAME:VALUE",
        help="A label of the session; repeatable.",
    ),
    click.option("--native", metavar="JSON", help="Options of this agent alone, as JSON."),
)
"""The options that say how an agent is started, but for its name."""


def launch_options(
    command: Callable[..., None], *, required: bool = True
) -> Callable[..., None]:
    """Give a command the options that say how an agent is started.

    :param required: whether the agent has to be named.
    """
    agent = click.option(
        "--agent",
        required=required,
        help="codex, pi, claude, opencode, gemini, echo, …; acp with --command.",
        shell_complete=complete_agent,
    )
    for option in reversed((agent, *LAUNCH_OPTIONS)):
        command = option(command)
    return command


def launch_from_options(prompt: str | None, options: dict[str, Any]) -> Launch:
    """Return the launch that these options describe; exit with 2 if they are malformed."""
    import os
    import shlex

    from sxhost.codec.json import decode
    from sxhost.errors import HostError
    from sxhost.model.turn import Launch

    env = dict(word.partition("=")[::2] for word in options.pop("env"))
    labels = dict(word.partition(":")[::2] for word in options.pop("labels"))
    command, native = options.pop("command"), options.pop("native")
    options["cwd"] = os.path.abspath(options["cwd"] or ".")  # noqa: PTH100 - links stay
    try:
        program = shlex.split(command) if command else None
        native_options: dict[str, Any] = decode((native or "{}").encode(), dict[str, Any])
    except (HostError, ValueError) as error:
        fail(2, f"This cannot be understood: {error}.")
    return Launch(
        prompt=prompt, command=program, env=env, labels=labels, native=native_options, **options
    )


wait_option = click.option(
    "--wait/--no-wait",
    default=None,
    help="Show the answer as it comes, to the end of the turn.  [at a terminal]",
)


def waits(link: HostLink, wait: bool | None) -> bool:
    """Return whether a turn is waited for: as was said, else at a terminal."""
    return wait if wait is not None else sys.stdout.isatty() and not link.json


def exit_with_turn(status: str) -> None:
    """End the process with 1 if a turn that was waited for has not completed."""
    sys.exit(0 if status in ("", "completed") else 1)


@click.command(cls=WordsCommand)
@click.argument("prompt", required=False)
@launch_options
@wait_option
@linked
def new(link: HostLink, prompt: str | None, wait: bool | None, **options: Any) -> None:
    """Start an agent in a new session.

    PROMPT is its first turn; - reads standard input.  The agent stays; `run` ends it after
    the turn.
    """
    first = None if prompt is None else text_or_stdin(prompt)
    launch = launch_from_options(first, options)

    async def start(host: HostClient) -> str:
        from sxhost.cli.turns import follow_turn, put_heading

        made = await host.start(launch)
        begun = made.turn
        if begun is None or not waits(link, wait):
            link.show(made, made.session.id)
            return ""

        async def begin() -> Turn:
            return begun

        put_heading(link, made.session)
        return await follow_turn(link, host, made.session.id, begin, after="0")

    exit_with_turn(link.run_with_client(start))


@click.command(cls=WordsCommand)
@session_argument
@click.argument("text")
@click.option("--model", help="Another model, from this turn on.")
@click.option("--effort", help="How much it thinks, from this turn on: low, medium, …")
@wait_option
@linked
def turn(link: HostLink, session_id: str, text: str, wait: bool | None, **options: Any) -> None:
    """Begin a turn of a hosted agent.

    TEXT may be - for standard input.
    """
    from sxhost.model.turn import TurnDraft

    draft = TurnDraft(input=text_or_stdin(text), **options)

    async def submit(host: HostClient, name: str) -> tuple[str, Submitted]:
        return await on_session(host, name, lambda one: host.submit(one, draft))

    async def follow(host: HostClient) -> str:
        from sxhost.cli.turns import follow_turn

        found = await find_session(host, session_id)

        async def begin() -> Turn:
            return (await submit(host, found))[1].turn

        return await follow_turn(link, host, found, begin)

    if waits(link, wait):
        exit_with_turn(link.run_with_client(follow))
    found, begun = link.run_with_client(lambda host: submit(host, session_id))
    link.show(begun, f"{found} turn {begun.turn.id}: {begun.turn.status}")


@click.command(cls=WordsCommand)
@session_argument
@click.argument("text")
@linked
def steer(link: HostLink, session_id: str, text: str) -> None:
    """Add to the running turn.

    An agent that the host does not run gets it as an urgent message; the answer says when it
    is heard.  TEXT may be - for standard input.
    """
    from sxhost.model.turn import SteerDraft

    draft = SteerDraft(input=text_or_stdin(text))
    found, done = link.run_with_client(
        lambda host: on_session(host, session_id, lambda one: host.steer(one, draft))
    )
    link.show(done, f"{found} {done.note or 'steered'}")


@click.command()
@sessions_argument
@filter_options
@linked
def interrupt(link: HostLink, names: Sequence[str], query: SessionQuery) -> None:
    """Stop the running turns of sessions.

    They are named, or chosen by the options from those that are active.
    """

    async def act(host: HostClient, session_id: str) -> Done:
        from sxhost.errors import AgentFailed

        done = await host.interrupt(session_id)
        if not await is_turn_over(link, host, session_id):
            raise AgentFailed("It was told to stop, but its turn still runs.")
        return done

    action = Action(act, "interrupted", concerns=lambda session: session.state == "active")
    do_to_named(link, names, query, action)


async def is_turn_over(link: HostLink, host: HostClient, session_id: str) -> bool:
    """Return whether a turn that was told to stop does so soon; if we may not look, True."""
    from contextlib import suppress

    from twisted.internet.task import deferLater

    from sxhost.errors import HostError

    with suppress(HostError):
        for _ in range(STOP_LOOKS):
            turn = (await host.session(session_id)).turn
            if turn is None or turn.status != "running":
                break
            await deferLater(link.reactor, STOP_LOOK_S)
        else:
            return False
    return True


@click.command()
@sessions_argument
@filter_options
@linked
def end(link: HostLink, names: Sequence[str], query: SessionQuery) -> None:
    """End agents, and keep their logs.

    They are named, or chosen by the options from those that the host runs.  A turn or a
    message starts them again.
    """

    async def act(host: HostClient, session_id: str) -> Done:
        return await host.end(session_id)

    action = Action(act, "ended", concerns=lambda one: one.kind == "hosted" and not one.rest)
    do_to_named(link, names, query, action)


@click.command(cls=WordsCommand)
@click.argument("prompt")
@partial(launch_options, required=False)
@click.option("--keep", is_flag=True, help="Leave the agent running at the end.")
@click.option("--rm", is_flag=True, help="Delete the session at the end, with its log.")
@linked
def run(link: HostLink, prompt: str, *, keep: bool, rm: bool, **options: Any) -> None:
    """Start an agent, follow a turn of it, and end it.

    It asks you at the terminal what the agent asks, and exits with 1 if the turn fails.  The
    session and its log stay: with --id the same session goes on, and --agent is not needed.
    """
    from sxhost.cli.run import Run

    if keep and rm:
        raise click.UsageError("--keep and --rm exclude each other.")
    if not (options["agent"] or options["id"]):
        raise click.UsageError("Missing option '--agent', or '--id' of a session that goes on.")
    in_place, options["agent"] = bool(options["cwd"]), options["agent"] or ""
    launch = launch_from_options(None, options)
    one = Run(link, launch, text_or_stdin(prompt), in_place=in_place)
    status = link.run_with_client(lambda host: one.run(host, keep=keep, forget=rm))
    sys.exit(INTERRUPTED if one.interrupted else 0 if status == "completed" else 1)


@click.command()
@session_argument
@linked
def chat(link: HostLink, session_id: str) -> None:
    """Talk with a session's agent, line by line.

    Each line is a turn of an agent that the host runs; other agents get it as a message, and
    you are told when it is heard.  What the agent asks is asked here.  Ctrl-C interrupts the
    turn, and leaves the second time; the agent goes on.
    """
    from sxhost.cli.chat import Chat

    async def talk(host: HostClient) -> int:
        _, session = await on_session(host, session_id, host.session)
        return await Chat(link, host, session).talk()

    sys.exit(link.run_with_client(talk))


commands = (new, turn, chat, steer, interrupt, end, run)
