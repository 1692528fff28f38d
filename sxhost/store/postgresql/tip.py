"""Who may write to a schema, and the schema's versions.

PostgreSQL's errors pass as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

from psycopg.errors import LockNotAvailable

from sxhost.store.contracts import StoreUnusable
from sxhost.store.postgresql.connection import EngineConnection

__all__ = [
    "lock",
    "lock_together",
    "migrate",
    "run_scripts",
    "schema_is_present",
    "schema_scripts",
    "schema_version",
    "unlock",
    "unlock_alone",
    "wait_for_lock",
]

LOCK: Final = 0x73786873  # "sxhs"
LOCK_WAIT_MS: Final = 500


def lock(connection: EngineConnection) -> bool:
    """Become the only one who may write to this schema; return whether nobody else is.

    It lasts as long as the connection, which has then nothing left that might be committed.
    """
    query = "SELECT pg_try_advisory_lock(?::int, hashtext(current_schema()))"
    return bool(connection.execute(query, (LOCK,)).fetchone()[0])


def lock_together(connection: EngineConnection) -> bool:
    """Become one of those who write to this schema; False: somebody has it alone."""
    query = "SELECT pg_try_advisory_lock_shared(?::int, hashtext(current_schema()))"
    return bool(connection.execute(query, (LOCK,)).fetchone()[0])


def unlock_alone(connection: EngineConnection) -> None:
    """Let others write to this schema together with this host, which is to have that lock."""
    query = "SELECT pg_advisory_unlock(?::int, hashtext(current_schema()))"
    connection.execute(query, (LOCK,))


def wait_for_lock(connection: EngineConnection) -> bool:
    """Become the only one who may write, once an earlier connection has ended.

    It may take a moment until the engine knows that; return whether it did.
    """
    connection.execute(f"SET lock_timeout = '{LOCK_WAIT_MS}ms'")
    try:
        connection.execute(
            "SELECT pg_advisory_lock(?::int, hashtext(current_schema()))", (LOCK,)
        )
    except LockNotAvailable:
        return False
    connection.execute("RESET lock_timeout")
    return True


def unlock(connection: EngineConnection) -> None:
    """Let whoever stands by be the next, at once: a connection ends a moment later."""
    connection.execute("SELECT pg_advisory_unlock_all()")


def schema_scripts() -> list[str]:
    """Return the schema's scripts; the n-th leads from version n - 1 to n."""
    found = resources.files("sxhost.store.postgresql").joinpath("schema").iterdir()
    texts = {entry.name: entry.read_text() for entry in found if entry.name.endswith(".sql")}
    return [texts[name] for name in sorted(texts)]


def migrate(connection: EngineConnection, scripts: Sequence[str]) -> bool:
    """Bring the schema up to date, by whoever holds the lock; return whether it was empty.

    :raises StoreUnusable: it is of a later version.
    """
    version = schema_version(connection)
    if version > len(scripts):
        raise StoreUnusable(
            f"the database has version {version}; this sxhost knows {len(scripts)}."
            " Use a newer one."
        )
    if version < len(scripts):
        connection.execute("BEGIN")
        run_scripts(connection, scripts, version)
        connection.execute("COMMIT")
    return version == 0


def run_scripts(connection: EngineConnection, scripts: Sequence[str], version: int = 0) -> None:
    """Run the scripts after `version`, in a transaction that has begun."""
    for script in scripts[version:]:
        connection.execute(script)
    connection.execute("DELETE FROM schema_version")
    connection.execute("INSERT INTO schema_version VALUES (?)", (len(scripts),))


def schema_is_present(connection: EngineConnection) -> bool:
    """Return whether the schema is of the version that this sxhost knows."""
    return schema_version(connection) == len(schema_scripts())


def schema_version(connection: EngineConnection) -> int:
    """Return the version of the schema; 0 for one that has nothing of ours."""
    found = "SELECT to_regclass(quote_ident(current_schema()) || '.schema_version') IS NOT NULL"
    if not connection.execute(found).fetchone()[0]:
        return 0
    return int(connection.execute("SELECT version FROM schema_version").fetchone()[0])
