"""Checks an SQLite write-ahead log before SQLite opens it.

SQLite takes the first frame of the log that is not as it was written for its end, and goes
on without the rest.  That is right for what was being written when the end came, and wrong
for what was committed.  How much was, the index beside the log (``-shm``) tells, which
outlives a process that is killed.  Their formats: https://sqlite.org/walformat.html
"""

from __future__ import annotations

from pathlib import Path
from struct import Struct, unpack
from typing import BinaryIO

from sxhost.store.contracts import StoreUnusable

__all__ = ["check"]

HEADER = Struct(">I4xI4x8s8s")  # magic, page size, salts, checksum
FRAME = Struct(">8s8s8s")  # page and size, salts, checksum
INDEX = Struct("=16xI12x8s8s")  # committed frames, salts, checksum; there are two copies
MAGIC = 0x377F0682  # with its last bit set, checksums are made of big-endian words
MASK = 0xFFFFFFFF


def check(path: Path) -> bool:
    """Check that all that was committed to a database's write-ahead log can be read.

    Returns False if that cannot be known, since the index was removed.

    :raises StoreUnusable: it cannot be read; nothing was touched.
    """
    log, index = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    if not log.exists() or log.stat().st_size == 0:
        return True
    if not index.exists():
        return False
    salts, committed = _committed(index.read_bytes()[: 2 * INDEX.size])
    with log.open("rb") as file:
        whole = _whole(file, salts, committed)
    if whole < committed:
        raise StoreUnusable(
            f"{log} is damaged: of its {committed} pages the first {whole} can be read."
            f" Restore a copy of all, or remove {index.name} to go on without the others."
        )
    return True


def _committed(index: bytes) -> tuple[bytes, int]:
    """Return the salts of the log and how many frames were committed, 0 if that is unknown."""
    for copy in (index[: INDEX.size], index[INDEX.size :]):
        if len(copy) == INDEX.size:
            frames, salts, checksum = INDEX.unpack(copy)
            if _sum((0, 0), copy[:-8], "=") == unpack("=2I", checksum):
                return salts, frames
    return b"", 0


def _whole(file: BinaryIO, salts: bytes, most: int) -> int:
    """Return how many frames from the first are as they were written, of `most`."""
    header = file.read(HEADER.size).ljust(HEADER.size, b"\0")
    magic, size, now, checksum = HEADER.unpack(header)
    order = ">" if magic & 1 else "<"
    total = _sum((0, 0), header[:-8], order)
    if magic & ~1 != MAGIC or total != unpack(">2I", checksum):
        return 0
    if now != salts:
        return most  # the index is that of an earlier log
    for number in range(most):
        frame = file.read(FRAME.size + size).ljust(FRAME.size, b"\0")
        page, mine, checksum = FRAME.unpack_from(frame)
        total = _sum(total, page + frame[FRAME.size :], order)
        if mine != salts or total != unpack(">2I", checksum):
            return number
    return most


def _sum(start: tuple[int, int], data: bytes, order: str) -> tuple[int, int]:
    """Return SQLite's checksum of `data`, which goes on from `start`; an odd end has none."""
    one, two = start
    words = iter(unpack(f"{order}{len(data) // 8 * 2}I", data[: len(data) // 8 * 8]))
    for first, second in zip(words, words, strict=True):
        one = (one + first + two) & MASK
        two = (two + second + one) & MASK
    return one, two
