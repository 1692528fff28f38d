"""Where a conversation works that an agent has stored: its file says so at its beginning."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from msgspec import DecodeError, Struct, json

from sxhost.codec.well_formed import decode_from_program

__all__ = ["directory_in"]

LINES = 32
"""Lines in which the directory is named."""

LINE = 1 << 20
"""Bytes of a line; codex writes its whole instructions into the first."""


class _Payload(Struct, frozen=True):
    cwd: str = ""


class _Line(Struct, frozen=True):
    cwd: str = ""
    payload: _Payload = _Payload()


_decode = json.Decoder(_Line).decode


def directory_in(files: Iterable[Path]) -> str | None:
    """Return the first directory that stored conversations name; None if none does."""
    return next(filter(None, map(_directory_in, files)), None)


def _directory_in(file: Path) -> str | None:
    try:
        with file.open("rb") as lines:
            for line in islice(iter(lambda: lines.readline(LINE), b""), LINES):
                directory = _directory_of_line(line)
                if directory.startswith("/"):
                    return directory
    except OSError:
        return None
    return None


def _directory_of_line(line: bytes) -> str:
    try:
        found = decode_from_program(line, _decode).value
    except (ValueError, DecodeError):  # another form of line
        return ""
    return found.cwd or found.payload.cwd
