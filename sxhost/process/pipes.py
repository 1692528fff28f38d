"""The reactor's ends of a child: what it prints, what it is told, and that it has ended."""

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
"""Bytes that a pipe may still hold at the most, once nobody should write into it any more."""

POLL = 0.1
"""Seconds between two looks at a child, where the system does not tell of its end."""


class _Pipe(FileDescriptor):
    """One end of a pipe; it closes its file."""

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
        """Close it now, whatever is still in it."""
        if self.connected:
            self.connectionLost(Failure(CONNECTION_DONE))

    def connectionLost(self, reason: Failure) -> None:
        """Let go of the file; a second time (the reactor's, after `close`), do nothing."""
        if self.connected:
            super().connectionLost(reason)
            self._number = -1
            self._file.close()


class OutputPipe(_Pipe):
    """What a child prints goes to `take`, as it comes; `at_end` is told of its end."""

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
        """Read a little."""
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
        """Tell of its end: the reactor may know of it without a read."""
        was_open = self.connected
        super().connectionLost(reason)
        if was_open:
            self._at_end()

    def close(self) -> None:
        """Close it now; that is no news then."""
        self._at_end = lambda: None
        super().close()

    def drain(self) -> None:
        """Read what is there, and close it."""
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
    """What a child is told; `unsent` counts the bytes that it has not taken yet."""

    def __init__(self, reactor: Any, file: IO[bytes]) -> None:
        super().__init__(reactor, file)
        self.unsent = 0

    def write(self, data: bytes) -> None:
        """Write, sooner or later; once it is closed, do nothing."""
        if self.connected and not self.disconnecting:
            self.unsent += len(data)
            super().write(data)

    def connectionLost(self, reason: Failure) -> None:
        """Forget what was not taken."""
        super().connectionLost(reason)
        self.unsent = 0

    def writeSomeData(self, data: bytes) -> int | BaseException:
        """Write a little."""
        sent: int | BaseException = writeToFD(self._number, data)
        if isinstance(sent, int):
            self.unsent -= sent
        return sent


class _Handle(FileDescriptor):
    """A descriptor that becomes readable when a process ends."""

    def __init__(self, reactor: Any, number: int, ended: Callable[[], None]) -> None:
        super().__init__(reactor)
        self._number, self._ended = number, ended
        self.connected = 1
        self.startReading()

    def fileno(self) -> int:
        """Return the descriptor; -1 once it is closed."""
        return self._number

    def doRead(self) -> BaseException:
        """Tell of the end, once."""
        self.stopReading()
        self._ended()
        return CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:
        """Let go of the process."""
        super().connectionLost(reason)
        os.close(self._number)
        self._number = -1


def watch(reactor: Any, child: subprocess.Popen[bytes], ended: Callable[[], None]) -> None:
    """Call `ended` once `child` has ended.

    Over a descriptor of the process (Linux 5.3), which leaves it to be waited for: until
    then its number is nobody else's.  Elsewhere by looking every now and then.
    """
    try:
        _Handle(reactor, os.pidfd_open(child.pid), ended)
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
