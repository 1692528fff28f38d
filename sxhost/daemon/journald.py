"""Lines for systemd's journal: each begins with its priority, as ``sd-daemon(3)`` has it.

Without it everything is "info" there, and ``journalctl -p warning`` shows nothing. Lines of a
traceback are entries of their own, so each has the priority of its event. What a message says
cannot choose one: only the first prefix of a line counts, and that is always the host's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import IO, Final

from twisted.logger import LogEvent, LogLevel

__all__ = ["is_journal", "priority", "with_priority"]

PRIORITIES: Final[dict[object, int]] = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: 3,
    LogLevel.critical: 2,
}
"""What syslog(3) calls the levels."""


def is_journal(stream: IO[str], environ: Mapping[str, str]) -> bool:
    """Return whether a stream is the one that systemd has connected to its journal."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def priority(level: object) -> str:
    """Return what a line of a level begins with."""
    return f"<{PRIORITIES.get(level, 6)}>"


def with_priority(
    format_event: Callable[[LogEvent], str | None],
) -> Callable[[LogEvent], str | None]:
    """Return a format whose every line begins with the event's priority."""

    def write(event: LogEvent) -> str | None:
        text = format_event(event)
        if text is None:
            return None
        prefix = priority(event.get("log_level"))
        return prefix + text.rstrip("\n").replace("\n", f"\n{prefix}") + "\n"

    return write
