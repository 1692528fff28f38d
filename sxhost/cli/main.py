"""``sxhost``: serve, or ask a running host.

Quick commands must be quick: what only some of them need is imported where it is needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from sxhost import __version__
from sxhost.cli import agents
from sxhost.cli.admin import audit, open_dashboard, token
from sxhost.cli.attach import attach
from sxhost.cli.hooks import hook
from sxhost.cli.output import Flow, fail, put_code, put_table
from sxhost.cli.policy import policy
from sxhost.cli.terminal import (
    HostLink,
    detail_lines,
    detail_rows,
    event_line,
    linked,
    session_lines,
    status_line,
)
from sxhost.cli.trust import trust
from sxhost.visible import visible

__all__ = ["main"]


LONG_PULL = 60.0
"""Seconds of one pull while waiting: less than what proxies cut."""


class Commands(click.Group):
    """The commands; what click itself says of wrong words passes on none that are hidden."""

    def make_context(self, *given: Any, **named: Any) -> click.Context:
        """Read the words up to the command."""
        with _shown():
            return super().make_context(*given, **named)

    def invoke(self, ctx: click.Context) -> Any:
        """Read the command's own, and run it."""
        with _shown():
            return super().invoke(ctx)


@contextmanager
def _shown() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        vars(error).update(message=visible(error.message))
        raise


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="sxhost", message="%(prog)s %(version)s")
@click.option("--port", "-p", help="TCP port to listen on.  [7432]")
@click.option("--host", help="Address to listen on.  [127.0.0.1]")
@click.option("--addr", "-a", metavar="HOST:PORT", help="Both in one.")
@click.option("--listen", multiple=True, metavar="ENDPOINT", help="A Twisted endpoint.")
@click.option("--state-dir", help="Directory for what must not be forgotten.")
@click.option("--store", help="sqlite, sqlite:PATH or memory:.  [sqlite]")
@click.option("--durability", help="What a write survives: power or process.  [power]")
@click.option("--retain", help="Events kept on disk for each session.  [10000]")
@click.option("--retain-days", help="Days for which they are kept.  [7]")
@click.option("--max-sessions", help="Sessions held at once.  [1024]")
@click.option("--max-events", help="Events buffered for each session.  [256]")
@click.option("--max-messages", help="Messages waiting for one agent.  [32]")
@click.option("--max-message-size", help="Bytes of one message.  [8192]")
@click.option("--limit", multiple=True, metavar="NAME=VALUE", help="Any limit of /status.")
@click.option("--log-level", help="debug, info, warn, error or critical.  [info]")
@click.option("--emit-content", help="Of telemetry: full, redacted or none.  [full]")
@click.option("--policy", help="File of rules that answer agents' questions.")
@click.option("--agent-root", multiple=True, metavar="DIR", help="Where agents may work.")
@click.option("--agent-env", multiple=True, metavar="WORD", help="What agents get to see.")
@click.option("--stall-after", help="Seconds of silence that stall a turn.  [300]")
@click.option("--resume-at-boot", is_flag=True, help="Start hosted agents again.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="A name of this host.")
@click.option("--allow-origin", multiple=True, metavar="URL", help="A page that may ask.")
@click.option("--require-token", is_flag=True, help="Ask this user for a token, too.")
@click.option("--no-token", is_flag=True, help="Ask nobody for a token.")
@click.option("--log-format", help="text, json or combined.  [text]")
@click.option("--tls-cert", help="File of the certificate and its chain; TCP speaks TLS.")
@click.option("--tls-key", help="File of the certificate's key.")
@click.option(
    "--dangerously-bypass-approvals-and-sandbox",
    metavar="true|false",
    help="Whether Codex asks nobody for POST /messages.  [false]",
)
@click.option("--daemon", is_flag=True, help="Run in the background.")
@click.option("--pid-file", help="Where the daemon writes its process id.")
@click.pass_context
def sxhost(ctx: click.Context, /, daemon: bool, pid_file: str | None, **options: Any) -> None:
    """See, steer and answer every coding agent that runs for you.

    Without a command, serve: in the foreground, or with --daemon in the background.
    """
    given = sorted(n for n, value in ctx.params.items() if value not in (None, False, ()))
    if ctx.invoked_subcommand is None:
        serve(daemon, pid_file, options)
    elif given:
        name = given[0].replace("_", "-")
        raise click.UsageError(f"--{name} is for serving, not for {ctx.invoked_subcommand}.")


def serve(daemon: bool, pid_file: str | None, options: dict[str, Any]) -> NoReturn:
    """Become ``twistd sxhost`` with these options."""
    from pathlib import Path

    from twisted.scripts.twistd import run

    from sxhost.config import state_dir
    from sxhost.daemon.preflight import make_state_dir

    place = Path(options["state_dir"] or state_dir(os.environ)).absolute()
    words = _words(options)
    before = ["--nodaemon"]
    if daemon:
        make_state_dir(place)
        before = [f"--logfile={place / 'sxhost.log'}"]
        pid_file = pid_file or str(place / "sxhost.pid")
    if pid_file:
        words = [*words, f"--pid-file={pid_file}"]
    sys.argv = ["twistd", *before, "--pidfile=", "sxhost", *words]
    run()
    sys.exit(0)


def _words(options: dict[str, Any]) -> list[str]:
    """Write options as the words of a ``twistd sxhost`` command line."""
    address = options.pop("addr")
    if address is not None:
        if options["host"] is not None or options["port"] is not None:
            fail(2, "--addr stands in place of --host and --port.")
        host, _, port = address.rpartition(":")
        if not (host and port):
            fail(2, f"--addr is written HOST:PORT, not {address!r}.")
        options |= {"host": host.strip("[]"), "port": port}
    words = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, tuple):
            words += [f"{option}={one}" for one in value]
        elif value is True:
            words.append(option)
        elif value not in (None, False):
            words.append(f"{option}={value}")
    return words


