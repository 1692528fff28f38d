"""A child process in the reactor: its output and input pipes, and the news of its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import IO, Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.fdesc import setNonBlocking, writeToFD
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

__all__ = ["InputPipe", "OutputPipe", "watch"]

CHUNK = 16 * 1024
"""Bytes read at once: more, and many short lines would keep others waiting."""

REST = 16 * 1024 * 1024
"""Bytes that are read at the most from a pipe whose writers should all have ended."""

POLL = 0.1
"""Seconds between two checks of a child, on systems without ``pidfd_open``."""


class _Pipe(FileDescriptor):
    """One end of a pipe, in non-blocking mode; it owns its file."""

    def __init__(self, reactor: Any, file: IO[bytes]) -> None:
        super().__init__(reactor)
        self.connected = 1
        self._file = file
        self._number = file.fileno()
        setNonBlocking(self._number)

    def fileno(self) -> int:
        """Return the descriptor; -1 once it is closed."""
        return self._number

    def close(self) -> None:
        """Close it now; what is still in it is lost."""
        if self.connected:
            self.connectionLost(Failure(CONNECTION_DONE))

    def connectionLost(self, reason: Failure) -> None:
        """Close the file; a second time (the reactor's, after `close`), do nothing."""
        if self.connected:
            super().connectionLost(reason)
            self._number = -1
            self._file.close()


class OutputPipe(_Pipe):
    """A child's stdout or stderr: `take` gets the bytes, `at_end` is called at its end."""

    def __init__(
        self,
        reactor: Any,
        file: IO[bytes],
        take: Callable[[bytes], None],
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(reactor, file)
        self._take = take
        self._at_end = at_end
        self.startReading()

    def doRead(self) -> BaseException | None:
        """Read a chunk, so that other descriptors get their turn."""
        try:
            data = os.read(self._number, CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._take(data)
        return None

    def connectionLost(self, reason: Failure) -> None:
        """Call `at_end`: the reactor may see the end (POLLHUP) without a read."""
        was_open = self.connected
        super().connectionLost(reason)
        if was_open:
            self._at_end()

    def close(self) -> None:
        """Close it now, without calling `at_end`."""
        self._at_end = lambda: None
        super().close()

    def drain(self) -> None:
        """Read what it holds, without waiting, and close it."""
        left = REST
        while self.connected and left > 0:
            try:
                data = os.read(self._number, CHUNK)
            except OSError:
                break
            if not data:
                break
            left -= len(data)
            self._take(data)
        self.close()


class InputPipe(_Pipe):
    """A child's stdin; `unsent` counts the bytes that it has not read yet."""

    def __init__(self, reactor: Any, file: IO[bytes]) -> None:
        super().__init__(reactor, file)
        self.unsent = 0

    def write(self, data: bytes) -> None:
        """Write as soon as the pipe has room; once it is closed, do nothing."""
        if self.connected and not self.disconnecting:
            self.unsent += len(data)
            super().write(data)

    def connectionLost(self, reason: Failure) -> None:
        """Forget what was not read."""
        super().connectionLost(reason)
        self.unsent = 0

    def writeSomeData(self, data: bytes) -> int | BaseException:
        """Write as much as the pipe takes; return how many bytes that was."""
        sent: int | BaseException = writeToFD(self._number, data)
        if isinstance(sent, int):
            self.unsent -= sent
        return sent


class _ProcessHandle(FileDescriptor):
    """A pidfd: a descriptor that becomes readable when its process ends."""

    def __init__(self, reactor: Any, number: int, ended: Callable[[], None]) -> None:
        super().__init__(reactor)
        self._number, self._ended = number, ended
        self.connected = 1
        self.startReading()

    def fileno(self) -> int:
        """Return the descriptor; -1 once it is closed."""
        return self._number

    def doRead(self) -> BaseException:
        """Call `ended`, once."""
        self.stopReading()
        self._ended()
        return CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:
        """Close the descriptor."""
        super().connectionLost(reason)
        os.close(self._number)
        self._number = -1


def watch(reactor: Any, child: subprocess.Popen[bytes], ended: Callable[[], None]) -> None:
    """Call `ended` once `child` has ended.

    By a pidfd (Linux 5.3), which leaves the process to be waited for: until then its number
    cannot be given to another.  Elsewhere by polling.
    """
    try:
        _ProcessHandle(reactor, os.pidfd_open(child.pid), ended)
    except (AttributeError, OSError):
        _poll(reactor, child, ended)


def _poll(reactor: Any, child: subprocess.Popen[bytes], ended: Callable[[], None]) -> None:
    def look() -> None:
        if child.poll() is not None:
            call.stop()
            ended()

    call = LoopingCall(look)
    call.clock = reactor
    call.start(POLL, now=False)
