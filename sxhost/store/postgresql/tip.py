"""The row of `tip`: who may write, and how far the log was written; and the schema's versions.

PostgreSQL's errors pass as they are.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from importlib import resources
from typing import Final, NamedTuple

from psycopg.errors import LockNotAvailable

from sxhost.store.contracts import StoreUnusable
from sxhost.store.postgresql.connection import EngineConnection

__all__ = [
    "Tip",
    "advance",
    "lock",
    "migrate",
    "read_tip",
    "schema_scripts",
    "unlock",
    "wait_for_lock",
]

LOCK: Final = 0x73786873  # "sxhs"
LOCK_WAIT_MS: Final = 500


class Tip(NamedTuple):
    """How far the log was written: a number that counts commits, and a name of the last."""

    version: int
    nonce: str

    def next(self) -> Tip:
        """Return the tip after one more commit."""
        return Tip(self.version + 1, secrets.token_hex(8))


def lock(connection: EngineConnection) -> bool:
    """Become the only one who may write to this schema; return whether nobody else is.

    It lasts as long as the connection, which has then nothing left that might be committed.
    """
    query = "SELECT pg_try_advisory_lock(?::int, hashtext(current_schema()))"
    return bool(connection.execute(query, (LOCK,)).fetchone()[0])


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


def read_tip(connection: EngineConnection) -> Tip:
    """Return how far the log was written."""
    return Tip(*connection.execute("SELECT version, nonce FROM tip").fetchone())


def advance(connection: EngineConnection, old: Tip, new: Tip) -> bool:
    """Move the tip, in a transaction that has begun; return whether it was where it should."""
    moved = "UPDATE tip SET version = ?, nonce = ? WHERE version = ? AND nonce = ? RETURNING 1"
    return connection.execute(moved, (*new, *old)).fetchone() is not None


def schema_scripts() -> list[str]:
    """Return the schema's scripts; the n-th leads from version n - 1 to n."""
    found = resources.files("sxhost.store.postgresql").joinpath("schema").iterdir()
    texts = {entry.name: entry.read_text() for entry in found if entry.name.endswith(".sql")}
    return [texts[name] for name in sorted(texts)]


def migrate(connection: EngineConnection, scripts: Sequence[str]) -> bool:
    """Bring the schema up to date, by whoever holds the lock; return whether it was empty.

    :raises StoreUnusable: it is of a later version.
    """
    version = _version(connection)
    if version > len(scripts):
        raise StoreUnusable(
            f"the database has version {version}; this sxhost knows {len(scripts)}."
            " Use a newer one."
        )
    if version < len(scripts):
        connection.execute("BEGIN")
        for script in scripts[version:]:
            connection.execute(script)
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version VALUES (?)", (len(scripts),))
        connection.execute("COMMIT")
    return version == 0


def _version(connection: EngineConnection) -> int:
    """Return the version of the schema; 0 for one that has nothing of ours."""
    found = "SELECT to_regclass(quote_ident(current_schema()) || '.schema_version') IS NOT NULL"
    if not connection.execute(found).fetchone()[0]:
        return 0
    return int(connection.execute("SELECT version FROM schema_version").fetchone()[0])
