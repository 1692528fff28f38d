"""An SQLite file as it is now, copied while a host may write to it; and put back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from sxhost.files import sync_directory
from sxhost.store.contracts import StoreInUse, StoreUnusable
from sxhost.store.sql import reading, rows
from sxhost.store.sqlite import epoch
from sxhost.store.sqlite.file import (
    errors_as_sentences,
    inspect,
    lock_database,
    read_only_uri,
    recognise,
)

__all__ = ["ASIDE", "BackedUp", "back_up", "restore"]

ASIDE: Final = "before-restore"
"""Ends the name of what was in the place of a file that was restored."""


class BackedUp(NamedTuple):
    """What a copy holds."""

    sessions: int
    last_event: int
    size: int
    """Bytes."""


def back_up(path: Path, copy: Path) -> BackedUp:
    """Copy a database into a file, which is verified and then replaces an earlier copy.

    A host may have it, and goes on writing meanwhile.

    :raises StoreUnusable: it cannot be copied, or the file is none of ours.
    """
    _refuse_place(path, copy)
    with errors_as_sentences(path), _held(path):
        return _copied(path, copy, renewed=False)


def restore(copy: Path, path: Path) -> BackedUp:
    """Put a copy, which is verified before, in the place of a database that no host has.

    What was there is kept beside it, and a new epoch begins.

    :raises StoreUnusable: a host has it, or the copy cannot be used.
    """
    _refuse_place(copy, path)
    with errors_as_sentences(path):
        lock = lock_database(path)
        try:
            with errors_as_sentences(copy):
                inspect(copy)
            return _copied(copy, path, renewed=True)
        finally:
            os.close(lock)


def _refuse_place(source: Path, target: Path) -> None:
    """Refuse to copy what is not there, or onto itself."""
    if not source.exists():
        raise StoreUnusable(f"{source} is not there.")
    if target.exists() and target.samefile(source):
        raise StoreUnusable(f"{target} is the database itself.")


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Keep hosts from starting with a database, unless one has it already."""
    try:
        lock = lock_database(path)
    except StoreInUse:
        yield
        return
    try:
        yield
    finally:
        os.close(lock)


def _copied(source: Path, target: Path, *, renewed: bool) -> BackedUp:
    """Copy a database, verify that, and give it its name."""
    if not renewed:
        _refuse_foreign(target)
    draft = target.with_name(f"{target.name}.new")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        found = _fill(source, draft, renewed=renewed)
        inspect(draft)
        if renewed:
            _put_aside(target)
        draft.replace(target)
        sync_directory(target.parent)
    except OSError as error:
        raise StoreUnusable(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return found


def _fill(source: Path, draft: Path, *, renewed: bool) -> BackedUp:
    with (
        closing(sqlite3.connect(read_only_uri(source), uri=True)) as old,
        closing(sqlite3.connect(draft)) as new,
    ):
        recognise(old, source)
        old.backup(new)
        if renewed:
            rows.insert(new, "meta", [("epoch", epoch.new())])
            new.commit()
        (sessions,) = new.execute("SELECT count(*) FROM session").fetchone()
        last = reading.last_numbers(new).event
    return BackedUp(sessions, last, draft.stat().st_size)


def _put_aside(path: Path) -> None:
    """Keep a database under another name; its log first, which no other one may get."""
    for end in ("-wal", "-shm"):
        beside = path.with_name(path.name + end)
        if beside.exists():
            beside.replace(path.with_name(f"{path.name}.{ASIDE}{end}"))
    aside = path.with_name(f"{path.name}.{ASIDE}")
    aside.unlink(missing_ok=True)
    if path.exists():
        aside.hardlink_to(path)


def _refuse_foreign(path: Path) -> None:
    """Refuse to replace what is no database of ours."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
            recognise(connection, path)
    except (sqlite3.Error, StoreUnusable) as error:
        raise StoreUnusable(
            f"{path} is no database of sxhost, and is not replaced: name another file."
        ) from error
