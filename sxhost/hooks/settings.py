"""The settings files of Claude Code and Codex: our hooks put in, found, taken out again.

Everything else in a file stays as it is, byte for byte; the file before is kept beside it.
"""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from sxhost import files
from sxhost.codec.json_edit import NotJSON, append_value, remove_values, value_at
from sxhost.hooks.command import LISTEN
from sxhost.hooks.connection import is_local
from sxhost.hooks.deadline import default_wait
from sxhost.hooks.listener import WAKE_MESSAGE, WAKE_SUMMARY

__all__ = [
    "CLAUDE_HOOKS",
    "BadSettings",
    "Wiring",
    "our_hooks",
    "settings_files",
    "with_our_hooks",
    "without_our_hooks",
    "write",
]

BACKUP: Final = ".sxhost-backup"
ANSWER_S: Final = 5
"""Seconds that Claude waits for an answer that needs nobody's decision."""

MINUTES_FROM_S: Final = 180
"""Seconds from which on a time is shown in minutes."""

DECISION_MARGIN_S: Final = 10
"""Seconds that it waits longer than the host does for a decision."""

CLAUDE_HOOKS: Final = (
    *("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure"),
    *("PermissionRequest", "Notification", "Stop", "StopFailure", "SubagentStart"),
    *("SubagentStop", "PreCompact", "SessionEnd"),
)
CODEX_HOOKS: Final = (
    *("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PermissionRequest"),
    *("Stop", "SubagentStart", "SubagentStop", "PreCompact"),
)
OURS: Final = re.compile(r"/hooks/(claude|codex)(\?|\Z)|sxhost\S{0,255} hook (claude|codex)\b")
_WORDS = r"""(?:[^\]"']|"(?:\\.|[^"\\])*"|'[^'\n]*')*?"""
NOTIFY: Final = re.compile(
    rf"""^notify\s*=\s*\[{_WORDS}["']hook["']\s*,\s*["']codex["']{_WORDS}\][^\n]*(?:\n|\Z)""",
    re.MULTILINE,
)
"""Our ``notify``, also as somebody has written it in more than one line."""
ONLY_COMMANDS: Final = ("SessionStart", "SessionEnd")
"""The first knows no HTTP; the other complains aloud where nobody answers."""

ASKS_AGAIN: Final = "PermissionRequest"
"""Only a command asks again when the host has been away."""

TELL_LINES: Final = ("Stop", "StopFailure")
"""Only a command sends the agent's own lines along, which a host elsewhere cannot read."""

USUAL_VARIABLE: Final = "SXHOST_TOKEN"
"""The variable in which a command finds a token, too."""

LISTENS_FROM: Final = ("SessionStart", "UserPromptSubmit")
"""Hooks of Claude that have a listener beside them: whenever it falls idle, one is there.

It is armed as a turn begins, and not as it ends: after Esc no hook tells of the end.
"""

LISTEN_S: Final = 2_000_000
"""Seconds that a listener may take, 23 days: more milliseconds than 2**31 would be none."""

DECISION_HOOKS: Final = ("PermissionRequest", "PreToolUse")


class BadSettings(Exception):
    """A settings file is not touched; the message says why."""


class Wiring(Struct, frozen=True, kw_only=True):
    """How an agent is to reach the host: by `command`, or with `http` by HTTP where it can.

    Claude shows its user each HTTP hook that no host answers; the command is silent.

    If the host asks for a token, a command finds it; `options` are further words for that.
    `token_variable` names the variable that holds it for HTTP.
    """

    command: Sequence[str]
    options: Sequence[str] = ()
    url: str
    http: bool = False
    ask: bool = False
    wait: float | None = None
    """Seconds that a decision may take; None: as long as is good for each hook."""
    token_variable: str = ""
    wake: bool = True
    """Whether an idle Claude is to be woken for a message."""


def settings_files(
    agent: str, environ: Mapping[str, str], project: Path | None
) -> Mapping[str, Path]:
    """Return an agent's settings files by what is in them; of a `project`, or the user's."""
    home = Path(environ.get("HOME") or "/")
    if agent == "claude":
        if project is not None:
            return {"hooks": project / ".claude" / "settings.local.json"}
        place = Path(environ.get("CLAUDE_CONFIG_DIR") or home / ".claude")
        return {"hooks": place / "settings.json"}
    if project is not None:
        return {"hooks": project / ".codex" / "hooks.json"}
    place = Path(environ.get("CODEX_HOME") or home / ".codex")
    return {"hooks": place / "hooks.json", "notify": place / "config.toml"}


