"""``sxhost hook``: agents' hooks installed, looked at and removed; and the hooks themselves."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins

from sxhost.cli.output import Flow, fail, put, put_json
from sxhost.config import host_url

__all__ = ["commands"]

AGENTS = click.Choice(["claude", "codex"])
FILE = click.Path(dir_okay=False, resolve_path=True)
PROJECT = click.option(
    "--project/--user", help="Use the project's settings, or yours.  [yours]"
)


@click.group()
def hook() -> None:
    """Install, show and remove hooks in agents.

    With them Claude Code and Codex report to this host what they do, and ask it.
    """


@hook.command()
@click.argument("agent", type=AGENTS)
@PROJECT
@click.option("--ask", is_flag=True, help="Ask before each use of a tool, even an allowed one.")
@click.option(
    "--wait",
    type=click.IntRange(0, 86_400),
    help="Seconds until only its own user is asked.  [23 hours beside its own dialog; else 60]",
)
@click.option(
    "--http",
    is_flag=True,
    help="Claude posts to the host itself; without a host it shows errors.",
)
@click.option(
    "--wake/--no-wake",
    default=True,
    help="Wake an idle Claude for a message, by a process that waits beside it.  [yes]",
)
@click.option("--url", help="The host.  [SXHOST_URL, or port 7432 of this machine]")
@click.option("--token-file", type=FILE, help="The file of the host's token, for the command.")
@click.option("--token-env", help="The variable with the token, for --http.  [SXHOST_TOKEN]")
@click.option("--ca", type=FILE, help="The file of the authorities to trust, for https:.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
def install(
    agent: str, *, project: bool, url: str | None, http: bool, dry_run: bool, **how: Any
) -> None:
    """Put hooks into an agent's settings."""
    from sxhost.hooks.settings import Wiring, with_our_hooks

    place = url or host_url(os.environ)
    http = http and place.startswith(("http:", "https:"))
    how["options"] = _connection_options(url, how.pop("token_file"), how.pop("ca"))
    default = "SXHOST_TOKEN" if os.environ.get("SXHOST_TOKEN") else ""
    how["token_variable"] = how.pop("token_env") or default
    wiring = Wiring(command=our_command(), url=place, http=http, **how)

    def change(what: str, text: str) -> str:
        return with_our_hooks(agent, what, text, wiring)

    _change(agent, project, change, dry_run=dry_run)
    if agent == "codex" and not dry_run:
        put("Codex asks at its next start whether it may run them: /hooks shows them.")


def _connection_options(
    url: str | None, token_file: str | None, ca: str | None
) -> Sequence[str]:
    """Return the options by which a hook's command needs no environment variables."""
    given = {"--url": url, "--token-file": token_file, "--ca": ca}
    return [word for name, value in given.items() if value for word in (name, value)]


@hook.command()
@click.argument("agent", type=AGENTS)
@PROJECT
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
def uninstall(agent: str, *, project: bool, dry_run: bool) -> None:
    """Remove our hooks from an agent's settings."""
    from sxhost.hooks.settings import without_our_hooks

    _change(agent, project, without_our_hooks, dry_run=dry_run)


@hook.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def status(*, as_json: bool) -> None:
    """List the settings files and our hooks in them."""
    from sxhost.hooks.installation import hook_settings

    for found in hook_settings(os.environ, _places()):
        if as_json:
            put_json(to_builtins(found))
            continue
        hooks = found.error or ", ".join(found.hooks) or "no hooks"
        put(f"{found.agent:<7} {found.file}: {hooks}")
        if found.missing:
            put(f"        without {', '.join(found.missing)}: {again(found.agent)}")
        if found.agent == "claude" and found.hooks and not found.wakes:
            put(f"        not woken for messages while idle: {again(found.agent)}")
        for program in found.absent:
            put(f"        {program} is not there any more: {again(found.agent)}")


def again(agent: str) -> str:
    return f"`sxhost hook install {agent}` puts that right"


def _places() -> Sequence[Path | None]:
    """Return where settings can be: the user's, and the project's if its directory is there."""
    try:
        return None, _project()
    except FileNotFoundError:
        return (None,)


def _agent_command(agent: str) -> click.Command:
    """Return the command that an agent runs; it has a module of its own, for it is in haste."""

    @click.command(agent, context_settings={"ignore_unknown_options": True})
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def run_hook(words: Sequence[str]) -> None:
        from sxhost.hooks.command import main

        sys.exit(main([agent, *words]))

    run_hook.help = f"The hook that {agent} runs, with JSON on standard input."
    return run_hook


for name in AGENTS.choices:
    hook.add_command(_agent_command(name))


def our_command() -> Sequence[str]:
    """Return the command line that runs this program from any directory and with any PATH."""
    beside = Path(sys.executable).with_name("sxhost")
    found = str(beside) if beside.exists() else shutil.which("sxhost")
    return [found] if found else [sys.executable, "-m", "sxhost"]


def _change(agent: str, project: bool, change: Any, *, dry_run: bool) -> None:
    """Change the settings files of an agent, all of them or none."""
    from sxhost.hooks.settings import BadSettings, read, settings_files, write

    files = settings_files(agent, os.environ, _project() if project else None)
    try:
        texts = {what: read(path) for what, path in files.items()}
        changed = _changed(files, texts, change)
        for what, text in changed.items():
            if dry_run:
                _put_diff(files[what], texts[what], text)
            else:
                write(files[what], text)
                put(f"{files[what]} changed")
    except BadSettings as error:
        fail(1, str(error))
    if not changed:
        put("There is nothing to change.")


def _changed(
    files: Mapping[str, Path], texts: Mapping[str, str], change: Any
) -> Mapping[str, str]:
    from sxhost.hooks.settings import BadSettings

    changed = {}
    for what, path in files.items():
        try:
            text = change(what, texts[what])
        except BadSettings as error:
            if what == "hooks":
                raise BadSettings(f"{path} stays as it is. {error}") from None
            put(f"{path} stays as it is. {error}", err=True)
            continue
        if text != texts[what]:
            changed[what] = text
    return changed


def _put_diff(path: Path, before: str, after: str) -> None:
    lines = (before.splitlines(keepends=True), after.splitlines(keepends=True))
    put(Flow("".join(unified_diff(*lines, str(path), str(path)))), nl=False)


def _project() -> Path:
    from sxhost.project import project_root

    return Path(project_root(str(Path.cwd())))


commands = (hook,)
