"""A PostgreSQL schema that no host writes to, read as a whole or filled as a whole."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg

from sxhost.store.contracts import StoreInUse, StoreUnusable
from sxhost.store.postgresql.connection import EngineConnection, first_line
from sxhost.store.postgresql.tip import lock, run_scripts, schema_scripts, schema_version
from sxhost.store.sql import rows
from sxhost.store.sql.contracts import DamagedRow

__all__ = ["fill_empty", "opened_to_copy"]


@contextmanager
def opened_to_copy(url: str) -> Iterator[EngineConnection]:
    """Lock a schema, and return a connection that reads what it holds now.

    :raises StoreUnusable: a host has it, it cannot be used, or is of another version.
    """
    with _locked(url) as connection:
        if schema_version(connection) != len(schema_scripts()):
            raise StoreUnusable(
                "the database has no log of this version of sxhost. Start a host with it once:"
                " that brings an earlier one up to date."
            )
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection


def fill_empty(url: str, fill: Callable[[EngineConnection], object]) -> None:
    """Make our tables in a schema that has none, with what `fill` puts in: all, or nothing.

    :raises StoreUnusable: there are some, or it cannot be used.
    """
    with _locked(url) as connection:
        if schema_version(connection):
            raise StoreUnusable(
                "the database has a log of sxhost already. Name another one, or a new schema."
            )
        connection.execute("BEGIN")
        run_scripts(connection, schema_scripts())
        rows.insert(connection, "meta", [("epoch", secrets.token_hex(4))])
        fill(connection)
        connection.execute("COMMIT")


@contextmanager
def _locked(url: str) -> Iterator[EngineConnection]:
    """Connect, and keep all hosts out for as long as it lasts."""
    try:
        with closing(EngineConnection(url)) as connection:
            if not lock(connection):
                raise StoreInUse("a host has the database: stop all that serve or stand by.")
            yield connection
    except (psycopg.Error, DamagedRow) as error:
        raise StoreUnusable(f"PostgreSQL cannot be used: {first_line(error)}.") from error
