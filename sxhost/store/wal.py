"""A look at SQLite's write-ahead log before SQLite looks at it.

SQLite takes the first frame of the log that is not as it was written for its end, and goes
on without the rest.  That is right for what was being written when the end came, and wrong
for what was committed.  How much was, the index beside the log (``-shm``) tells, which
outlives a process that is killed.  Both formats are documented: "The WAL File Format" in
https://sqlite.org/fileformat2.html, and https://sqlite.org/walformat.html
"""

from __future__ import annotations

from pathlib import Path
from struct import Struct, unpack
from typing import BinaryIO, Literal

from sxhost.store import StoreUnusable

__all__ = ["check"]

Order = Literal[">", "<", "="]
Sum = tuple[int, int]

HEADER = Struct(">I4xI4x8s8s")  # magic, page size, salts, checksum
FRAME = Struct(">8s8s8s")  # page and size, salts, checksum
INDEX = Struct("=16xI12x8s8s")  # committed frames, salts, checksum; there are two copies
SUM = Struct(">2I")
MAGIC = 0x377F0682  # with its last bit set, checksums are made of big-endian words
MASK = 0xFFFFFFFF


def check(path: Path) -> None:
    """Check that all that was committed to a database's write-ahead log can be read.

    :raises StoreUnusable: it cannot; nothing was touched.
    """
    log, index = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    if not log.exists() or not index.exists():
        return
    salts, committed = _committed(index.read_bytes()[: 2 * INDEX.size])
    with log.open("rb") as file:
        whole = _whole(file, salts, committed)
    if whole < committed:
        raise StoreUnusable(
            f"{log} is damaged: of its {committed} pages the first {whole} can be read."
            f" Restore a copy of all, or remove {index.name} to go on without the others."
        )


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
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        return 0
    magic, size, now, checksum = HEADER.unpack(header)
    order: Order = ">" if magic & 1 else "<"
    total = _sum((0, 0), header[:-8], order)
    if magic & ~1 != MAGIC or total != SUM.unpack(checksum):
        return 0
    if now != salts:
        return most  # the index is that of an earlier log
    for number in range(most):
        more = _after(total, file.read(FRAME.size + size), salts, order)
        if more is None:
            return number
        total = more
    return most


def _after(total: Sum, frame: bytes, salts: bytes, order: Order) -> Sum | None:
    """Return the checksum with one more frame, if that is as it was written."""
    if len(frame) <= FRAME.size:
        return None
    page, mine, checksum = FRAME.unpack_from(frame)
    total = _sum(total, page + frame[FRAME.size :], order)
    return total if mine == salts and total == SUM.unpack(checksum) else None


def _sum(start: Sum, data: bytes, order: Order) -> Sum:
    """Return SQLite's checksum of `data`, which goes on from `start`; an odd end has none."""
    one, two = start
    words = iter(unpack(f"{order}{len(data) // 8 * 2}I", data[: len(data) // 8 * 8]))
    for first, second in zip(words, words, strict=True):
        one = (one + first + two) & MASK
        two = (two + second + one) & MASK
    return one, two