@sxhost.command()
@linked
def status(link: HostLink) -> None:
    """Say how the host is."""
    found = link.ask(lambda host: host.status())
    link.show(found, status_line(found))


@sxhost.command()
@click.option(
    "--state", default="", help="Only these: active, idle, working, waiting, stalled, …"
)
@click.option("--label", default="", metavar="NAME:VALUE", help="Only those with this label.")
@linked
def sessions(link: HostLink, state: str, label: str) -> None:
    """List sessions."""
    from sxhost.model.session import SessionQuery

    query = SessionQuery(state=state, label=label)
    found = link.ask(lambda host: host.sessions(query))
    link.show(found, *session_lines(found))


@sxhost.command()
@click.argument("session_id", metavar="ID")
@linked
def show(link: HostLink, session_id: str) -> None:
    """Tell all about a session."""
    found = link.ask(lambda host: host.session(session_id))
    if sys.stdout.isatty() and not link.json:
        put_table(detail_rows(found))
    else:
        link.show(found, *detail_lines(found))


@sxhost.command()
@click.argument("session_id", metavar="ID")
@click.argument("text")
@click.option("--mode", type=click.Choice(["auto", "interrupt", "queue"]), default="auto")
@linked
def send(link: HostLink, session_id: str, text: str, mode: Any) -> None:
    """Queue a message for a session's agent; TEXT may be - for standard input."""
    from sxhost.model.session import MessageDraft

    draft = MessageDraft(content=_or_stdin(text), mode=mode)
    sent = link.ask(lambda host: host.send(session_id, draft))
    link.show(sent, f"Message {sent.id} queued for {session_id} ({sent.queued} waiting)")


@sxhost.command()
@linked
def stop(link: HostLink) -> None:
    """Stop the host in order."""
    link.show(link.ask(lambda host: host.stop()), "Host stopping")


@sxhost.command(context_settings={"ignore_unknown_options": True})
@click.option("--connect", "url", metavar="URL", help="Of this host, in place of one inside.")
@click.option("--token-file", metavar="FILE", help="Where the token for it is.")
@click.option("--ca", metavar="FILE", help="Authorities to believe, for https:.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def stdio(
    url: str | None, token_file: str | None, ca: str | None, options: tuple[str, ...]
) -> None:
    """Speak the multiplexer's protocol: JSON lines on stdin and stdout.

    OPTIONS are those of serving (--state-dir, --store, …), for a host inside.
    """
    from sxhost.cli import stdio as piped

    if url is None:
        piped.serve(options)
    if options:
        fail(2, f"{options[0]} is for a host inside, not for --connect.")
    from sxhost.auth.client_tokens import given_token, own_token

    try:
        token = given_token(token_file, os.environ) or own_token(url, os.environ)
    except ValueError as error:
        fail(2, str(error))
    piped.connect(url, token, ca or os.environ.get("SXHOST_CA"))


