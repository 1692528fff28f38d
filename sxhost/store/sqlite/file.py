"""The file of a durable store: locked, created as a whole, recognised, verified, migrated.

A file that is torn, foreign, damaged or from a later sxhost is refused with a sentence and
left as it is.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path

import msgspec

from sxhost import files
from sxhost.store.contracts import StoreInUse, StoreUnusable
from sxhost.store.sql import rows
from sxhost.store.sqlite import checksums, epoch, upgrades

__all__ = [
    "create",
    "errors_as_sentences",
    "inspect",
    "lock_database",
    "migrate",
    "no_room",
    "read_only_uri",
    "recognise",
    "schema_scripts",
]

APPLICATION = 0x73786873  # "sxhs"
NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})


def lock_database(path: Path) -> int:
    """Lock a database for as long as this process lives; return the lock's descriptor.

    :raises StoreInUse: another host holds it.
    """
    place = path.with_name(f"{path.name}.lock")
    with errors_as_sentences(path):
        try:
            lock = files.lock_file(place)
        except BlockingIOError:
            pid = files.read_private(place, 32).decode("ascii", "replace").strip()
            raise StoreInUse(f"{path} is in use by the host with pid {pid}.") from None
        except files.UnsafeFile as error:
            raise StoreUnusable(f"{error}.") from error
        os.pwrite(lock, f"{os.getpid():<20}\n".encode(), 0)  # in place: a disk may be full
        return lock


def create(path: Path, fill: Callable[[sqlite3.Connection], object] = lambda _: None) -> None:
    """Create a new database, with what `fill` puts into it: the whole file, or none.

    :raises StoreUnusable: the log of another one is in its place.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        raise StoreUnusable(
            f"{log} belongs to a database that is not there. Put that back, or move this away."
        )
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        upgrade(connection, 0, schema_scripts())
        meta = [("epoch", epoch.new()), ("last_event", "0"), ("last_message", "0")]
        rows.insert(connection, "meta", meta)
        fill(connection)
        connection.commit()
    draft.chmod(0o600)
    draft.rename(path)


def inspect(path: Path) -> None:
    """Check a database without writing to it, which even closing it in the usual way would.

    :raises StoreUnusable: it is no database of sxhost, or of a later version.
    :raises sqlite3.DatabaseError: it is damaged.
    """
    if path.stat().st_size == 0:
        raise StoreUnusable(f"{path} is empty, which no database of sxhost ever is.")
    place = read_only_uri(path)
    with closing(sqlite3.connect(place, uri=True)) as connection:
        if recognise(connection, path) == len(schema_scripts()):
            verify(connection, place)


def read_only_uri(path: Path) -> str:
    """Return the URI that opens a database without writing to it, or making its log."""
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    return f"{path.absolute().as_uri()}?{how}"


def recognise(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of a database of sxhost.

    :raises StoreUnusable: it is none, or of a later version.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION:
        raise StoreUnusable(f"{path} is not a database of sxhost.")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    known = len(schema_scripts())
    if version > known:
        raise StoreUnusable(
            f"{path} has version {version}; this sxhost knows {known}. Use a newer one."
        )
    if version == 0:
        raise StoreUnusable(f"{path} is damaged: it has no version.")
    return int(version)


def verify(connection: sqlite3.Connection, place: str) -> None:
    """Check the structure of the file at a URI, and each row's checksum.

    Both read the whole file, so one of them does in a thread.

    :raises sqlite3.DatabaseError: the structure is not as it was written.
    :raises DamagedRow: a row is not.
    """
    with ThreadPoolExecutor(1) as pool:
        structure = pool.submit(_check_structure, place)
        checksums.check(connection)
        structure.result()


def _check_structure(place: str) -> None:
    with closing(sqlite3.connect(place, uri=True)) as connection:
        (first, *more) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if more or first != ("ok",):
        raise sqlite3.DatabaseError(first[0])


def schema_scripts() -> list[str]:
    """Return the schema's scripts; the n-th leads from version n - 1 to n."""
    found = resources.files("sxhost.store.sqlite").joinpath("schema").iterdir()
    texts = {entry.name: entry.read_text() for entry in found if entry.name.endswith(".sql")}
    return [texts[name] for name in sorted(texts)]


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    steps: Sequence[str],
    report: upgrades.Report = upgrades.unreported,
) -> None:
    """Bring an older file up to date; a copy of it, as it was, stays beside it."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < len(steps):
        megabytes = path.stat().st_size / 1e6
        report(f"Copying {path.name} ({megabytes:,.1f} MB) before it is brought up to date")
        with closing(sqlite3.connect(f"{path}.version-{version}")) as backup:
            connection.backup(backup)
        report(f"Bringing {path.name} up to date, from version {version} to {len(steps)}")
        upgrade(connection, version, steps, report)
        report(f"Checking {path.name}")
        verify(connection, path.absolute().as_uri())


def upgrade(
    connection: sqlite3.Connection,
    version: int,
    steps: Sequence[str],
    report: upgrades.Report = upgrades.unreported,
) -> None:
    """Run the scripts after `version`, and what follows each, all or none."""
    connection.executescript("BEGIN IMMEDIATE;")
    try:
        for number, script in enumerate(steps[version:], version + 1):
            for statement in _statements(script):
                connection.execute(statement)
            upgrades.UPGRADES.get(number, lambda *_: None)(connection, report)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _statements(script: str) -> Iterator[str]:
    """Split a script: `executescript` would end the transaction that it is to be in."""
    statement = ""
    for part in script.split(";")[:-1]:
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def errors_as_sentences(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the system into `StoreUnusable` with a sentence."""
    try:
        yield
    except (sqlite3.Error, OSError, msgspec.MsgspecError, KeyError, ValueError) as error:
        if no_room(error):
            raise StoreUnusable(f"{path} cannot be opened: its disk has no room.") from error
        raise StoreUnusable(
            f"{path} cannot be used: {str(error).rstrip('.')}. Restore a copy of it,"
            f" or move it away with all that begins with {path.name} to begin afresh."
        ) from error


def no_room(error: Exception) -> bool:
    """Return whether an error means that the disk is full."""
    code = getattr(error, "sqlite_errorcode", None)
    return code in NO_ROOM or getattr(error, "errno", None) == errno.ENOSPC
