"""``sxhost service``: the host as a service of this user, there after a reboot."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click

from sxhost.cli.hooks import our_command
from sxhost.cli.output import Flow, fail, put
from sxhost.config import state_dir

__all__ = ["Manager", "commands", "launchd", "systemd"]

MARK: Final = "Written by `sxhost service install`"
"""Is in each file of ours: no other one is replaced or removed."""

PLAIN: Final = re.compile(r"[\w/.+@:-]+", re.ASCII)
"""What systemd takes for the name of a program."""

WITHIN_S: Final = 60
"""Seconds that the system's service manager may take."""


class Manager(NamedTuple):
    """What a system starts services with: a file, and what is told after it was written."""

    file: Path
    text: str
    start: Sequence[Sequence[str]]
    stop: Sequence[Sequence[str]]
    """Told before the file is removed."""
    hint: str


def systemd(words: Sequence[str], environ: Mapping[str, str]) -> Manager:
    """Return a unit of systemd's manager of this user.

    :param words: the command line of the host.
    """
    if not PLAIN.fullmatch(words[0]):  # systemd takes no other one for a program
        words = ["/usr/bin/env", *words]
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ["HOME"], ".config"))
    settings = {
        "Type": "notify",
        "NotifyAccess": "main",
        "Environment": _quoted(f"PATH={environ.get('PATH', os.defpath)}"),
        "ExecStart": " ".join(_quoted(word).replace("$", "$$") for word in words),
        "ExecReload": "/bin/kill -HUP $MAINPID",
        "WatchdogSec": "30",
        "Restart": "on-failure",
        "RestartSec": "1",
        "RestartPreventExitStatus": "2",
        "TimeoutStopSec": "20",
        "KillMode": "mixed",
        "UMask": "0077",
    }
    lines = [
        f"# {MARK}.",
        "[Unit]",
        "Description=sxhost, the session gateway for coding agents",
    ]
    lines += ["", "[Service]", *(f"{name}={value}" for name, value in settings.items())]
    lines += ["", "[Install]", "WantedBy=default.target", ""]
    ask = ("systemctl", "--user")
    return Manager(
        home / "systemd" / "user" / "sxhost.service",
        "\n".join(lines),
        [(*ask, "daemon-reload"), (*ask, "enable", "--now", "sxhost")],
        [(*ask, "disable", "--now", "sxhost")],
        "It runs while you are logged in; `loginctl enable-linger` has it run without.",
    )


def launchd(words: Sequence[str], environ: Mapping[str, str]) -> Manager:
    """Return an agent of launchd for this user."""
    log = str(state_dir(environ) / "sxhost.log")
    agent = {
        "Label": "sxhost",
        "ProgramArguments": [*words],
        "EnvironmentVariables": {"PATH": environ.get("PATH", os.defpath)},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ExitTimeOut": 20,
        "ProcessType": "Interactive",
        "Umask": 0o077,
        "StandardOutPath": log,
        "StandardErrorPath": log,
        "Comment": f"{MARK}.",
    }
    file = Path(environ["HOME"], "Library", "LaunchAgents", "sxhost.plist")
    domain = f"gui/{os.getuid()}"
    return Manager(
        file,
        plistlib.dumps(agent).decode(),
        [("launchctl", "bootstrap", domain, str(file))],
        [("launchctl", "bootout", f"{domain}/sxhost")],
        f"Its log is {log}.",
    )


def _quoted(word: str) -> str:
    """Return a word as it stands in a unit, whatever is in it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


@click.group()
def service() -> None:
    """Have the host run as a service of yours.

    By systemd, or by launchd on a Mac: it is there after a reboot, without root.
    """


@service.command(context_settings={"ignore_unknown_options": True})
@click.option("--dry-run", is_flag=True, help="Only print what would be written and run.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def install(options: Sequence[str], *, dry_run: bool) -> None:
    """Install it, and start it.

    OPTIONS are those of serving: sxhost service install --port 7433. Again it replaces what
    it has installed.
    """
    manager = _manager(options)
    if dry_run:
        put(f"{manager.file}:", Flow(manager.text))
        put(*(" ".join(command) for command in manager.start))
        return
    _refuse_foreign(manager.file)
    replaced = manager.file.exists()
    manager.file.parent.mkdir(parents=True, exist_ok=True)
    manager.file.write_text(manager.text, encoding="utf-8")
    if replaced:
        _run(manager.stop, fails=lambda _: None)
    _run(manager.start, fails=lambda words: fail(1, f"{manager.file} is written, but {words}"))
    put(f"{manager.file} is written, and the host is started.", manager.hint)


@service.command()
@click.option("--dry-run", is_flag=True, help="Only print what would be run and removed.")
def uninstall(*, dry_run: bool) -> None:
    """Stop it, and remove it; the log and all that it has stay."""
    manager = _manager(())
    if not manager.file.exists():
        put("There is nothing to remove.")
        return
    _refuse_foreign(manager.file)
    if dry_run:
        put(*(" ".join(command) for command in manager.stop), f"rm {manager.file}")
        return
    _run(manager.stop, fails=lambda words: put(f"Not stopped: {words}", err=True))
    manager.file.unlink()
    put(f"{manager.file} is removed.")


def _manager(options: Sequence[str]) -> Manager:
    """Return the manager that this system has; end the process if it has none that we know."""
    words = [*our_command(), "serve", *options]
    if not os.environ.get("HOME"):
        fail(1, "HOME is not set: nobody knows whose service it would be.")
    if shutil.which("launchctl"):
        return launchd(words, os.environ)
    if not shutil.which("systemctl"):
        fail(1, "This system has neither systemd nor launchd: take `sxhost --daemon`.")
    return systemd(words, os.environ)


def _refuse_foreign(file: Path) -> None:
    if file.exists() and MARK not in file.read_text(encoding="utf-8", errors="replace"):
        fail(1, f"{file} was not written by sxhost, and stays as it is.")


def _run(told: Sequence[Sequence[str]], fails: Callable[[str], object]) -> None:
    """Tell the service manager what to do; say what it refuses."""
    for command in told:
        try:
            done = subprocess.run(  # noqa: S603 - the system's own, by its name
                command, capture_output=True, text=True, timeout=WITHIN_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            fails(f"{command[0]} does not answer: {error}")
            return
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"it ended with status {done.returncode}"
            fails(f"`{' '.join(command)}` says: {said}")
            return


commands = (service,)
