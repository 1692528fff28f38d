"""What every process of an agent carries, so that it is found again whatever becomes of it.

A word in the environment, which a program can throw away (``env -i``), and a number in a
resource limit, which hardly one can: ``RLIMIT_LOCKS`` has had no effect since Linux 2.4.25,
is inherited by all that a process starts, and everyone may read it.  So also who has left its
parents, its session and its environment is found, in this life of the host and in the next.
``PR_SET_CHILD_SUBREAPER`` would make such processes children of the host, but not tell whose
they are, and would be no help after ``kill -9`` of the host.
"""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Final

__all__ = ["VARIABLE", "Mark", "carried"]

VARIABLE: Final = "SXHOST_AGENT"
"""Stands in the environment of each child: the host's id, a dot, the child's."""

RLIMIT_LOCKS: Final = 10
"""Its number on Linux, but for machines that nobody has; Python has no name for it."""

LOCKS: Final = re.compile(rb"^Max file locks +(?P<soft>[0-9]+) ", re.MULTILINE)
"""Its line in ``/proc/PID/limits``; "unlimited" is what everybody else has."""

CHILD_BITS: Final = 32
HOST_BITS: Final = 31
"""Together less than what is taken for "unlimited"."""


class Mark:
    """The mark of an agent of a host, or without `child_id` that of all its agents."""

    def __init__(self, host_id: str, child_id: str | None = None) -> None:
        self.value = f"{host_id}.{child_id or ''}"
        """The value of the variable."""
        ending = "" if child_id is None else "\0"
        self._word = f"{VARIABLE}={self.value}{ending}".encode()
        host, child = _digest(host_id, HOST_BITS), _digest(child_id or "", CHILD_BITS)
        self._whole = child_id is not None
        self.number = host << CHILD_BITS | child
        """The value of the limit."""

    def in_environ(self, environ: bytes) -> bool:
        """Tell whether it is in ``/proc/PID/environ``."""
        return self._word in environ

    def in_limits(self, limits: bytes) -> bool:
        """Tell whether it is in ``/proc/PID/limits``."""
        found = LOCKS.search(limits)
        if found is None:
            return False
        apart = int(found["soft"]) ^ self.number
        return apart == 0 if self._whole else apart >> CHILD_BITS == 0


def _digest(text: str, bits: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8]) >> (64 - bits)


@contextmanager
def carried(mark: Mark) -> Iterator[None]:
    """Give whoever is started meanwhile the mark in its limits, where there are such.

    Nothing is changed where that is not possible: a limit that is hard already is left so.
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
