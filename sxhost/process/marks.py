"""The mark of an agent's processes, by which they are found again whatever becomes of them.

It is a variable in the environment, which a program can drop (``env -i``), and a number in a
resource limit, which hardly any does: ``RLIMIT_LOCKS`` has had no effect since Linux 2.4.25,
is inherited by all that a process starts, and everyone may read it.  So a process that has left
its parents, its session and its environment is found as well, by this run of the host and the
next.
``PR_SET_CHILD_SUBREAPER`` would make such processes children of the host, but not tell whose
they are, and would not help after ``kill -9`` of the host.
"""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Final

__all__ = ["MARK_VARIABLE", "ProcessMark", "limits_marked"]

MARK_VARIABLE: Final = "SXHOST_AGENT"
"""The variable in each child's environment: the host's id, a dot, the child's id."""

RLIMIT_LOCKS: Final = 10
"""Its number on Linux (some rare machines have another); Python has no name for it."""

LOCKS: Final = re.compile(rb"^Max file locks +(?P<soft>[0-9]+) ", re.MULTILINE)
"""Its line in ``/proc/PID/limits``; without a mark it is "unlimited"."""

CHILD_BITS: Final = 32
HOST_BITS: Final = 31
"""Bits of the number for child and host: together less than the kernel's "unlimited"."""


class ProcessMark:
    """The mark of one child of a host; without `child_id`, what all its children's have."""

    def __init__(self, host_id: str, child_id: str | None = None) -> None:
        self.value = f"{host_id}.{child_id or ''}"
        """The value of the variable."""
        ending = "" if child_id is None else "\0"
        self._entry = f"{MARK_VARIABLE}={self.value}{ending}".encode()
        host, child = _digest(host_id, HOST_BITS), _digest(child_id or "", CHILD_BITS)
        self._is_of_child = child_id is not None
        self.number = host << CHILD_BITS | child
        """The value of the limit."""

    def in_environ(self, environ: bytes) -> bool:
        """Return whether it is in the content of ``/proc/PID/environ``."""
        return self._entry in environ

    def in_limits(self, limits: bytes) -> bool:
        """Return whether it is in the content of ``/proc/PID/limits``."""
        found = LOCKS.search(limits)
        if found is None:
            return False
        difference = int(found["soft"]) ^ self.number
        return difference == 0 if self._is_of_child else difference >> CHILD_BITS == 0


def _digest(text: str, bits: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8]) >> (64 - bits)


@contextmanager
def limits_marked(mark: ProcessMark) -> Iterator[None]:
    """Set this process's own limit meanwhile, so that a child started then inherits the mark.

    Where that is not possible (no Linux, or a hard limit that is lower) nothing is changed.
    """
    if sys.platform != "linux":
        yield
        return
    soft, hard = resource.getrlimit(RLIMIT_LOCKS)
    with suppress(OSError, ValueError):
        resource.prlimit(0, RLIMIT_LOCKS, (mark.number, hard))
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            resource.prlimit(0, RLIMIT_LOCKS, (soft, hard))
