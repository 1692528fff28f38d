"""The name of a log's life, its epoch: a log that may have lost its end begins a new one.

Events that were lost may have been read, and their numbers are given out again.  Under another
epoch no reader takes the new events for those that it has read already: it gets a ``gap``.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import suppress
from pathlib import Path

from sxhost.store.sql import rows

__all__ = ["begin", "end", "is_open", "new", "note_open", "this_boot"]

BOOT = Path("/proc/sys/kernel/random/boot_id")


def new() -> str:
    """Return a name for an epoch."""
    return secrets.token_hex(4)


def this_boot(place: Path = BOOT) -> str:
    """Return a name of the time since the machine was started; no two are alike without one."""
    try:
        return place.read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)


def begin(connection: sqlite3.Connection, boot: str, *, whole: bool, synced: bool) -> bool:
    """Begin a new epoch if commits may be missing; return whether it did.

    They may be if the log is not known to be `whole`, or if a host whose commits were not
    `synced` has not ended in order since the machine was started (`boot`).  The connection
    must sync its commits.
    """
    query = "SELECT max(value) FROM meta WHERE name = 'boot'"
    (last,) = connection.execute(query).fetchone()
    lost = not whole or last not in (None, boot)
    connection.execute("BEGIN IMMEDIATE")
    if lost:
        rows.insert(connection, "meta", [("epoch", new())])
    if synced:
        connection.execute("DELETE FROM meta WHERE name = 'boot'")
    else:
        rows.insert(connection, "meta", [("boot", boot)])
    connection.execute("COMMIT")
    return lost


def note_open(connection: sqlite3.Connection) -> None:
    """Note in the file that it is open, if there is room: a copy of it says so too."""
    with suppress(sqlite3.Error):
        if not is_open(connection):
            rows.insert(connection, "meta", [("open", "1")])
        connection.execute("PRAGMA wal_checkpoint").fetchall()


def is_open(connection: sqlite3.Connection) -> bool:
    """Return whether the host that had the file last has not closed it."""
    query = "SELECT count(*) FROM meta WHERE name = 'open'"
    return bool(connection.execute(query).fetchone()[0])


def end(connection: sqlite3.Connection) -> None:
    """Note that the file was closed in order, if there is room."""
    with suppress(sqlite3.Error):
        connection.execute("DELETE FROM meta WHERE name IN ('boot', 'open')")
