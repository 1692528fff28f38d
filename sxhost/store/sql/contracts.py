"""What is asked of a connection to an SQL engine.

A parameter is marked by ``?``.  Errors of the engine pass as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

__all__ = ["DamagedRow", "SQLConnection", "SQLResult"]


class DamagedRow(ValueError):
    """A row is not as it was written."""


class SQLResult(Protocol):
    """The rows that a statement returns."""

    def fetchone(self) -> Any:
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Go through the rows that are left."""

    def close(self) -> object:
        """Let go of what is left."""


class SQLConnection(Protocol):
    """A connection, whose transactions begin and end elsewhere."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> SQLResult:
        """Run a statement."""
