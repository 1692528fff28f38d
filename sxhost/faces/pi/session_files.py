"""What agents have written down: pi's session files, and the threads of codex.

A path that a client names must be absolute, lead to a file below a place where agents keep
sessions, links followed, and begin as such a file does.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from heapq import nlargest
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from sxhost.faces.pi.responses import CommandRefused
from sxhost.faces.pi.session_tree import tree_of

__all__ = ["Apart", "Header", "SessionFiles", "at_once", "session_files"]

T = TypeVar("T")


class Apart(Protocol):
    """Where work with files is done, which takes as long as disks take: not in the loop."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Do it, and return its result."""


async def at_once(work: Callable[[], T], /) -> T:
    """Do it here and now: in tests, where there are no threads."""
    return work()


HEADER = 65_536
"""Bytes of a first line; codex writes its instructions into it."""

MOST_FILES = 500
"""Files that are listed: the newest."""

MOST_SEEN = 100_000
"""Files that are looked at for that, which takes some seconds."""

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of a file of which the tree is told."""

NO_FILE = "sessionPath must point to an existing session file"


class Header(Struct, frozen=True, kw_only=True):
    """What a file says of the session in it; `resume` is what its agent goes on with."""

    agent: str
    path: str
    resume: str
    cwd: str
    id: str
    name: str = ""

    @property
    def has_place(self) -> bool:
        """Whether the directory that it was in is still there."""
        return Path(self.cwd).is_dir()


class _Meta(Struct, frozen=True):
    """What codex begins a file with."""

    id: str = ""
    cwd: str = ""


class _First(Struct, frozen=True):
    type: str = ""
    version: float | None = None
    id: str = ""
    cwd: str | None = None
    name: str = ""
    payload: _Meta = _Meta()


_first = msgspec.json.Decoder(_First).decode


def session_files(cwd: str) -> SessionFiles:
    """Return the session files of this user, and of the project around a directory."""
    return SessionFiles(os.environ, cwd or str(Path.cwd()))


class SessionFiles:
    """The places where agents keep sessions; each verb waits for disks (see `Apart`)."""

    def __init__(self, environ: Mapping[str, str], cwd: str) -> None:
        home = Path(environ.get("HOME") or Path.home())
        agent = Path(environ.get("PI_CODING_AGENT_DIR") or home / ".pi" / "agent")
        kept = environ.get("PI_CODING_AGENT_SESSION_DIR")
        codex = Path(environ.get("CODEX_HOME") or home / ".codex")
        around = [Path(cwd).resolve(), *Path(cwd).resolve().parents]
        self.roots = [
            agent / "sessions",
            *([Path(kept)] if kept else []),
            codex / "sessions",
            *(place / ".pi" / "sessions" for place in around),
        ]

    def check(self, path: str) -> Header:
        """Return what a file says of itself.

        :raises CommandRefused: it may not be read, or is none.
        """
        if not path.startswith("/"):
            raise CommandRefused("sessionPath must be an absolute path")
        real = Path(path).resolve()
        if not {Path(path).suffix, real.suffix} <= {".jsonl", ".json"}:
            raise CommandRefused("sessionPath must point to a .jsonl or .json session file")
        if not any(real.is_relative_to(root.resolve()) for root in self.roots):
            raise CommandRefused(
                "sessionPath must be under an allowed session directory for this server"
                " (e.g. ~/.pi/agent/sessions/ or this project's .pi/sessions/)"
            )
        header = read_header(real)
        if header is None:
            raise CommandRefused(NO_FILE)
        return header

    def all(self) -> list[dict[str, Any]]:
        """List the sessions, the newest first."""
        newest = nlargest(MOST_FILES, islice(self._dated(), MOST_SEEN))
        headers = ((at, read_header(Path(path))) for at, path in newest)
        return [_shown(header, at) for at, header in headers if header is not None]

    def _dated(self) -> Iterator[tuple[float, str]]:
        """Yield when each file was changed, and its path."""
        for root in self.roots:
            for path in _files(root):
                with suppress(OSError):  # it may be gone by now
                    found = path.stat()
                    if S_ISREG(found.st_mode):
                        yield found.st_mtime, str(path)

    def beside(self, path: str | None) -> list[dict[str, Any]]:
        """List the session files in the directory of one."""
        if not path or not Path(path).parent.is_dir():
            return []
        found = sorted(Path(path).parent.glob("*.jsonl"))[-MOST_FILES:]
        return [
            {"path": str(one), "name": one.name, "modifiedAt": _time(one.stat().st_mtime)}
            for one in found
        ]

    def entries(self, path: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """Return the tree in a file of pi's, and its leaf."""
        if not path or not Path(path).is_file():
            return [], None
        return tree_of(_entries(Path(path)))


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file.read(MOST_BYTES).split(b"\n"):
            try:
                entry = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue
            if isinstance(entry, dict) and "id" in entry and entry.get("type") != "session":
                yield entry


def _files(root: Path) -> Iterator[Path]:
    """Yield the session files below a place; agents name directories by dates."""
    for place, directories, names in os.walk(root):
        directories.sort(reverse=True)
        for name in names:
            if name.endswith(".jsonl"):
                yield Path(place, name)


def read_header(path: Path) -> Header | None:
    """Return what a file says of its session; None if it is no session's."""
    try:
        with path.open("rb") as file:
            first = _first(file.readline(HEADER * 4))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if first.type == "session" and first.version is not None and first.cwd is not None:
        return Header(
            agent="pi",
            path=str(path),
            resume=str(path),
            cwd=first.cwd,
            id=first.id,
            name=first.name,
        )
    if first.type == "session_meta" and first.payload.id:
        meta = first.payload
        return Header(agent="codex", path=str(path), resume=meta.id, cwd=meta.cwd, id=meta.id)
    return None


def _shown(header: Header, at: float) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "sessionId": header.id,
        "sessionFile": header.path,
        "sessionPath": header.path,
        "cwd": header.cwd or "/unknown",
        "createdAt": _time(at),
        "thinkingLevel": "medium",
        "isStreaming": False,
        "messageCount": 0,
        "fileExists": True,
        "agent": header.agent,
    }
    return {**shown, "sessionName": header.name} if header.name else shown


def _time(at: float) -> str:
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
