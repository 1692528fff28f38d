"""What the subagents of a Claude Code have used: each has a transcript of its own.

``<session>/subagents/agent-<id>.jsonl`` beside the session's transcript.  Its tools are told by
hooks; but only here it says what its messages have used, and the session pays for them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from msgspec import Struct

from sxhost.agent_files.tail import CATCH_UP, Tail
from sxhost.files import UnsafeFile

__all__ = ["SubagentFiles", "SubagentLine"]

FILES_MOST: Final = 256
"""Subagents of a session that are read: the first ones of its directory."""

PAST_MOST: Final = 64 * CATCH_UP
"""Bytes of what a subagent has written before: what it has used is a sum."""


class SubagentLine(Struct, frozen=True):
    """A line of a subagent's transcript, and the name of that."""

    name: str
    line: bytes


class SubagentFiles:
    """The transcripts of the subagents of the session whose own one lies at `transcript`.

    At most so many are read.
    """

    def __init__(self, transcript: str, uid: int, most: int = FILES_MOST) -> None:
        self._most = most
        self._directory = str(Path(transcript).with_suffix("") / "subagents")
        self._uid = uid
        self._tails: dict[str, Tail] = {}
        self._sizes: dict[str, int] = {}
        """Bytes of each file that were read."""

    def read(self) -> list[SubagentLine]:
        """Return the lines that are new; in the thread for files."""
        found: list[SubagentLine] = []
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    if entry.name.endswith(".jsonl"):
                        found += self._read(entry)
        except OSError:  # there are none yet
            return found
        return found

    def _read(self, entry: os.DirEntry[str]) -> list[SubagentLine]:
        size = entry.stat(follow_symlinks=False).st_size
        if size == self._sizes.get(entry.name):
            return []
        tail = self._tails.get(entry.name)
        if tail is None:
            if len(self._tails) >= self._most:
                return []
            tail = self._tails[entry.name] = Tail(entry.path, self._uid, PAST_MOST)
        try:
            lines = tail.read()
        except UnsafeFile:
            return []
        finally:
            tail.close()  # a session may have hundreds
        if not lines.more:
            self._sizes[entry.name] = size
        return [SubagentLine(entry.name, line) for line in (*lines.past, *lines.new)]
