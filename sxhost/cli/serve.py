"""``sxhost serve``, which ``sxhost`` alone is too, and ``stdio``: a host in this process."""

from __future__ import annotations

import os
import re
import select
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from sxhost.cli.output import fail, put
from sxhost.cli.terminal import INTERRUPTED
from sxhost.daemon.serving_options import SERVING_OPTIONS

__all__ = ["become_host", "commands", "serving_options"]


def serving_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a host: those of ``twistd sxhost``, which parses them."""
    for name, options in (
        ("--daemon", {"is_flag": True, "help": "Run in the background."}),
        ("--addr -a", {"metavar": "HOST:PORT", "help": "--host and --port in one"}),
    ):
        command = click.option(*name.split(), **options)(command)
    for option in reversed(SERVING_OPTIONS):
        command = click.option(
            *(f"--{option.name}", *([f"-{option.short}"] if option.short else [])),
            is_flag=option.is_flag,
            multiple=option.repeatable,
            metavar=option.type.metavar or None,
            help=option.description,
        )(command)
    return command


@click.command()
@serving_options
def serve(**options: Any) -> None:
    """Start the host.

    It stays in the foreground, or with --daemon goes into the background. `sxhost` alone does
    the same, and takes the same options.
    """
    become_host(**options)


def become_host(*, daemon: bool, pid_file: str | None, **options: Any) -> NoReturn:
    """Become ``twistd sxhost`` with these options."""
    from pathlib import Path

    from sxhost.config import state_dir
    from sxhost.daemon.preflight import make_state_dir
    from sxhost.surroundings import leave_removed_directory

    leave_removed_directory()
    directory = Path(options["state_dir"] or state_dir(os.environ)).absolute()
    arguments = _twistd_arguments(options)
    before = ["--nodaemon"]
    if daemon:
        make_state_dir(directory)
        log = str(directory / "sxhost.log")
        before = [f"--logfile={log}"]
        pid_file = pid_file or str(directory / "sxhost.pid")
        _stay_to_report(log)
    if pid_file:
        arguments = [*arguments, f"--pid-file={pid_file}"]
    from twisted.scripts.twistd import run

    sys.argv = ["twistd", *before, "--pidfile=", "sxhost", *arguments]
    run()
    sys.exit(0)


def _stay_to_report(log: str) -> None:
    """Go on in a child, which becomes the daemon; here wait for it, and say what it has become.

    A host says what takes long at its start, and where it listens, as systemd is told it
    (sd_notify(3)), before its start is over.
    """
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    receiver.bind("")  # to a name that the kernel chooses: a NUL, and what nobody else has
    name = os.fsdecode(receiver.getsockname()[1:])
    sys.stdout.flush()
    child = os.fork()
    if not child:
        receiver.close()
        os.setsid()  # Ctrl-C is for the one that waits
        os.environ.setdefault("NOTIFY_SOCKET", f"@{name}")
        return
    try:
        said = _follow_start(child, receiver)
    except KeyboardInterrupt:
        put("The host goes on starting.", f"Log: {log}", "Stop it: sxhost stop", err=True)
        os._exit(INTERRUPTED)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 0:
        put(f"The host has started. {said}", f"Log: {log}", "Stop it: sxhost stop")
    os._exit(status if status >= 0 else 1)


def _follow_start(child: int, receiver: socket.socket) -> str:
    """Say on a terminal what a start waits for until its process ends; return its last word.

    It is empty where the host has told systemd instead.
    """
    said = ""
    ended, spoken = os.pidfd_open(child), receiver.fileno()
    while True:
        ready, _, _ = select.select([ended, spoken], [], [])
        if spoken not in ready:
            return said
        message = receiver.recv(8192).decode("utf-8", "replace")
        found = re.search(r"^STATUS=(.*)$", message, re.MULTILINE)
        said = f"{found[1]}." if found else ""
        if found and "READY=1" not in message and sys.stderr.isatty():
            put(f"{found[1]} ...", err=True)


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


commands = (serve, stdio)
