"""Tells when processes end that are no children of ours, and how, where the system says.

By a pidfd each (Linux 5.3), a descriptor that becomes readable when its process ends; where
there is none, or there are too many already, by a look at all of them now and then.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.task import LoopingCall

from sxhost.model.turn import OSProcess, Process
from sxhost.os_process import STARTED, boot_id, pid_namespace, read_process, stat_fields
from sxhost.process.table import Processes

__all__ = ["ProcessWatcher", "WatchedProcess"]

LOOK_S: Final = 2.0
"""Seconds between two looks at processes without a descriptor."""

PIDFD_GET_INFO: Final = 0xC040FF0B
PIDFD_INFO_EXIT: Final = 1 << 3
INFO: Final = struct.Struct("=Q52xi")
"""The first version of ``struct pidfd_info``: what is asked for or told, …, the wait status."""

STATE, EXIT_CODE = 0, 49
"""Where these stand in `stat_fields`."""


class ProcessWatcher:
    """Watches processes of this machine; `most` are watched by a descriptor each."""

    def __init__(self, reactor: Any, most: int, processes: Processes | None = None) -> None:
        self._reactor = reactor
        self._most = most
        self._processes = processes or Processes()
        self._here = (boot_id(), pid_namespace())
        self._with_handle: set[WatchedProcess] = set()
        self._without: set[WatchedProcess] = set()
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def is_here(self, process: OSProcess) -> bool:
        """Tell whether a process can be seen from here: it is none of another machine."""
        return "" not in self._here and (process.boot, process.namespace) == self._here

    def runs(self, process: OSProcess) -> bool:
        """Tell whether this process, and not a later one of its number, lives."""
        return self.is_here(process) and self._processes.runs(_identity(process))

    def terminate(self, process: OSProcess) -> None:
        """Ask a process of our own user to end (SIGTERM)."""
        if self.is_here(process):
            with suppress(OSError):  # another user's
                self._processes.send(_identity(process), signal.SIGTERM)

    def watch(self, process: OSProcess, ended: Callable[[], object]) -> WatchedProcess | None:
        """Call `ended` once this process is no more, also if that is so already.

        None: it cannot be seen from here: another machine's, or one in a container.
        """
        if not self.is_here(process):
            return None
        one = WatchedProcess(_identity(process), ended, self._cancel)
        if len(self._with_handle) < self._most and one.open(self._reactor):
            self._with_handle.add(one)
        else:
            self._without.add(one)
            if not self._looking.running:
                self._looking.start(LOOK_S, now=False)
        if not self._processes.runs(one.process):
            self._reactor.callLater(0, one.end)
        return one

    def _look(self) -> None:
        for one in tuple(self._without):
            if not self._processes.runs(one.process):
                one.end()

    def _cancel(self, one: WatchedProcess) -> None:
        self._with_handle.discard(one)
        self._without.discard(one)
        if not self._without and self._looking.running:
            self._looking.stop()


def _identity(process: OSProcess) -> Process:
    return Process(process.pid, process.started)


class WatchedProcess:
    """One process that is watched, until `cancel`."""

    def __init__(
        self,
        process: Process,
        ended: Callable[[], object],
        on_cancel: Callable[[WatchedProcess], object],
    ) -> None:
        self.process = process
        self._ended: Callable[[], object] | None = ended
        self._on_cancel = on_cancel
        self._handle: _Handle | None = None

    def open(self, reactor: Any) -> bool:
        """Have the system tell of its end; return False if it cannot."""
        try:
            self._handle = _Handle(reactor, os.pidfd_open(self.process.pid), self.end)
        except (AttributeError, OSError):
            return False
        return True

    def end(self) -> None:
        """Tell that it is no more, once."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()

    @property
    def status(self) -> int | None:
        """How it has ended, as a wait status; None if the system does not tell.

        It does so as long as nobody has waited for it; then (Linux 6.15) by a descriptor.
        """
        left = _zombie_status(self.process)
        if left is not None or self._handle is None:
            return left
        return _exit_status(self._handle.fileno())

    def cancel(self) -> None:
        """Watch it no longer."""
        self._ended = None
        if self._handle is not None:
            self._handle.close()
            self._handle = None
        self._on_cancel(self)


class _Handle(FileDescriptor):
    """A pidfd in the reactor; it stays open after the end, to be asked how that was."""

    def __init__(self, reactor: Any, number: int, ended: Callable[[], object]) -> None:
        super().__init__(reactor)
        self._number, self._ended = number, ended
        self.startReading()

    def fileno(self) -> int:
        """Return the descriptor; -1 once it is closed."""
        return self._number

    def doRead(self) -> None:
        """Tell of the end."""
        self.stopReading()
        self._ended()

    def close(self) -> None:
        """Close the descriptor."""
        self.stopReading()
        if self._number >= 0:
            os.close(self._number)
        self._number = -1


def _exit_status(handle: int) -> int | None:
    """Return the wait status of a pidfd's process, if the system knows and tells it."""
    info = bytearray(INFO.pack(PIDFD_INFO_EXIT, 0))
    try:
        fcntl.ioctl(handle, PIDFD_GET_INFO, info)
    except OSError:
        return None
    filled, status = INFO.unpack(info)
    return status if filled & PIDFD_INFO_EXIT else None


def _zombie_status(process: Process) -> int | None:
    """Return the wait status of a process that nobody has waited for yet.

    0 is no answer: it is also what those are told who may not know.
    """
    fields = stat_fields(read_process(process.pid, "stat"))
    if len(fields) <= EXIT_CODE or fields[STATE] != b"Z":
        return None
    same = int(fields[STARTED]) == process.started
    return int(fields[EXIT_CODE]) or None if same else None
