"""Where agents keep their transcripts, and which paths are believed.

A path that a hook names must lie where that agent keeps transcripts, be named after the
session, and lead there without a link in the agent's own directory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sxhost.agent_files.claude import ClaudeTranscript
from sxhost.agent_files.codex import CodexRollout
from sxhost.agent_files.facts import TranscriptReader
from sxhost.agent_files.pi import PiSession
from sxhost.files import UnsafeFile

__all__ = ["ENDS", "READERS", "claude_status_directory", "find_transcript", "transcript_path"]

READERS: Final[Mapping[str, Callable[[], TranscriptReader]]] = {
    "claude": ClaudeTranscript,
    "codex": CodexRollout,
    "pi": PiSession,
}

ENDS: Final[Mapping[str, re.Pattern[str]]] = {
    "claude": re.compile(r"/projects/[^/]+/(?P<id>[^/]+)\.jsonl\Z"),
    "codex": re.compile(
        r"/sessions/\d{4}/\d\d/\d\d/rollout-[^/]*-(?P<id>[0-9a-f-]{36})\.jsonl\Z"
    ),
    "pi": re.compile(r"/sessions/--[^/]*--/[^/]+_(?P<id>[^/_]+)\.jsonl\Z"),
}
"""How a transcript's path ends, below the agent's own directory."""

UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


def transcript_path(agent: str, session_id: str, path: str) -> str:
    """Return where the transcript of a session lies, by the path that a hook names.

    The file need not be there yet.

    :raises UnsafeFile: no transcript of that session can lie there.
    """
    end = ENDS.get(agent)
    named = None if end is None else end.search(path)
    if named is None or named["id"] != session_id or path[0] != "/" or "\0" in path:
        raise UnsafeFile("it is no place of that session's transcript")
    place = os.path.realpath(path[: named.start()] or "/")
    here = place + named.group()
    if os.path.realpath(here) != here:
        raise UnsafeFile("a symbolic link leads away from the agent's own directory")
    return here


def claude_status_directory(transcript: str) -> str:
    """Return where Claude Code says what its processes do, by one of its transcripts."""
    return str(Path(transcript).parents[2] / "sessions")


def find_transcript(agent: str, session_id: str, environ: Mapping[str, str]) -> str | None:
    """Return the transcript of a session that no hook has named, if it can be found."""
    home = Path(environ.get("HOME") or "/")
    if agent == "codex" and UUID7.match(session_id):
        place = Path(environ.get("CODEX_HOME") or home / ".codex") / "sessions"
        for day in _days(session_id):
            found = sorted((place / f"{day:%Y/%m/%d}").glob(f"rollout-*-{session_id}.jsonl"))
            if found:
                return str(found[-1])
    if agent == "pi" and re.fullmatch(r"[\w-]{8,64}", session_id):
        place = Path(environ.get("PI_CODING_AGENT_DIR") or home / ".pi" / "agent")
        with suppress(OSError):
            found = sorted((place / "sessions").glob(f"--*--/*_{session_id}.jsonl"))
            return str(found[-1]) if found else None
    return None


def _days(session_id: str) -> Iterator[datetime]:
    """Yield the days on which a session may have begun, wherever its agent's clock stands."""
    began = datetime.fromtimestamp(int(session_id.replace("-", "")[:12], 16) / 1000, UTC)
    for offset in (0, -1, 1):
        yield began + timedelta(days=offset)
