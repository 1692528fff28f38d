"""One file that somebody else writes, read from a position on.

Whatever is done to the file meanwhile, lines are given whole, in order and once: written in
pieces, cut short, replaced by another file, removed and made again.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from msgspec import Struct

from sxhost.codec.lines import CutLines, Line
from sxhost.files import UnsafeFile, check_path, open_unlinked

__all__ = ["CATCH_UP", "LINE_MOST", "READ_MOST", "Lines", "Tail"]

CATCH_UP: Final = 1024 * 1024
"""Bytes before its end from which on a long file is read."""

READ_MOST: Final = 256 * 1024
"""Bytes of one file that are read at a time."""

LINE_MOST: Final = 2 * 1024 * 1024
"""Bytes of a line; a longer one is passed over."""


class Lines(Struct, frozen=True):
    """What was read at a time: whole lines, those of the past first, and whether more is there.

    The past is what stood in the file when it was first seen.
    """

    past: list[bytes] = []
    new: list[bytes] = []
    more: bool = False


class Tail:
    """A file at `path` that belongs to the user `uid`; may be read in any one thread at a time.

    If there is no such file yet, it is read from its beginning once there is.
    """

    def __init__(self, path: str, uid: int, catch_up: int = CATCH_UP) -> None:
        self.path = path
        self._uid = uid
        self._catch_up = catch_up
        self._file = -1
        self._position = 0
        self._past_end: int | None = None
        """Where the past ends; None until the file was looked for."""
        self._splitter = CutLines(LINE_MOST)
        self._held = 0
        """Bytes of the unfinished line."""
        self._skip_first = False

    def read(self, most: int = READ_MOST) -> Lines:
        """Return the lines that are new, of at most `most` bytes.

        :raises UnsafeFile: another user may change the file, or it is none.
        """
        if self._file < 0 and not self._open():
            self._past_end = self._past_end or 0
            return Lines()
        data = self._read(most)
        if not data:
            if not self._was_replaced():
                return Lines()
            self.close()
            self._begin_anew()
            return Lines(more=True)
        return self._split(data, more=len(data) == most)

    def close(self) -> None:
        """Close the file; it is opened again when it is read."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> bool:
        """Open the file, where to begin decided; return False if there is none."""
        directory = str(Path(self.path).parent)
        if check_path(directory, self._uid) != directory:
            raise UnsafeFile(f"{self.path} lies behind a symbolic link: it is not followed")
        try:
            file = open_unlinked(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except FileNotFoundError:
            return False
        try:
            found = os.fstat(file)
            _check(self.path, found, self._uid)
        except BaseException:
            os.close(file)
            raise
        self._file = file
        if self._past_end is None:
            self._past_end = found.st_size
            self._position = max(0, found.st_size - self._catch_up)
            self._skip_first = self._position > 0
        return True

    def _read(self, most: int) -> bytes:
        if os.fstat(self._file).st_size < self._position:  # cut short: it is written anew
            self._begin_anew()
        data = os.pread(self._file, most, self._position)
        self._position += len(data)
        return data

    def _begin_anew(self) -> None:
        self._position, self._past_end, self._held = 0, 0, 0
        self._splitter, self._skip_first = CutLines(LINE_MOST), False

    def _was_replaced(self) -> bool:
        """Tell whether the name leads to another file, all of this one having been read."""
        opened = os.fstat(self._file)
        try:
            named = os.lstat(self.path)
        except FileNotFoundError:
            return not opened.st_nlink
        return (named.st_dev, named.st_ino) != (opened.st_dev, opened.st_ino)

    def _split(self, data: bytes, *, more: bool) -> Lines:
        past: list[bytes] = []
        new: list[bytes] = []
        position = self._position - len(data) - self._held
        for line in self._splitter.receive_data(data):
            position += line.size + 1
            is_past = self._past_end is not None and position <= self._past_end
            if _is_whole(line) and not self._skip_first:
                (past if is_past else new).append(line.data)
            self._skip_first = False
        self._held = self._position - position
        return Lines(past, new, more)


def _is_whole(line: Line) -> bool:
    return bool(line.data) and len(line.data) == line.size


def _check(path: str, found: os.stat_result, uid: int) -> None:
    """Check that only `uid` may write an open file."""
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(f"{path} is no file")
    if found.st_uid != uid:
        raise UnsafeFile(f"{path} belongs to user {found.st_uid}, not to user {uid}")
    if found.st_mode & stat.S_IWOTH:
        raise UnsafeFile(f"others may write to {path}")
