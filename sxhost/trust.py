"""Settings files in projects that the user trusts: anybody can put one into a repository.

A trusted file is copied below the user's configuration directory, under its absolute path.  It
is trusted only as long as it equals that copy, byte for byte.  `sxhost-emit` must be quick and
imports this, so it imports little.
"""

# ruff: noqa: PTH103, PTH108, PTH118

from __future__ import annotations

import os

from sxhost import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["SETTINGS_FILE", "content_of", "is_trusted", "revoke", "trust", "trusted_files"]

SETTINGS_FILE = "scorpiox-env.txt"
SETTINGS_SIZE = 1 << 20
"""Bytes of a settings file that are read: it may be a device that never ends."""


def content_of(path: str) -> bytes:
    """Read a settings file; b"" if it cannot be read, or is a pipe."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        return os.read(file, SETTINGS_SIZE)
    except OSError:
        return b""
    finally:
        os.close(file)


def is_trusted(environ: Mapping[str, str], path: str, content: bytes) -> bool:
    """Tell whether the user has trusted the file at an absolute path with this content."""
    try:
        return files.read_private(_base(environ) + path, SETTINGS_SIZE) == content
    except OSError:
        return False


def trust(environ: Mapping[str, str], path: str, content: bytes) -> None:
    """Trust the file at an absolute path as long as it has this content.

    :raises OSError: the copy cannot be written.
    """
    copy = _base(environ) + path
    os.makedirs(copy.rpartition("/")[0], mode=0o700, exist_ok=True)
    files.replace_private(copy, content)


def revoke(environ: Mapping[str, str], path: str) -> bool:
    """Stop trusting the file at an absolute path; tell whether it was trusted."""
    try:
        os.unlink(_base(environ) + path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def trusted_files(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths of all trusted files, in order."""
    base = _base(environ)
    for place, below, names in os.walk(base):
        below.sort()
        if SETTINGS_FILE in names:
            yield os.path.join(place, SETTINGS_FILE).removeprefix(base)


def _base(environ: Mapping[str, str]) -> str:
    config = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '')}/.config"
    return f"{config}/sxhost/trusted"
