"""The high-water mark of a database: how far it was acknowledged, in a file beside it.

A database that is put in the place of a later one, or copied without its write-ahead log,
cannot know what it lacks.  The mark is written after each commit and never synced: after a
power cut it may say too little, and never too much.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from sxhost import files
from sxhost.store.journal import Numbers, WriteBatch

__all__ = ["HighWaterMark", "missing_numbers"]

WIDTH: Final = 96
"""Bytes of the file, so that it never grows: a disk may be full."""


class HighWaterMark:
    """The file beside the database at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.mark")
        self._file = -1
        self._numbers = Numbers()

    def open(self) -> Numbers:
        """Open the file; return the numbers that were acknowledged last, as far as is known.

        :raises OSError: the file cannot be used, and not only for want of room.
        """
        try:
            self._file = files.lock_file(self._path)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return Numbers()
        with suppress(ValueError, TypeError):  # an empty one, or none of ours, tells nothing
            return Numbers(*map(int, os.pread(self._file, WIDTH, 0).split()))
        return Numbers()

    def begin(self, numbers: Numbers) -> None:
        """Go on from what the database has."""
        self._numbers = numbers
        self._write()

    def acknowledge(self, batch: WriteBatch) -> None:
        """Note that a batch was committed."""
        self._numbers = self._numbers.after(batch)
        self._write()

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self) -> None:
        line = " ".join(map(str, self._numbers))
        with suppress(OSError):  # what was committed was committed all the same
            os.pwrite(self._file, f"{line:<{WIDTH - 1}}\n".encode(), 0)


def missing_numbers(found: Numbers, acknowledged: Numbers) -> str:
    """Return what a database lacks of what was acknowledged, in words; "" if nothing."""
    pairs = zip(Numbers._fields, found, acknowledged, strict=True)
    return ", ".join(
        f"{name} {was} (it ends at {has})" for name, has, was in pairs if has < was
    )
