"""What Claude Code is started with, and how a user's words are put to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sxhost.errors import BadField, Unsupported
from sxhost.model.turn import File, Image, Item, Launch, LocalImage, Text, TurnDraft

__all__ = [
    "arguments",
    "check_launch",
    "check_turn",
    "initialize",
    "permission_mode",
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
"""Converse in JSON lines, tell every piece, and ask us before a tool is used."""

MODES: Final[Mapping[str, str]] = {
    "default": "default",
    "manual": "default",
    "acceptEdits": "acceptEdits",
    "plan": "plan",
    "bypassPermissions": "bypassPermissions",
    "dontAsk": "dontAsk",
    "auto": "auto",
}
"""Approval policies; Claude calls the usual one by two names, and hears one at any time."""


def permission_mode(policy: str) -> str:
    """Return Claude's permission mode of that name.

    :raises BadField: it has none.
    """
    if policy in MODES:
        return MODES[policy]
    known = ", ".join(MODES)
    raise BadField("approval_policy", f"Claude's approval policies are {known}.")


def check_launch(launch: Launch) -> None:
    """Refuse what Claude cannot be started with.

    :raises HostError: it asks for something that would not be so.
    """
    _no_sandbox(launch.sandbox)
    args = launch.native.get("args", [])
    if not (isinstance(args, list) and all(isinstance(arg, str) for arg in args)):
        raise BadField("native", "`native.args` is a list of strings.")
    if not isinstance(launch.native.get("initialize", {}), dict):
        raise BadField("native", "`native.initialize` is an object.")


def check_turn(draft: TurnDraft, cwd: str | None) -> None:
    """Refuse what Claude cannot change from one turn to the next.

    :raises HostError: it asks for something that would not be so.
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
    """Return the command line; `session_id` names a conversation that begins.

    A value stands in one argument with its option, so that it cannot be one itself.
    """
    begin = f"--resume={launch.resume}" if launch.resume else f"--session-id={session_id}"
    policy = launch.approval_policy
    given = {
        "--model": launch.model,
        "--effort": launch.effort,
        "--name": launch.title,
        "--permission-mode": permission_mode(policy) if policy else None,
    }
    options = [f"{name}={value}" for name, value in given.items() if value]
    more: list[str] = launch.native.get("args", [])
    return [*(launch.command or ["claude"]), *STREAM_OPTIONS, begin, *options, *more]


def initialize(launch: Launch) -> dict[str, Any]:
    """Return what Claude is asked first; ``native.initialize`` adds to it."""
    more: dict[str, Any] = launch.native.get("initialize", {})
    return {**more, "subtype": "initialize"}


def user_message(given: Sequence[Item], name: str, native: Mapping[str, Any]) -> dict[str, Any]:
    """Return a user's message; `name` is a UUID by which Claude tells what becomes of it."""
    content = [_BLOCKS[type(item)](item) for item in given]
    message = {"role": "user", "content": content}
    return {**native, "type": "user", "message": message, "uuid": name}


def _text(item: Text) -> dict[str, Any]:
    return {"type": "text", "text": item.text}


def _file(item: LocalImage | File) -> dict[str, Any]:
    quoted = f'@"{item.path}"' if any(map(str.isspace, item.path)) else f"@{item.path}"
    return {"type": "text", "text": quoted}


def _image(item: Image) -> dict[str, Any]:
    return {"type": "image", "source": _source(item)}


def _source(item: Image) -> dict[str, Any]:
    head, comma, data = item.url.partition(",")
    if item.url.startswith("data:") and comma:
        kind = head.removeprefix("data:").partition(";")[0]
        return {"type": "base64", "media_type": kind or item.mime_type, "data": data}
    if item.url:
        return {"type": "url", "url": item.url}
    return {"type": "base64", "media_type": item.mime_type, "data": item.data}


_BLOCKS: Final[Mapping[type, Any]] = {
    Text: _text,
    Image: _image,
    LocalImage: _file,
    File: _file,
}
