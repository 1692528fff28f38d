"""Claude Code's command line, its first request, and a turn's input as a user's message."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import Any, Final

from sxhost.drivers.kit.stored_directory import directory_in
from sxhost.errors import BadField, Unsupported
from sxhost.model.handover import TerminalProgram
from sxhost.model.turn import File, Image, Item, Launch, LocalImage, Text, TurnDraft

__all__ = [
    "arguments",
    "check_launch",
    "check_turn",
    "directory_of",
    "initialize",
    "permission_mode",
    "terminal_program",
    "user_message",
]

STREAM_OPTIONS: Final = (
    "-p",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
    "--permission-prompt-tool=stdio",
)
"""Options for JSON lines both ways, for every piece of text, and for requests to the host
before a tool is used (``--permission-prompt-tool=stdio``).
"""

MODES: Final[Mapping[str, str]] = {
    "default": "default",
    "manual": "default",
    "acceptEdits": "acceptEdits",
    "plan": "plan",
    "bypassPermissions": "bypassPermissions",
    "dontAsk": "dontAsk",
    "auto": "auto",
}
"""Approval policies, and the permission mode of each; Claude has two names for the usual one,
of which ``default`` works at any time.
"""


def permission_mode(policy: str) -> str:
    """Return Claude's permission mode for an approval policy.

    :raises BadField: it has none of this name.
    """
    if policy in MODES:
        return MODES[policy]
    known = ", ".join(MODES)
    raise BadField("approval_policy", f"Claude's approval policies are {known}.")


def check_launch(launch: Launch) -> None:
    """Refuse a launch that Claude cannot do as it says.

    :raises HostError: a field has what Claude does not have.
    """
    _no_sandbox(launch.sandbox)
    args = launch.native.get("args", [])
    if not (isinstance(args, list) and all(isinstance(arg, str) for arg in args)):
        raise BadField("native", "`native.args` is a list of strings.")
    if not isinstance(launch.native.get("initialize", {}), dict):
        raise BadField("native", "`native.initialize` is an object.")


def check_turn(draft: TurnDraft, cwd: str | None) -> None:
    """Refuse a turn that Claude cannot do as it says.

    :raises HostError: a field would change what Claude cannot change between turns.
    """
    _no_sandbox(draft.sandbox)
    if draft.cwd is not None and draft.cwd != cwd:
        raise Unsupported("Claude stays in the directory that it was started in.")


def _no_sandbox(sandbox: str | None) -> None:
    if sandbox is not None:
        text = (
            "Claude's sandbox is a matter of its settings: pass `--settings` in `native.args`."
        )
        raise Unsupported(text)


def arguments(launch: Launch, session_id: str) -> list[str]:
    """Return the command line; `session_id` is for a new conversation.

    Option and value are one argument, so that a value which begins with ``-`` is no option.
    """
    session = f"--resume={launch.resume}" if launch.resume else f"--session-id={session_id}"
    return [*(launch.command or ["claude"]), *STREAM_OPTIONS, session, *_options(launch)]


def terminal_program(launch: Launch) -> TerminalProgram:
    """Return Claude's own terminal program, with the conversation that a launch resumes."""
    session = f"--resume={launch.resume}"
    argv = [*(launch.command or ["claude"]), session, *_options(launch)]
    return TerminalProgram(argv=argv, cwd=launch.cwd or ".", env=launch.env)


def _options(launch: Launch) -> list[str]:
    policy = launch.approval_policy
    settings = {
        "--model": launch.model,
        "--effort": launch.effort,
        "--name": launch.title,
        "--permission-mode": permission_mode(policy) if policy else None,
    }
    options = [f"{name}={value}" for name, value in settings.items() if value]
    extra = launch.native.get("args")
    more = map(str, extra) if isinstance(extra, list) else ()
    return [*options, *more]


def directory_of(launch: Launch) -> str | None:
    """Return where the conversation works that a launch resumes, as its transcript says."""
    env = {**os.environ, **launch.env}
    place = env.get("CLAUDE_CONFIG_DIR") or f"{env.get('HOME', '')}/.claude"
    name = f"{escape(launch.resume or '')}.jsonl"
    return directory_in(Path(place, "projects").glob(f"*/{name}")) if "/" not in name else None


def initialize(launch: Launch) -> dict[str, Any]:
    """Return the first control request; the launch's ``native.initialize`` adds to it."""
    extra = launch.native.get("initialize")
    return {**(extra if isinstance(extra, dict) else {}), "subtype": "initialize"}


def user_message(
    input_items: Sequence[Item], message_id: str, native: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a user's message; Claude reports its states under `message_id`, a UUID."""
    content = [_block(item) for item in input_items]
    message = {"role": "user", "content": content}
    return {**native, "type": "user", "message": message, "uuid": message_id}


def _block(item: Item) -> dict[str, Any]:
    match item:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image():
            return {"type": "image", "source": _source(item)}
        case LocalImage(path=path) | File(path=path):
            quoted = f'@"{path}"' if any(map(str.isspace, path)) else f"@{path}"
            return {"type": "text", "text": quoted}


def _source(item: Image) -> dict[str, Any]:
    head, comma, data = item.url.partition(",")
    if item.url.startswith("data:") and comma:
        kind = head.removeprefix("data:").partition(";")[0]
        return {"type": "base64", "media_type": kind or item.mime_type, "data": data}
    if item.url:
        return {"type": "url", "url": item.url}
    return {"type": "base64", "media_type": item.mime_type, "data": item.data}
