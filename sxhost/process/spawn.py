"""Starts a program in a session of its own, or says at once why it cannot be started.

``reactor.spawnProcess`` is not used here.  For pipes it opens no session, with a directory of
its own it forks the whole daemon with all its threads (Python 3.12 and later warn of that), and
a program that cannot be run it reports as a traceback on the child's stderr.  `subprocess` has
all of this in C: ``vfork``, ``setsid``, ``chdir``, the signals as they were, and the error of
``exec`` over a pipe before it returns, within a millisecond.  A launcher in Python would take
ten times as long, and a ``setsid`` program is not everywhere.  The rest of a child's life
is the reactor's (`sxhost.process.pipes`).
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sxhost.errors import AgentFailed, BadField
from sxhost.process.contracts import Command

__all__ = ["find_program", "start_program"]

_REASONS = {
    errno.ENOENT: "the interpreter in its first line is not there",
    errno.ENOTDIR: "the interpreter in its first line is not there",
    errno.ENOEXEC: "it is no program for this system",
    errno.EACCES: "it, or the interpreter in its first line, may not be executed",
    errno.E2BIG: "its arguments and environment are too large",
    errno.EAGAIN: "this user has too many processes",
    errno.EMFILE: "the host has too many open files",
}


def find_program(program: str, cwd: str, path: str) -> str:
    """Return the path of a program: in `path`, or with a slash in it, as seen from `cwd`.

    Places in `path` that are not absolute do not count: a project could put a program there.

    :raises AgentFailed: it is not there, or may not be executed.
    """
    if "/" in program:
        return _executable_at(Path(cwd, program))
    places = [place for place in path.split(os.pathsep) if Path(place).is_absolute()]
    found = shutil.which(program, path=os.pathsep.join(places))
    if found is None:
        searched = os.pathsep.join(places) or "an empty PATH"
        raise AgentFailed(f"There is no program {program!r} in {searched}.")
    return found


def _executable_at(place: Path) -> str:
    if not place.is_file():
        raise AgentFailed(f"There is no program {str(place)!r}.")
    if not os.access(place, os.X_OK):
        raise AgentFailed(f"The program {str(place)!r} is not executable.")
    return str(place)


def start_program(command: Command, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program with pipes, as the leader of a session and of a process group.

    :raises AgentFailed: it cannot be run.
    :raises BadField: its directory is not there.
    """
    if not Path(command.cwd).is_dir():
        raise BadField("cwd", f"There is no directory {command.cwd!r}.")
    place = find_program(command.argv[0], command.cwd, environ.get("PATH", os.defpath))
    try:
        return subprocess.Popen(  # noqa: S603 - no shell, and the program is what was asked for
            list(command.argv),
            executable=place,
            cwd=command.cwd,
            env=environ,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        why = _REASONS.get(number or 0) or getattr(error, "strerror", None) or str(error)
        raise AgentFailed(f"{place} cannot be run: {why}.") from error
