"""Which version a program is, as it says itself: asked in a thread, for a bounded time."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

__all__ = ["program_version"]

WITHIN: Final = 3.0
"""Seconds that a program may take to say its version."""

MOST: Final = 4096
"""Bytes of what it says that are read."""

NUMBER: Final = re.compile(r"\d+(?:\.\d+)+[-+.\w]{0,40}")


def program_version(path: str, environ: Mapping[str, str], within: float = WITHIN) -> str:
    """Return the first version number that ``PROGRAM --version`` prints; "" if there is none.

    It blocks, for `within` seconds at the most; the program and what it has started are killed
    then.

    :raises OSError: it cannot be run.
    """
    process = subprocess.Popen(  # noqa: S603 - a program that the host may run anyway
        [path, "--version"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        cwd="/",
        start_new_session=True,
    )
    try:
        found = NUMBER.search(_output(process, within).decode("utf-8", "replace"))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    return found[0] if found else ""


def _output(process: subprocess.Popen[bytes], within: float) -> bytes:
    """Return the beginning of what a process prints, until it ends or the time is over."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    output, end = b"", time.monotonic() + within
    while len(output) < MOST:
        left = max(end - time.monotonic(), 0)
        readable, _, _ = select.select([process.stdout], [], [], left)
        data = os.read(process.stdout.fileno(), MOST) if readable else b""
        if not data:
            break
        output += data
    return output
