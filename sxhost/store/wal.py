"""A look at SQLite's write-ahead log before SQLite looks at it.

SQLite takes the first frame of the log that is not as it was written for its end, and goes
on without the rest.  That is right for what was being written when the power failed, and
wrong for what was committed.  The index beside the log (``-shm``) outlives a process that
is killed and tells how many frames were committed.  Both formats are SQLite's documented
ones: https://sqlite.org/fileformat2.html#walformat and https://sqlite.org/walformat.html
"""

from __future__ import annotations

import struct
from pathlib import Path

from sxhost.store import StoreUnusable

__all__ = ["check"]

HEADER = struct.Struct(">8I")  # magic, version, page size, checkpoint, salts, checksum
FRAME = struct.Struct(">6I")  # page, size after a commit, salts, checksum
INDEX = struct.Struct("=3I2BH8sII8s8s")  # size, frames, pages, frame's sum, salts, checksum
MAGIC = 0x377F0682  # the lowest bit set: checksums are over big-endian words
MASK = 0xFFFFFFFF


def check(path: Path) -> None:
    """Check that what was committed to the write-ahead log of a database is all there.

    :raises StoreUnusable: it is not; nothing was touched.
    """
    log, index = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    if not log.exists() or not index.exists():
        return
    salts, committed = _committed(index.read_bytes())
    with log.open("rb") as file:
        good = _good(file, salts, committed)
    if good < committed:
        raise StoreUnusable(
            f"{log} is damaged: only {good} of its {committed} pages can be read. Restore a"
            f" copy of all, or remove {index.name} to go on without what came after them."
        )
