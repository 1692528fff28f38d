"""The pidfile of a host, warnings about root and other users, and SIGHUP."""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sxhost import files
from sxhost.logs import logger
from sxhost.process.table import Processes

__all__ = [
    "AlreadyRunning",
    "PidFile",
    "on_hangup",
    "warn_of_others",
    "warn_of_root",
]

log = logger(__name__)

OTHERS: Final = 0o077
"""The permissions of everybody but a file's owner."""

TRIES: Final = 5
"""How often a pidfile may change hands while we take it."""


class AlreadyRunning(Exception):
    """The pidfile is another's, or nothing that one could be; the message is a sentence."""


class PidFile:
    """The file with the id of the running process, which makes it anew and keeps it locked.

    The lock says whether its process lives, and not the number, which the kernel may have
    given to another one since.  A file that is found there is looked at and removed, but
    never written to, so that nobody can plant a link to another one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def check(self) -> None:
        """Check, while a terminal can still be told, that no running process holds the file.

        :raises AlreadyRunning: somebody has, or it is no pidfile.
        """
        stale = self._open_stale()
        if stale is not None:
            os.close(stale)

    def claim(self) -> None:
        """Make the file, with this process in it.

        :raises AlreadyRunning: somebody who lives has it, or it cannot be made.
        """
        for _ in range(TRIES):
            self._remove_stale()
            try:
                handle = files.open_unlinked(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                continue
            except OSError as error:
                raise self._unusable(error) from error
            self._lock(handle)
            os.write(handle, b"%d" % os.getpid())
            self._handle = handle
            return
        raise AlreadyRunning(f"{self.path} is fought over by several hosts.")

    def remove(self) -> None:
        """Remove the file if it is ours; the lock ends with it, or with the process."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        try:
            if self._is_at_path(handle):
                self.path.unlink()
        except OSError as error:
            log.warn("The pidfile stays: {error}", error=str(error))
        os.close(handle)

    def _remove_stale(self) -> None:
        handle = self._open_stale()
        if handle is not None:
            if self._is_at_path(handle):  # nobody has put another one there since
                log.warn("Replacing {file}: its process is gone", file=str(self.path))
                with suppress(FileNotFoundError):
                    self.path.unlink()
            os.close(handle)

    def _open_stale(self) -> int | None:
        """Return a descriptor of the file that is there if it is stale; None if none is."""
        try:
            # Without waiting: a pipe would wait for somebody to open its other end.
            handle = files.open_unlinked(self.path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._lock(handle)
            self._check_content(handle)
        except AlreadyRunning:
            os.close(handle)
            raise
        return handle

    def _lock(self, handle: int) -> None:
        try:
            files.lock_descriptor(handle)
        except BlockingIOError:
            raise AlreadyRunning(_another_host_runs(_read_pid(handle), self.path)) from None

    def _check_content(self, handle: int) -> None:
        """Check that an unlocked file is the pidfile of a process that has ended."""
        pid = _read_pid(handle)
        if not stat.S_ISREG(os.fstat(handle).st_mode) or (pid and not pid.isdigit()):
            raise AlreadyRunning(f"{self.path} is there already, and is no pidfile.")
        # One that is younger than the file did not write it: it has only got the same number.
        if pid and Processes().began(int(pid)) < os.fstat(handle).st_mtime:
            raise AlreadyRunning(_another_host_runs(pid, self.path))

    def _is_at_path(self, handle: int) -> bool:
        """Tell whether the path still leads to this file."""
        try:
            here = self.path.lstat()
        except FileNotFoundError:
            return False
        return os.path.samestat(here, os.fstat(handle))

    def _unusable(self, error: OSError) -> AlreadyRunning:
        # ELOOP: it has become a link after it was looked at.
        linked = isinstance(error, files.UnsafeFile) or error.errno == errno.ELOOP
        why = "it is a link" if linked else (error.strerror or "").lower()
        return AlreadyRunning(f"cannot use the pidfile {self.path}: {why}.")


def _another_host_runs(pid: bytes, path: Path) -> str:
    number = pid.decode("ascii", "replace") or "still unknown"
    return f"another host runs, with pid {number} ({path})."


def _read_pid(handle: int) -> bytes:
    """Return the content of a pidfile; empty if it cannot be read."""
    with suppress(OSError):
        return os.pread(handle, 32, 0).strip()
    return b""


def warn_of_root() -> None:
    """Log how to run as another user, if this is root."""
    if os.geteuid() == 0:
        log.warn(
            "This host runs as root, so agents and whoever may write to them could do anything."
            " Give it a user: twistd --uid NAME --gid GROUP sxhost, or a unit of deploy/"
        )


def warn_of_others(place: Path) -> None:
    """Log a warning if other users can read the state directory."""
    if place.stat().st_mode & OTHERS:
        log.warn("Others may look into {place}; end that with: chmod 700", place=str(place))


def on_hangup(reactor: Any, reload: Callable[[], None]) -> None:
    """Call `reload` on each SIGHUP; but stop the reactor if it came since a terminal closed."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by nohup: it may go
    terminal = os.isatty(0) and not ignored

    def handle_hangup() -> None:
        if terminal and not os.isatty(0):
            reactor.stop()
        else:
            reload()

    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(handle_hangup))
