"""How pi is started, and what is said to it: arguments, session files, prompts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import Any

from msgspec import DecodeError, Struct, convert, json

from sxhost.errors import AgentFailed, BadField, Unsupported
from sxhost.model.turn import File, Image, Item, Launch, LocalImage, Text, TurnDraft

__all__ = ["arguments", "check_launch", "check_turn", "prompt_fields", "session_file"]

PROGRAM = "pi"

HEADER = 65_536
"""Bytes of a session file that are read: its first line tells what it is."""

_UNWRITTEN = re.compile(r"[0-9TZ-]+_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jsonl\Z")
"""The name that pi gives to a session's file; it writes it with the first answer."""

_DATA_URL = re.compile(r"data:(?P<type>[^;,]*);base64,(?P<data>.*)\Z", re.DOTALL)

_FREE = {"approval_policy": {None, "never"}, "sandbox": {None, "danger-full-access"}}
"""What describes pi as it is: it neither asks nor locks anything up by itself."""


class Native(Struct, frozen=True, forbid_unknown_fields=True):
    """What ``native`` may have for pi: more `args`, `extensions` (-e), the `session_dir`."""

    args: list[str] = []
    extensions: list[str] = []
    session_dir: str | None = None


class _First(Struct, frozen=True):
    type: str = ""
    id: str = ""


# Arguments.


def check_launch(launch: Launch) -> None:
    """See whether pi can be started this way.

    :raises Unsupported: it has no such thing.
    :raises BadField: ``native`` is not as `Native` says.
    """
    _native(launch)
    _only_free(launch)


def check_turn(draft: TurnDraft, launch: Launch) -> None:
    """See whether pi can do such a turn.

    :raises Unsupported: it cannot.
    """
    _only_free(draft)
    if draft.cwd not in (None, launch.cwd):
        raise Unsupported("pi cannot change its directory; start another session there.")


def arguments(launch: Launch, session: str | None) -> list[str]:
    """Return the program and its arguments; `session` is a file to go on with."""
    native = _native(launch)
    options: dict[str, Sequence[str | None]] = {
        "--provider": [launch.provider],
        "--model": [launch.model],
        "--thinking": [launch.effort],
        "--session-dir": [native.session_dir],
        "--session": [session],
        "--extension": native.extensions,
    }
    program = launch.command or [PROGRAM]
    return [*program, "--mode", "rpc", *_flat(options), *native.args]


def _flat(options: Mapping[str, Sequence[str | None]]) -> Iterator[str]:
    for name, values in options.items():
        for value in values:
            if value:
                yield from (name, value)


def _native(launch: Launch) -> Native:
    try:
        return convert(launch.native, Native)
    except ValueError as error:
        raise BadField("native", f"This is not for pi: {error}.") from None


def _only_free(wanted: Launch | TurnDraft) -> None:
    for name, free in _FREE.items():
        if getattr(wanted, name) not in free:
            raise Unsupported(
                f"pi has no {name} of its own; an extension of pi could ask or refuse."
            )


# Session files.


def session_file(launch: Launch) -> str | None:
    """Return the file of the session to go on with; None for a new one.

    :raises AgentFailed: there is no such session.  (Pi would empty a file that is none.)
    """
    if launch.resume is None:
        return None
    if os.sep in launch.resume:
        path = Path(launch.cwd or ".") / launch.resume
        found = path if _is_session(path) or _is_unwritten(path) else None
    else:
        found = _find(launch.resume, _places(launch))
    if found is None:
        raise AgentFailed(f"pi has no session {launch.resume!r}.")
    return str(found)


def _find(session_id: str, places: Iterable[Path]) -> Path | None:
    names = f"*_{escape(session_id)}.jsonl"
    files = (
        path for place in places for path in (*place.glob(names), *place.glob(f"*/{names}"))
    )
    return next((path for path in files if _is_session(path, session_id)), None)


def _places(launch: Launch) -> Iterator[Path]:
    """Yield the directories where pi keeps sessions, or their directories."""
    env = {**os.environ, **launch.env}
    home = env.get("HOME", "~")
    agent = env.get("PI_CODING_AGENT_DIR") or f"{home}/.pi/agent"
    for place in (
        _native(launch).session_dir,
        env.get("PI_CODING_AGENT_SESSION_DIR"),
        f"{agent}/sessions",
    ):
        if place:
            yield Path(launch.cwd or ".") / place.replace("~", home, 1)


def _is_session(path: Path, session_id: str | None = None) -> bool:
    try:
        with path.open("rb") as file:
            first = json.decode(file.readline(HEADER), type=_First)
    except (OSError, ValueError, DecodeError):
        return False
    return first.type == "session" and session_id in (None, first.id)


def _is_unwritten(path: Path) -> bool:
    """Tell whether pi named this file and ended before it had anything to write."""
    return bool(_UNWRITTEN.match(path.name)) and not path.exists() and path.parent.is_dir()


# Prompts.


def prompt_fields(given: Iterable[Item]) -> dict[str, Any]:
    """Return an input as the fields of a prompt: ``message`` and, if there are, ``images``.

    What lies in a file is named, as pi's own editor does it: the model reads it.
    """
    words: list[str] = []
    images: list[dict[str, str]] = []
    for item in given:
        match item:
            case Text():
                words.append(item.text)
            case LocalImage() | File():
                words.append(f"@{item.path}")
            case Image():
                picture = _picture(item)
                images += picture
                words += [] if picture else [item.url]
    message = {"message": "\n".join(words)}
    return {**message, "images": images} if images else message


def _picture(image: Image) -> list[dict[str, str]]:
    """Return a picture in pi's form; none if it lies elsewhere."""
    inline = _DATA_URL.match(image.url)
    if not (image.data or inline):
        return []
    data, kind = (inline["data"], inline["type"]) if inline else (image.data, image.mime_type)
    return [{"type": "image", "data": data, "mimeType": kind or image.mime_type}]
