"""Pi's command line, its session files, and a turn's input as a prompt."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import Any

from msgspec import DecodeError, Struct, convert, json

from sxhost.codec.well_formed import decode_from_program
from sxhost.drivers.kit.stored_directory import directory_in
from sxhost.errors import AgentFailed, BadField, Unsupported
from sxhost.model.handover import TerminalProgram
from sxhost.model.turn import File, Image, Item, Launch, LocalImage, Text, TurnDraft

__all__ = [
    "arguments",
    "check_launch",
    "check_turn",
    "directory_of",
    "prompt_fields",
    "session_file",
    "terminal_program",
]

PROGRAM = "pi"

HEADER = 65_536
"""Bytes of a session file that are read: its first line says what it is."""

_UNWRITTEN = re.compile(r"[0-9TZ-]+_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jsonl\Z")
"""The name that pi gives to a session's file, which it writes only with the first answer."""

_DATA_URL = re.compile(r"data:(?P<type>[^;,]*);base64,(?P<data>.*)\Z", re.DOTALL)

_UNLIMITED = {"approval_policy": {None, "never"}, "sandbox": {None, "danger-full-access"}}
"""Values of a launch that describe pi as it is: it has no approvals and no sandbox."""


class Native(Struct, frozen=True, forbid_unknown_fields=True):
    """``native`` of a launch: more `args`, `extensions` (``-e``), the `session_dir`."""

    args: list[str] = []
    extensions: list[str] = []
    session_dir: str | None = None


class _SessionHeader(Struct, frozen=True):
    type: str = ""
    id: str = ""


# Arguments.


def check_launch(launch: Launch) -> None:
    """Refuse a launch that pi cannot do as it says.

    :raises Unsupported: pi has no approvals and no sandbox.
    :raises BadField: ``native`` is not as `Native` says.
    """
    _native(launch)
    _refuse_limits(launch)


def check_turn(draft: TurnDraft, launch: Launch) -> None:
    """Refuse a turn that pi cannot do as it says.

    :raises Unsupported: pi cannot.
    """
    _refuse_limits(draft)
    if draft.cwd not in (None, launch.cwd):
        raise Unsupported("pi cannot change its directory; start another session there.")


def arguments(launch: Launch, session: str | None) -> list[str]:
    """Return the command line; `session` is the file of a session to resume."""
    program = launch.command or [PROGRAM]
    return [*program, "--mode", "rpc", *_options(launch, session)]


def terminal_program(launch: Launch) -> TerminalProgram:
    """Return pi's own terminal program, with the session that a launch resumes.

    :raises AgentFailed: there is no such session.
    """
    argv = [*(launch.command or [PROGRAM]), *_options(launch, session_file(launch))]
    return TerminalProgram(argv=argv, cwd=launch.cwd or ".", env=launch.env)


def _options(launch: Launch, session: str | None) -> list[str]:
    native = _native(launch)
    options: dict[str, Sequence[str | None]] = {
        "--provider": [launch.provider],
        "--model": [launch.model],
        "--thinking": [launch.effort],
        "--session-dir": [native.session_dir],
        "--session": [session],
        "--extension": native.extensions,
    }
    return [*_flatten(options), *native.args]


def _flatten(options: Mapping[str, Sequence[str | None]]) -> Iterator[str]:
    for name, values in options.items():
        for value in values:
            if value:
                yield from (name, value)


def _native(launch: Launch) -> Native:
    try:
        return convert(launch.native, Native)
    except ValueError as error:
        raise BadField("native", f"This is not for pi: {error}.") from None


def _refuse_limits(draft: Launch | TurnDraft) -> None:
    for name, allowed in _UNLIMITED.items():
        if getattr(draft, name) not in allowed:
            raise Unsupported(
                f"pi has no {name} of its own; an extension of pi could ask or refuse."
            )


# Session files.


def session_file(launch: Launch) -> str | None:
    """Return the file of the session to resume; None for a new one.

    It is checked here because pi would empty a file that is no session.

    :raises AgentFailed: there is no such session.
    """
    if launch.resume is None:
        return None
    if os.sep in launch.resume:
        path = Path(launch.cwd or ".") / launch.resume
        found = path if _is_session(path) or _is_unwritten(path) else None
    else:
        found = _find(launch.resume, _session_directories(launch))
    if found is None:
        raise AgentFailed(f"pi has no session {launch.resume!r}.")
    return str(found)


def directory_of(launch: Launch) -> str | None:
    """Return where the session works that a launch resumes, as its file says."""
    resume = launch.resume or ""
    if os.sep in resume:
        return directory_in([Path(resume)]) if resume.startswith("/") else None
    found = _find(resume, _session_directories(launch))
    return directory_in([found]) if found is not None else None


def _find(session_id: str, directories: Iterable[Path]) -> Path | None:
    pattern = f"*_{escape(session_id)}.jsonl"
    files = (
        path
        for directory in directories
        for path in (*directory.glob(pattern), *directory.glob(f"*/{pattern}"))
    )
    return next((path for path in files if _is_session(path, session_id)), None)


def _session_directories(launch: Launch) -> Iterator[Path]:
    """Yield the directories where pi keeps sessions, directly or in a subdirectory."""
    env = {**os.environ, **launch.env}
    home = env.get("HOME", "~")
    agent = env.get("PI_CODING_AGENT_DIR") or f"{home}/.pi/agent"
    for directory in (
        _native(launch).session_dir,
        env.get("PI_CODING_AGENT_SESSION_DIR"),
        f"{agent}/sessions",
    ):
        if directory:
            yield Path(launch.cwd or ".") / directory.replace("~", home, 1)


_header = json.Decoder(_SessionHeader).decode


def _is_session(path: Path, session_id: str | None = None) -> bool:
    try:
        with path.open("rb") as file:
            first = decode_from_program(file.readline(HEADER), _header).value
    except (OSError, ValueError, DecodeError):
        return False
    return first.type == "session" and session_id in (None, first.id)


def _is_unwritten(path: Path) -> bool:
    """Return whether pi may have named this file, and ended before it had to write it."""
    return bool(_UNWRITTEN.match(path.name)) and not path.exists() and path.parent.is_dir()


# Prompts.


def prompt_fields(input_items: Iterable[Item]) -> dict[str, Any]:
    """Return a turn's input as the fields of a prompt: ``message`` and, if any, ``images``.

    A file is named by ``@PATH``, as pi's own editor does it: the model reads it.
    """
    texts: list[str] = []
    images: list[dict[str, str]] = []
    for item in input_items:
        match item:
            case Text():
                texts.append(item.text)
            case LocalImage() | File():
                texts.append(f"@{item.path}")
            case Image():
                inline = _inline_image(item)
                images += inline
                texts += [] if inline else [item.url]
    message = {"message": "\n".join(texts)}
    return {**message, "images": images} if images else message


def _inline_image(image: Image) -> list[dict[str, str]]:
    """Return an image as pi's image; an empty list if it is only a link."""
    inline = _DATA_URL.match(image.url)
    if not (image.data or inline):
        return []
    data, kind = (inline["data"], inline["type"]) if inline else (image.data, image.mime_type)
    return [{"type": "image", "data": data, "mimeType": kind or image.mime_type}]
