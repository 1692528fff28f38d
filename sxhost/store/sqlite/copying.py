"""An SQLite file that no host has open, read as a whole or made as a whole."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sxhost.store.contracts import StoreUnusable
from sxhost.store.sqlite import integrity
from sxhost.store.sqlite.file import (
    create,
    errors_as_sentences,
    inspect,
    lock_database,
    read_only_uri,
    recognise,
    schema_scripts,
)

__all__ = ["make_filled", "opened_to_copy"]


@contextmanager
def opened_to_copy(path: Path) -> Iterator[sqlite3.Connection]:
    """Lock and check a file, and return a connection that only reads.

    :raises StoreUnusable: a host has it, or it cannot be used, or is of an earlier version.
    """
    with errors_as_sentences(path):
        if not path.exists():
            raise StoreUnusable(f"{path} is not there.")
        lock = lock_database(path)
        try:
            integrity.check(path)
            inspect(path)
            with closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
                _refuse_earlier(connection, path)
                connection.execute("BEGIN")
                yield connection
        finally:
            os.close(lock)


def make_filled(path: Path, fill: Callable[[sqlite3.Connection], object]) -> None:
    """Make a new file with what `fill` puts into it: the whole file, or none.

    :raises StoreUnusable: there is one, or it cannot be made.
    """
    with errors_as_sentences(path):
        lock = lock_database(path)
        try:
            if path.exists():
                raise StoreUnusable(f"{path} is there already. Name a new file.")
            create(path, fill)
        finally:
            os.close(lock)


def _refuse_earlier(connection: sqlite3.Connection, path: Path) -> None:
    if recognise(connection, path) < len(schema_scripts()):
        raise StoreUnusable(
            f"{path} is of an earlier version. Start this sxhost with it once, and stop it:"
            " that brings it up to date."
        )
