"""What commands find around them, and that it may be missing: files, directory, disk.

No command ends in a traceback: what is missing is said in a sentence.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sxhost.visible import print_error

__all__ = ["leave_removed_directory", "open_standard_files", "sentences_for_errors"]

DEBUG = "SXHOST_DEBUG"
"""The variable with which errors are shown with their tracebacks."""

STANDARD = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))


def open_standard_files() -> None:
    """Open those of the standard files that the process was started without.

    Else the next file that it opens, a socket or a database, would be its standard output.
    """
    for number, name, mode in STANDARD:
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        file: Any = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, file)
        setattr(sys, f"__{name}__", file)


@contextmanager
def sentences_for_errors() -> Iterator[None]:
    """End the process with a sentence for whatever it meets."""
    try:
        yield
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        with suppress(OSError):
            print_error(f"sxhost: {_sentence(error)}")
        os._exit(1)  # what is still buffered could not be written either


def leave_removed_directory() -> None:
    """Go to ``/`` if the current directory has been removed: a host can do without."""
    if _directory_is_gone():
        os.chdir("/")


def _sentence(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and _directory_is_gone():
        return "the current directory has been removed; change to another one."
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename!r}: " if error.filename else ""
        return f"{place}{error.strerror.lower()}."
    return f"{str(error) or type(error).__name__} ({DEBUG}=1 shows where)."


def _directory_is_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - as everywhere, no path is wanted
    except FileNotFoundError:
        return True
    return False
