"""The pager through which long output is read at a terminal, chosen as git chooses its own."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO

__all__ = ["paged", "pager_command"]

USUAL = {"LESS": "FRX", "LV": "-c"}
"""What pagers are told where the user says nothing: end if all fits, keep colours and text."""


def pager_command(environ: Mapping[str, str], *, terminal: bool) -> str | None:
    """Return the shell's command of the pager; None if output goes straight to stdout.

    ``$SXHOST_PAGER`` counts more than ``$PAGER``; an empty one, or ``cat``, is none.
    """
    if not terminal or environ.get("TERM", "dumb") == "dumb":
        return None
    command = environ.get("SXHOST_PAGER", environ.get("PAGER", "less")).strip()
    try:
        program = shlex.split(command)[0] if command else ""
    except ValueError:
        return None
    is_there = program not in ("", "cat") and shutil.which(program) is not None
    return command if is_there else None


@contextmanager
def paged(command: str) -> Iterator[IO[str]]:
    """Return where to write to a pager, which is waited for at the end.

    A pager that is left early ends the writing, and that is a good end.
    """
    environ = {**USUAL, **os.environ}
    process = subprocess.Popen(  # noqa: S602 - a user's own command, as git runs it
        command,
        shell=True,
        stdin=subprocess.PIPE,
        env=environ,
        text=True,
        encoding=sys.stdout.encoding,
        errors="backslashreplace",
    )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager
    try:
        with suppress(BrokenPipeError):
            yield process.stdin
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
        signal.signal(signal.SIGINT, before)
