"""Copies of a store: in another engine, in a file, and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sxhost.config import USAGE_ERROR
from sxhost.daemon.options import has_secret
from sxhost.store.contracts import StoreUnusable
from sxhost.store.sql.contracts import DamagedRow, SQLConnection
from sxhost.store.sql.copying import Progress, Totals, copy_rows
from sxhost.store.sqlite import backup
from sxhost.store.sqlite import copying as sqlite_copying
from sxhost.store.sqlite.backup import BackedUp
from sxhost.visible import exit_with_error

__all__ = ["BackedUp", "back_up", "copy_store", "restore"]


def copy_store(source: str, target: str, progress: Progress) -> Mapping[str, Totals]:
    """Copy a store that no host has open into a new one; return what was copied, by table.

    The copy is whole or not made, and begins a new epoch.  Both are ``sqlite:PATH`` or a
    URL of PostgreSQL.  Ends the process with a sentence if it cannot be done.
    """
    copied: dict[str, Totals] = {}
    with _sentences(), _opened(source) as read:
        _make_filled(target, lambda made: copied.update(copy_rows(read, made, progress)))
    return copied


def back_up(store: str, copy: Path) -> BackedUp:
    """Copy an SQLite store into a file, while a host may write to it.

    Ends the process with a sentence if it cannot be done.
    """
    with _sentences():
        return backup.back_up(_file_of(store), copy)


def restore(copy: Path, store: str) -> BackedUp:
    """Put a copy in the place of an SQLite store that no host has.

    Ends the process with a sentence if it cannot be done.
    """
    with _sentences():
        return backup.restore(copy, _file_of(store))


def _file_of(store: str) -> Path:
    """Return the file of a store; ends the process with a sentence if it has none."""
    path = _path_of(store)
    if path is None:
        words = "sxhost: a PostgreSQL database is backed up by its own means, such as pg_dump."
        exit_with_error(USAGE_ERROR, words)
    return path


def _opened(store: str) -> AbstractContextManager[SQLConnection]:
    """Return a store, to be read."""
    if path := _path_of(store):
        return sqlite_copying.opened_to_copy(path)
    from sxhost.store.postgresql import copying

    return copying.opened_to_copy(store)


def _make_filled(store: str, fill: Callable[[Any], object]) -> None:
    """Make a store of what `fill` writes."""
    if path := _path_of(store):
        sqlite_copying.make_filled(path, fill)
        return
    from sxhost.store.postgresql import copying

    copying.fill_empty(store, fill)


def _path_of(store: str) -> Path | None:
    """Return the file of a store; None if it is in PostgreSQL.

    Ends the process with a sentence if it is neither.
    """
    kind, _, path = store.partition(":")
    if kind == "sqlite" and path:
        return Path(path)
    if kind not in ("postgresql", "postgres"):
        wanted = "sqlite:PATH or postgresql://HOST/DATABASE"
        exit_with_error(USAGE_ERROR, f"sxhost: a store is {wanted}, not {store!r}.")
    if has_secret(store):
        exit_with_error(
            USAGE_ERROR,
            "sxhost: a store's URL must not have a password: put it into ~/.pgpass, or into a"
            " file that PGPASSFILE names.",
        )
    if find_spec("psycopg") is None:  # installed only where it is wanted
        exit_with_error(1, "sxhost: PostgreSQL takes: pip install 'sxhost[postgresql]'.")
    return None


@contextmanager
def _sentences() -> Iterator[None]:
    """End the process with the sentence that a store refuses."""
    try:
        yield
    except (StoreUnusable, DamagedRow) as error:
        sentence = str(error)
        exit_with_error(1, f"sxhost: {sentence[:1].upper()}{sentence[1:].rstrip('.')}.")
