"""``sxhost`` without a command, and ``sxhost stdio``: a host in this process."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from sxhost.cli.output import fail
from sxhost.daemon.serving_options import SERVING_OPTIONS

__all__ = ["serve", "serving_options", "stdio"]


def serving_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of ``twistd sxhost``, unchecked: that parses them."""
    for option in reversed(SERVING_OPTIONS):
        command = click.option(
            *(f"--{option.name}", *([f"-{option.short}"] if option.short else [])),
            is_flag=option.is_flag,
            multiple=option.repeatable,
            metavar=option.type.metavar or None,
            help=option.description,
        )(command)
    return command


def serve(daemon: bool, pid_file: str | None, options: dict[str, Any]) -> NoReturn:
    """Become ``twistd sxhost`` with these options."""
    from pathlib import Path

    from twisted.scripts.twistd import run

    from sxhost.config import state_dir
    from sxhost.daemon.preflight import make_state_dir
    from sxhost.surroundings import leave_removed_directory

    leave_removed_directory()
    directory = Path(options["state_dir"] or state_dir(os.environ)).absolute()
    arguments = _twistd_arguments(options)
    before = ["--nodaemon"]
    if daemon:
        make_state_dir(directory)
        before = [f"--logfile={directory / 'sxhost.log'}"]
        pid_file = pid_file or str(directory / "sxhost.pid")
    if pid_file:
        arguments = [*arguments, f"--pid-file={pid_file}"]
    sys.argv = ["twistd", *before, "--pidfile=", "sxhost", *arguments]
    run()
    sys.exit(0)


def _twistd_arguments(options: dict[str, Any]) -> list[str]:
    """Return options as the arguments of a ``twistd sxhost`` command line."""
    address = options.pop("addr")
    if address is not None:
        if options["host"] is not None or options["port"] is not None:
            fail(2, "--addr stands in place of --host and --port.")
        host, _, port = address.rpartition(":")
        if not (host and port):
            fail(2, f"--addr is written HOST:PORT, not {address!r}.")
        options |= {"host": host.strip("[]"), "port": port}
    arguments = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, tuple):
            arguments += [f"{option}={each}" for each in value]
        elif value is True:
            arguments.append(option)
        elif value not in (None, False):
            arguments.append(f"{option}={value}")
    return arguments


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--connect", "url", metavar="URL", help="Connect to a running host, in place of one inside."
)
@click.option("--token-file", metavar="FILE", help="The file of the token for it.")
@click.option("--ca", metavar="FILE", help="The file of the authorities to trust, for https:.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def stdio(
    url: str | None, token_file: str | None, ca: str | None, options: tuple[str, ...]
) -> None:
    """Speak the multiplexer's protocol on stdin/out.

    Commands and answers are lines of JSON.
    It joins the host that runs already, or starts one inside. OPTIONS are those of serving
    (--state-dir, --store, …).
    """
    from sxhost.cli import stdio as piped
    from sxhost.surroundings import leave_removed_directory

    if url is None:
        leave_removed_directory()
        piped.serve(options)
    if options:
        fail(2, f"{options[0]} is for a host inside, not for --connect.")
    from sxhost.auth.client_tokens import given_token, own_host_token

    url = re.sub(r"\Aws(s?):", r"http\1:", url)  # as WebSockets' own clients are told
    try:
        token = given_token(token_file, os.environ) or own_host_token(url, os.environ)
    except ValueError as error:
        fail(2, str(error))
    piped.connect(url, token, ca or os.environ.get("SXHOST_CA"))