def with_our_hooks(agent: str, what: str, text: str, wiring: Wiring) -> str:
    """Return a settings file's text with our hooks in it, as `wiring` says.

    :raises BadSettings: it cannot be understood, or has something else in that place.
    """
    if what == "notify":
        return _with_notify(without_our_hooks(what, text), wiring)
    try:
        text = without_our_hooks(what, text) or "{}\n"
        for name in CLAUDE_HOOKS if agent == "claude" else CODEX_HOOKS:
            entries = [_entry(agent, name, wiring), *_listeners(agent, name, wiring)]
            text = append_value(text, ("hooks", name), {"hooks": entries})
    except NotJSON as error:
        raise BadSettings(str(error)) from None
    return text


def without_our_hooks(what: str, text: str) -> str:
    """Return a settings file's text without our hooks.

    :raises BadSettings: it cannot be understood.
    """
    if what == "notify":
        _toml(text)
        return NOTIFY.sub("", text, count=1)
    if not text.strip():
        return text
    try:
        hooks = value_at(text, ("hooks",))
        for name in hooks if isinstance(hooks, dict) else ():
            text = _without_hooks_of(name, remove_values(text, ("hooks", name), _is_all_ours))
    except NotJSON as error:
        raise BadSettings(str(error)) from None
    return text


def _without_hooks_of(name: str, text: str) -> str:
    """Remove our hooks from groups that have others too, where somebody has put them."""
    groups = value_at(text, ("hooks", name))
    for index in range(len(groups) if isinstance(groups, list) else 0):
        text = remove_values(text, ("hooks", name, index, "hooks"), _is_ours)
    return text


