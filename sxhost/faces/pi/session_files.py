"""The files in which pi and codex keep their sessions.

A path from a client must be absolute, lead to a file below a directory where agents keep
sessions (after its links are followed), and begin as such a file does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from heapq import nlargest
from itertools import chain, islice
from pathlib import Path
from stat import S_ISREG

import msgspec
from msgspec import Struct

from sxhost.codec.well_formed import decode_from_program
from sxhost.faces.pi.responses import CommandFailed
from sxhost.faces.pi.session_names import name_of
from sxhost.faces.pi.session_tree import tree_of
from sxhost.model.session import Session

__all__ = ["Header", "SessionFiles", "name_sessions", "session_files"]


HEADER_BYTES = 65_536
"""Bytes of a first line; codex writes its whole instructions into it."""

MAX_FILES = 500
"""Files that are listed: the newest."""

MAX_EXAMINED = 100_000
"""Files that are examined for that: these take some seconds."""

MAX_TREE_BYTES = 64 * 1024 * 1024
"""Bytes of a file that are read for its tree."""

NO_FILE = "sessionPath must point to an existing session file"


class Header(Struct, frozen=True, kw_only=True):
    """The header of a session file; `resume` is what its agent needs to resume it."""

    agent: str
    path: str
    resume: str
    cwd: str
    id: str
    name: str = ""

    @property
    def cwd_exists(self) -> bool:
        """Whether the session's working directory is still there."""
        return Path(self.cwd).is_dir()


class CodexMeta(Struct, frozen=True):
    """The payload of the first line of codex's files."""

    id: str = ""
    cwd: str = ""


class FirstLine(Struct, frozen=True):
    """The first line of a session file, of pi or of codex."""

    type: str = ""
    version: float | None = None
    id: str = ""
    cwd: str | None = None
    name: str = ""
    payload: CodexMeta = CodexMeta()


_decode_first_line = msgspec.json.Decoder(FirstLine).decode


def session_files(cwd: str) -> SessionFiles:
    """Return the session files of this user, and of the project around a directory."""
    return SessionFiles(os.environ, cwd or str(Path.cwd()))


class SessionFiles:
    """The directories where agents keep sessions; each method waits for disks (see
    `RunInThread`).
    """

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
        """Return the header of a session file that a client has named.

        :raises CommandFailed: it may not be read, or is no session file.
        """
        if not path.startswith("/"):
            raise CommandFailed("sessionPath must be an absolute path")
        real = Path(path).resolve()
        if not {Path(path).suffix, real.suffix} <= {".jsonl", ".json"}:
            raise CommandFailed("sessionPath must point to a .jsonl or .json session file")
        if not any(real.is_relative_to(root.resolve()) for root in self.roots):
            raise CommandFailed(
                "sessionPath must be under an allowed session directory for this server"
                " (e.g. ~/.pi/agent/sessions/ or this project's .pi/sessions/)"
            )
        header = read_header(real)
        if header is None:
            raise CommandFailed(NO_FILE)
        return header

    def all(self) -> list[dict[str, object]]:
        """List the sessions, the newest first."""
        newest = nlargest(MAX_FILES, islice(self._modified(), MAX_EXAMINED))
        headers = ((mtime, read_header(Path(path))) for mtime, path in newest)
        return [_listing(header, mtime) for mtime, header in headers if header is not None]

    def _modified(self) -> Iterator[tuple[float, str]]:
        """Yield the time of each file's last change (Unix s), and its path."""
        for path in chain.from_iterable(map(_files, self.roots)):
            with suppress(OSError):  # it may be gone by now
                status = path.stat()
                if S_ISREG(status.st_mode):
                    yield status.st_mtime, str(path)

    def beside(self, path: str | None) -> list[dict[str, object]]:
        """List the session files in the same directory as one."""
        if not path or not Path(path).parent.is_dir():
            return []
        files = sorted(Path(path).parent.glob("*.jsonl"))[-MAX_FILES:]
        return [
            {"path": str(each), "name": each.name, "modifiedAt": _iso(each.stat().st_mtime)}
            for each in files
        ]

    def entries(self, path: str | None) -> tuple[list[dict[str, object]], str | None]:
        """Return the tree of entries in a file of pi's, and its leaf's id."""
        if not path or not Path(path).is_file():
            return [], None
        return tree_of(_entries(Path(path)))


def _entries(path: Path) -> Iterator[dict[str, object]]:
    with path.open("rb") as file:
        for line in file.read(MAX_TREE_BYTES).split(b"\n"):
            try:
                entry = decode_from_program(line, msgspec.json.decode).value
            except msgspec.DecodeError:
                continue
            if isinstance(entry, dict) and "id" in entry and entry.get("type") != "session":
                yield entry


def _files(root: Path) -> Iterator[Path]:
    """Yield the session files below a directory, the newest first: agents name by dates."""
    for directory, directories, names in os.walk(root):
        directories.sort(reverse=True)
        for name in names:
            if name.endswith(".jsonl"):
                yield Path(directory, name)


def read_header(path: Path) -> Header | None:
    """Return the header of a session file; None if it is none."""
    try:
        with path.open("rb") as file:
            line = file.readline(HEADER_BYTES * 4)
            first = decode_from_program(line, _decode_first_line).value
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


def name_sessions(
    listed: Sequence[dict[str, object]], hosted: Iterable[Session]
) -> list[dict[str, object]]:
    """Return stored sessions under the names that clients gave them, and those without a file.

    pi writes its file with the first answer.

    :param listed: what `SessionFiles.all` has found; they are changed.
    """
    names = {session.native_id: session for session in hosted if session.native_id}
    for stored in listed:
        session = names.pop(str(stored["sessionPath"]), None)
        session = session or names.pop(str(stored["sessionId"]), None)
        if session is not None:
            stored["sessionId"] = name_of(session.id, session.metadata)
            if session.title:
                stored["sessionName"] = session.title
    unwritten = [session for path, session in names.items() if path.startswith("/")]
    return [*map(_unwritten, unwritten), *listed]


def _unwritten(session: Session) -> dict[str, object]:
    header = Header(
        agent=session.agent,
        path=session.native_id,
        resume=session.native_id,
        cwd=session.cwd,
        id=name_of(session.id, session.metadata),
        name=session.title,
    )
    return {**_listing(header, session.start_ms / 1000), "fileExists": False}


def _listing(header: Header, mtime: float) -> dict[str, object]:
    """Return a session file as ``list_stored_sessions`` has it."""
    listing: dict[str, object] = {
        "sessionId": header.id,
        "sessionFile": header.path,
        "sessionPath": header.path,
        "cwd": header.cwd or "/unknown",
        "createdAt": _iso(mtime),
        "thinkingLevel": "medium",
        "isStreaming": False,
        "messageCount": 0,
        "fileExists": True,
        "agent": header.agent,
    }
    return {**listing, "sessionName": header.name} if header.name else listing


def _iso(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
