"""Whether our hooks are installed for agents, and whether they are still good."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from sxhost.hooks.command import LISTEN
from sxhost.hooks.settings import (
    CLAUDE_HOOKS,
    CODEX_HOOKS,
    BadSettings,
    our_hooks,
    read,
    settings_files,
)

__all__ = ["HookSettings", "hook_settings"]


class HookSettings(Struct, frozen=True, kw_only=True):
    """One settings file of an agent, and what it has of our hooks."""

    agent: str
    file: str
    hooks: list[str]
    """The hooks in it that are ours; none: they are not installed."""
    missing: list[str] = []
    """Hooks that this version of sxhost has besides: the file was written by an older one."""
    absent: list[str] = []
    """Programs that its hooks run and that are not there any more."""
    wakes: bool = False
    """Whether its agent is woken for a message while it is idle."""
    error: str = ""
    """Why the file cannot be understood, in a sentence."""


def hook_settings(
    environ: Mapping[str, str], places: Sequence[Path | None] = (None,)
) -> Iterator[HookSettings]:
    """Yield what the settings files of all agents have of our hooks.

    :param places: directories of projects; None stands for the user's own settings.
    """
    for agent, names in (("claude", CLAUDE_HOOKS), ("codex", CODEX_HOOKS)):
        # In the user's home, the project's file and the user's may be one.
        files = {
            path: what
            for place in places
            for what, path in settings_files(agent, environ, place).items()
        }
        for path, what in files.items():
            yield _look_at(agent, what, path, names)


def _look_at(agent: str, what: str, path: Path, names: Sequence[str]) -> HookSettings:
    try:
        found = our_hooks(what, read(path))
    except BadSettings as error:
        return HookSettings(agent=agent, file=str(path), hooks=[], error=str(error))
    commands = [_words(hook) for hooks in found.values() for hook in hooks]
    expected = names if found and what == "hooks" else ()
    return HookSettings(
        agent=agent,
        file=str(path),
        hooks=list(found),
        missing=[name for name in expected if name not in found],
        absent=sorted({words[0] for words in commands if words and _gone(words[0])}),
        wakes=any(LISTEN in words for words in commands),
    )


def _words(hook: Mapping[str, Any]) -> list[str]:
    """Return the words of a hook's command, the first of which is its program."""
    command = hook.get("command")
    try:
        return shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        return []


def _gone(program: str) -> bool:
    return program.startswith("/") and not Path(program).exists()
