"""``sxhost``: ask a running host, or be one.

Quick commands must be quick: what only some of them need is imported where it is needed, each
command itself when it is asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from sxhost import __version__
from sxhost.cli.commands import LazyCommands
from sxhost.cli.output import put_code
from sxhost.cli.serve import become_host, serving_options
from sxhost.cli.terminal import INTERRUPTED
from sxhost.visible import escape_hidden

__all__ = ["main"]


SECTIONS: Mapping[str, Sequence[str]] = {
    "See what your agents do": (
        *("sessions", "show", "log", "transcript", "top", "events", "tail", "search"),
        *("discover", "cost"),
    ),
    "Answer what they ask": ("approvals", "approve", "deny", "answer"),
    "Run agents, and talk to them": (
        *("run", "chat", "new", "turn", "send", "steer", "interrupt", "end", "rm", "prune"),
        *("take", "give", "adopt", "wait"),
    ),
    "Bring in agents that you start yourself": (
        *("hook", "attach", "register", "fire", "pull", "emit", "trust"),
    ),
    "The host": (
        *("serve", "status", "stop", "open", "token", "audit", "policy", "notify", "store"),
        *("service", "doctor", "backup", "restore", "stdio", "completion"),
    ),
}
"""The commands by what somebody wants, in the order in which the help has them."""


class Commands(click.Group):
    """The commands; what click itself says of wrong words passes on none that are hidden."""

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in their sections."""
        room = formatter.width - 6 - max(map(len, self.commands))
        left = dict(self.commands)
        for title, names in (*SECTIONS.items(), ("Others", tuple(left))):
            found = [(name, left.pop(name)) for name in names if name in left]
            if found:
                with formatter.section(title):
                    lines = [(name, one.get_short_help_str(room)) for name, one in found]
                    formatter.write_dl(lines)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands first: who asks for help wants one of them."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def make_context(self, *given: Any, **named: Any) -> click.Context:
        """Read the words up to the command."""
        with _visible_errors():
            return super().make_context(*given, **named)

    def invoke(self, ctx: click.Context) -> Any:
        """Read the command's own, and run it."""
        with _visible_errors():
            return super().invoke(ctx)


@contextmanager
def _visible_errors() -> Iterator[None]:
    """Escape what click says of wrong words; leave without its words at Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        vars(error).update(message=escape_hidden(error.message))
        raise


@click.group(
    cls=Commands,
    commands=LazyCommands(),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="sxhost", message="%(prog)s %(version)s")
@serving_options
@click.pass_context
def sxhost(ctx: click.Context, /, **options: Any) -> None:
    """See, steer and answer every coding agent that runs for you.

    Without a command it is the host: the same as `sxhost serve`, with the same options.
    """
    given = sorted(n for n, value in ctx.params.items() if value not in (None, False, ()))
    if ctx.invoked_subcommand is None:
        become_host(**options)
    elif given:
        name = given[0].replace("_", "-")
        raise click.UsageError(f"--{name} is for serving, not for {ctx.invoked_subcommand}.")


for param in sxhost.params:  # `sxhost serve --help` shows them
    if isinstance(param, click.Option) and param.name != "version":
        param.hidden = True


@sxhost.command()
def emit() -> None:
    """Send telemetry (see sxhost emit --help)."""


@sxhost.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell's completion script."""
    from click.shell_completion import get_completion_class

    from sxhost.cli.shells import COMPLETE_VARIABLE, add_shells

    add_shells()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choices above are those that click has
    put_code(kind(sxhost, {}, "sxhost", COMPLETE_VARIABLE).source())


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; ``emit`` goes straight to its own program, which is in haste."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["emit"]:
        from sxhost.telemetry.command import main as emit_main

        sys.exit(emit_main(arguments[1:]))
    if "_SXHOST_COMPLETE" in os.environ:
        from sxhost.cli.shells import add_shells

        add_shells()
    try:
        sxhost.main(arguments, prog_name="sxhost")
    except SystemExit as done:
        _leave(done)


def _leave(done: SystemExit) -> NoReturn:
    """End the process at once: taking some 600 modules apart would cost another 80 ms."""
    if isinstance(done.code, str):
        raise done
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(done.code or 0)
