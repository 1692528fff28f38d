"""The file in which each running Claude Code says whether it works, waits or is idle.

``sessions/<pid>.json`` in its own directory, written anew with each change.  Nothing else tells
that its user has answered a permission dialog: the transcript has it when the tool is over.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from sxhost.agent_files.records import decode_record
from sxhost.files import read_private
from sxhost.process.table import Processes

__all__ = ["ClaudeStatus", "read_statuses", "status_of"]

FILES_MOST: Final = 512
"""Files that are looked at: a person runs some dozens of Claudes."""

SIZE_MOST: Final = 65_536


class ClaudeStatus(Struct, frozen=True, rename="camel", kw_only=True):
    """What a process of Claude Code says of itself; times in Unix milliseconds."""

    pid: int
    session_id: str
    cwd: str = ""
    kind: str = ""
    status: Literal["", "idle", "busy", "waiting"] = ""
    status_updated_at: int = 0
    name: str = ""
    name_source: str = ""
    """``derived`` if nobody has given the name."""


def read_statuses(directory: str) -> list[ClaudeStatus]:
    """Return what the processes say that run now; the one heard of last comes first."""
    found: list[ClaudeStatus] = []
    with suppress(OSError), os.scandir(directory) as entries:
        for _, entry in zip(range(FILES_MOST), entries, strict=False):
            if entry.name.endswith(".json"):
                found += _read(Path(entry.path))
    return sorted(found, key=lambda status: -status.status_updated_at)


def status_of(session_id: str, statuses: list[ClaudeStatus]) -> ClaudeStatus | None:
    """Return what is said of a session."""
    return next((each for each in statuses if each.session_id == session_id), None)


def _read(path: Path) -> list[ClaudeStatus]:
    """Return a file's status; none if it is being written, or its process has ended."""
    try:
        status = decode_record(read_private(path, SIZE_MOST), ClaudeStatus)
        if status is None or status.pid <= 0:
            return []
        os.kill(status.pid, 0)
    except OSError:
        return []
    seen = Processes().see(status.pid)
    return [status] if seen is None or seen.lives else []  # a zombie takes signals, too