@sxhost.command()
@click.argument("session_id", metavar="ID")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is new.")
@click.option("--after", default="", help="A cursor, or the number after which to begin.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@click.option("--types", default="", metavar="A,B", help="Only these events.")
@linked
def events(
    link: HostLink, session_id: str, *, follow: bool, after: str, limit: int | None, types: str
) -> None:
    """Print a session's events."""
    if follow:
        from sxhost.cli.follow import watch

        how: dict[str, Any] = {"after": after, "types": _list(types)}
        watch(link, lambda host, told: host.subscribe(session_id, **how, **told), limit)
        return
    from sxhost.model.names import ALL
    from sxhost.model.session import EventQuery

    query = EventQuery(after=after, limit=limit or ALL, types=types)
    found = link.ask(lambda host: host.events(session_id, query))
    link.show(found, *map(event_line, found))


@sxhost.command()
@click.option("--session", default="", metavar="A,B", help="Only these sessions.")
@click.option("--label", default="", metavar="NAME:VALUE", help="Only those with this label.")
@click.option("--types", default="", metavar="A,B", help="Only these events.")
@click.option("--after", default="now", help="A cursor, or the id after which to begin.  [now]")
@click.option("--state", is_flag=True, help="Also tell states, and how they change.")
@linked
def tail(link: HostLink, session: str, types: str, **how: Any) -> None:
    """Print the events of all sessions as they come."""
    from sxhost.cli.follow import watch

    how |= {"sessions": _list(session), "types": _list(types)}
    watch(link, lambda host, told: host.subscribe(**how, **told), names=True)


@sxhost.command()
@click.argument("session_id", metavar="ID")
@click.argument("event")
@click.argument("data", required=False)
@click.option("--raw", is_flag=True, help="DATA is JSON, not a text.")
@click.option("--key", help="Makes a repeated call harmless.")
@linked
def fire(
    link: HostLink, session_id: str, event: str, data: str | None, *, raw: bool, key: str
) -> None:
    """Fire an event of a session; DATA may be - for standard input."""
    from sxhost.model.session import EventDraft

    text = None if data is None else _or_stdin(data)
    draft = EventDraft(event=event, data=_json(text) if raw else text, key=key)
    fired = link.ask(lambda host: host.fire(session_id, draft))
    link.show(fired, f"{session_id} event {fired.seq}: {event}")


@sxhost.command()
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
    """Create a session, or update what is given of it."""
    from sxhost.model.session import Registration

    given = dict(label.partition(":")[::2] for label in labels)
    if not all(":" in label[1:] for label in labels):
        fail(2, "A label is written NAME:VALUE.")
    registration = Registration(labels=given or None, **fields)
    done = link.ask(lambda host: host.register(session_id, registration))
    link.show(done, f"{session_id} {'registered' if done.created else 'updated'}")


@sxhost.command()
@click.argument("session_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until there is a message.")
@linked
def pull(link: HostLink, session_id: str, wait: bool) -> None:
    """Take a session's messages and print them."""
    from sxhost.model.session import PullQuery

    async def take(host: Any) -> list[Any]:
        messages = await host.pull(session_id, PullQuery(wait=LONG_PULL if wait else 0))
        while wait and not messages:
            messages = await host.pull(session_id, PullQuery(wait=LONG_PULL))
        return list(messages)

    found = link.ask(take)
    link.show(found, *(Flow(message.content) for message in found))


@sxhost.command()
@click.argument("session_id", metavar="ID")
@linked
def rm(link: HostLink, session_id: str) -> None:
    """End a session and forget it."""
    link.show(link.ask(lambda host: host.forget(session_id)), f"{session_id} forgotten")


@sxhost.command()
def emit() -> None:
    """Send a telemetry event; `sxhost emit --help` has its options."""


for command in agents.commands:
    sxhost.add_command(command)
sxhost.add_command(token)
sxhost.add_command(open_dashboard)
sxhost.add_command(policy)
sxhost.add_command(hook)
sxhost.add_command(attach)
sxhost.add_command(audit)
sxhost.add_command(trust)


@sxhost.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell, to be sourced by it."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choices above are those that click has
    put_code(kind(sxhost, {}, "sxhost", "_SXHOST_COMPLETE").source())


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; ``emit`` goes straight to its own program, which is in haste."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["emit"]:
        from sxhost.telemetry.command import main as emit_main

        sys.exit(emit_main(words[1:]))
    try:
        sxhost.main(words, prog_name="sxhost")
    except SystemExit as done:
        _leave(done)


def _leave(done: SystemExit) -> NoReturn:
    """End the process at once: taking some 600 modules apart would cost another 80 ms."""
    if isinstance(done.code, str):
        raise done
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(done.code or 0)


def _list(words: str) -> list[str]:
    return list(filter(None, words.split(",")))


def _or_stdin(text: str) -> str:
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        fail(2, "Standard input is not UTF-8.")


def _json(text: str | None) -> Any:
    from sxhost.codec.json import decode
    from sxhost.errors import HostError

    try:
        return decode((text or "null").encode(), object)
    except HostError as error:
        fail(2, error.message)