def our_hooks(what: str, text: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return the hooks in a settings file's text that are ours, by their names.

    :raises BadSettings: it cannot be understood.
    """
    if what == "notify":
        words = _toml(text).get("notify")
        return {"notify": [_notified(words)]} if NOTIFY.search(text) else {}
    if not text.strip():
        return {}
    try:
        hooks = value_at(text, ("hooks",))
    except NotJSON as error:
        raise BadSettings(str(error)) from None
    named = hooks.items() if isinstance(hooks, dict) else ()
    ours = {name: list(_ours_among(groups)) for name, groups in named}
    return {name: found for name, found in ours.items() if found}


def _notified(words: Any) -> Mapping[str, Any]:
    """Return a ``notify`` as a hook."""
    given = words if isinstance(words, list) else []
    return {"type": "command", "command": shlex.join(map(str, given))}


def read(path: Path) -> str:
    """Return a settings file's text; none if it is not there.

    :raises BadSettings: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise BadSettings(f"{path} cannot be read: {why}.") from None


def write(path: Path, text: str) -> None:
    """Replace a settings file as a whole, where links lead to; keep the one before beside it.

    :raises BadSettings: it cannot be written; then it is as it was.
    """
    try:
        real = Path(os.path.realpath(path))
        real.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o600
        if real.exists():
            mode = real.stat().st_mode & 0o777
            _replace(real.with_name(real.name + BACKUP), real.read_bytes(), mode)
        _replace(real, text.encode(), mode)
    except OSError as error:
        raise BadSettings(f"{path} cannot be written: {error.strerror}.") from None


def _replace(path: Path, content: bytes, mode: int) -> None:
    # The directory is an agent's: a `settings.json.new` in it would be somebody's.
    files.replace_private(path, content, mode=mode, draft_suffix=f".sxhost-{os.getpid()}")


def _entry(agent: str, name: str, wiring: Wiring) -> dict[str, Any]:
    """Return one hook; Codex knows no HTTP at all."""
    decides = name == DECISION_HOOKS[0] or (name == DECISION_HOOKS[1] and wiring.ask)
    usual = default_wait(agent, name, is_subagent=False)
    wait = usual if wiring.wait is None else wiring.wait
    common: dict[str, Any] = {"timeout": int(wait) + DECISION_MARGIN_S if decides else ANSWER_S}
    if decides and wait:
        common["statusMessage"] = _status_message(agent, name, wait)
    if agent == "codex" or not wiring.http or _is_better_as_command(name, wiring):
        arguments = [
            *wiring.command,
            "hook",
            agent,
            *_decision_options(wiring),
            *wiring.options,
        ]
        return {"type": "command", "command": shlex.join(arguments), **common}
    query = [] if wiring.wait is None else [f"wait={wiring.wait:g}"]
    query += ["ask=1"] if wiring.ask else []
    url = f"{wiring.url.rstrip('/')}/hooks/{agent}" + (f"?{'&'.join(query)}" if query else "")
    entry: dict[str, Any] = {"type": "http", "url": url, **common}
    if wiring.token_variable:
        entry["headers"] = {"Authorization": f"Bearer ${wiring.token_variable}"}
        entry["allowedEnvVars"] = [wiring.token_variable]
    return entry


def _listeners(agent: str, name: str, wiring: Wiring) -> Sequence[dict[str, Any]]:
    """Return the hook that wakes an idle Claude, if this is where it is to be armed.

    Versions that know no `asyncRewake` may wait for it: it ends at once there.
    """
    if agent != "claude" or name not in LISTENS_FROM or not wiring.wake:
        return ()
    arguments = [*wiring.command, "hook", agent, LISTEN, *wiring.options]
    return [
        {
            "type": "command",
            "command": shlex.join(arguments),
            "timeout": LISTEN_S,
            "async": True,
            "asyncRewake": True,
            "rewakeMessage": WAKE_MESSAGE,
            "rewakeSummary": WAKE_SUMMARY,
        }
    ]


def _is_better_as_command(name: str, wiring: Wiring) -> bool:
    """Tell whether a hook is a command even where the agent posts its hooks itself."""
    if name in ONLY_COMMANDS:
        return True
    has_token = wiring.token_variable in ("", USUAL_VARIABLE)
    gains = name == ASKS_AGAIN or (name in TELL_LINES and not is_local(wiring.url))
    return has_token and gains


def _status_message(agent: str, name: str, wait: float) -> str:
    """Return what the agent shows while its hook waits for a decision.

    Where its own dialog comes only afterwards, its user sees nothing else.
    """
    if agent == "claude" and name == DECISION_HOOKS[0]:
        return "answer here or in sxhost"
    then = "asks here" if name == DECISION_HOOKS[0] else "goes on"
    long = f"{wait:g} s" if wait < MINUTES_FROM_S else f"{wait / 60:.0f} min"
    return f"waiting {long} for an answer in sxhost, then {agent.capitalize()} {then}"


def _decision_options(wiring: Wiring) -> list[str]:
    wait = [] if wiring.wait is None else ["--wait", f"{wiring.wait:g}"]
    return [*(["--ask"] if wiring.ask else []), *wait]


def _is_ours(hook: Any) -> bool:
    """Tell whether a hook is one that we have written."""
    place = (hook.get("url") or hook.get("command")) if isinstance(hook, dict) else None
    return isinstance(place, str) and OURS.search(place) is not None


def _hooks_of(group: Any) -> list[Any]:
    hooks = group.get("hooks") if isinstance(group, dict) else None
    return hooks if isinstance(hooks, list) else []


def _is_all_ours(group: Any) -> bool:
    """Tell whether a group has hooks, and none of anybody else."""
    hooks = _hooks_of(group)
    return bool(hooks) and all(map(_is_ours, hooks))


def _ours_among(groups: Any) -> Iterator[Mapping[str, Any]]:
    for group in groups if isinstance(groups, list) else []:
        yield from filter(_is_ours, _hooks_of(group))


def _with_notify(text: str, wiring: Wiring) -> str:
    if "notify" in _toml(text):
        raise BadSettings("Its `notify` is another program's; the hooks tell more anyway.")
    arguments = (*wiring.command, "hook", "codex", *wiring.options)
    quoted = ", ".join(f'"{_escaped(word)}"' for word in arguments)
    return f"notify = [{quoted}]\n{text}"


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"It is no TOML: {error}.") from None


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"')
