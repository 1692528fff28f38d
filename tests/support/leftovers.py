"""Processes that were left behind, found by the home that they live in."""

from __future__ import annotations

import os
import select
import signal
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.support.hosts import PATIENCE

__all__ = ["end_leftovers", "no_leftovers", "processes_of"]


def no_leftovers(home: Path, patience: float = 0) -> None:
    """Assert that no process lives in a home, at the latest after so many seconds."""
    for pid in processes_of(home):
        _await_end(pid, patience)
    left = processes_of(home)
    assert not left, f"left in {home}: {left}"


def processes_of(home: Path) -> dict[int, str]:
    """Return the processes that have a home in their environment or work in it: pid, words.

    Those that have ended and that nobody has waited for are none.
    """
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    found = {int(entry.name): _words(entry) for entry in entries if _lives_in(entry, home)}
    return {pid: words for pid, words in found.items() if pid != os.getpid()}


def _lives_in(entry: Path, home: Path) -> bool:
    with suppress(OSError):
        if (entry / "cwd").readlink().is_relative_to(home):
            return True
        values = (entry / "environ").read_bytes().split(b"\0")
        return b"HOME=" + os.fsencode(home) in values
    return False


def _words(entry: Path) -> str:
    with suppress(OSError):
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return "?"


def _await_end(pid: int, patience: float) -> None:
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            select.select([handle], [], [], patience)
        finally:
            os.close(handle)


def end_leftovers(home: Path) -> None:
    """Kill every process that lives in a home."""
    with ExitStack() as handles:
        for pid in processes_of(home):
            with suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                handles.callback(os.close, handle)
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], PATIENCE)
