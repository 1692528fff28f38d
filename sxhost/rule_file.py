"""A file of rules that a user writes, in TOML: what is wrong in it is said with its place."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

__all__ = ["RuleFile", "RuleFileError", "rule_place"]

T = TypeVar("T")

LARGEST: Final = 1_000_000
"""Bytes of a file at the most."""


class RuleFileError(ValueError):
    """A file is wrong; `where` names the rule or the table, `why` is a sentence."""

    def __init__(self, file: str, where: str, why: str) -> None:
        super().__init__(f"{file}: {where}: {why}" if where else f"{file}: {why}")
        self.file = file
        self.where = where
        self.why = why


class RuleFile:
    """A file that is called `name` in its faults, which are raised as `error`."""

    def __init__(self, name: str, error: type[RuleFileError]) -> None:
        self._name = name
        self._error = error

    def fault(self, where: str, why: str) -> RuleFileError:
        """Return what is to be raised of a fault."""
        return self._error(self._name, where, why)

    def content(self, path: Path) -> bytes:
        """Read the file.

        :raises RuleFileError: it cannot be read, or anyone could have written it.
        """
        try:
            if path.stat().st_mode & stat.S_IWOTH:
                raise self.fault("", "Everyone may write to it; `chmod o-w` it.")
            return path.read_bytes()
        except OSError as error:
            raise self.fault("", f"It cannot be read: {error.strerror}.") from None

    def tables(self, text: bytes) -> dict[str, Any]:
        """Parse its tables.

        :raises RuleFileError: it is too large, or not TOML.
        """
        if len(text) > LARGEST:
            raise self.fault("", f"It has more than {LARGEST} bytes.")
        try:
            return tomllib.loads(text.decode())
        except (ValueError, RecursionError) as error:
            raise self.fault("", f"It is not TOML: {error}.") from None

    def convert(self, given: object, kind: type[T], where: str) -> T:
        """Return a table, or a field, as a type.

        :raises RuleFileError: it is none.
        """
        try:
            return msgspec.convert(given, kind)
        except msgspec.ValidationError as error:
            raise self.fault(where, f"{error}.") from None


def rule_place(number: int, written: object) -> str:
    """Return what a rule is called in faults: by its name, else by its number."""
    name = written.get("name") if isinstance(written, dict) else None
    return f"rule {name!r}" if isinstance(name, str) else f"rule {number}"
