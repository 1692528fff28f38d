"""What passes between a program, its terminal and us: output, sizes, signals, input."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import termios
import tty
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

__all__ = ["STREAMS", "Lines", "Signals", "Stream", "Typed", "write_all"]

LINE_MOST: Final = 8192
"""Bytes of one line of output that are told; of longer ones the beginning."""

LINES_MOST: Final = 200
"""Lines in one event."""

PASSED_ON: Final = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
"""Signals for us alone; those of the terminal's keys the program gets itself."""

FROM_KEYS: Final = ("SIGINT", "SIGQUIT")
STREAMS: Final[Mapping[int, str]] = {1: "stdout", 2: "stderr"}


class Lines:
    """What a program prints on one stream, in lines, some at a time."""

    def __init__(self, tell: Callable[[list[str]], object]) -> None:
        self._tell = tell
        self._rest = b""

    def hear(self, data: bytes) -> None:
        """Take a piece of output."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        self._say(whole)
        if len(self._rest) > LINE_MOST * 2:
            self._rest = self._rest[:LINE_MOST]

    def end(self) -> None:
        """There is no more."""
        if self._rest:
            self._say([self._rest])
        self._rest = b""

    def _say(self, lines: list[bytes]) -> None:
        texts = [line[:LINE_MOST].rstrip(b"\r").decode("utf-8", "replace") for line in lines]
        for at in range(0, len(texts), LINES_MOST):
            self._tell(texts[at : at + LINES_MOST])


class Stream:
    """One of the program's outputs, which we hear: a terminal if ours is one, else a pipe."""

    def __init__(self, reactor: Any, number: int, hear: Callable[[int, bytes], object]) -> None:
        self.number = number
        self.terminal = os.isatty(number)
        self._reactor = reactor
        self._hear = hear
        if self.terminal:
            self._ours, self.theirs = pty.openpty()
            tty.setraw(self.theirs)  # the real terminal behind it does the rest
            self.resize()
        else:
            self._ours, self.theirs = os.pipe()

    def begin(self) -> None:
        """Listen; the program has its end by now."""
        os.close(self.theirs)
        os.set_blocking(self._ours, False)
        self._reactor.addReader(self)

    def resize(self) -> None:
        """Take over the size of the real terminal."""
        size = fcntl.ioctl(self.number, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def fileno(self) -> int:
        """Return what the reactor watches."""
        return self._ours

    def logPrefix(self) -> str:
        """Return what logs call it."""
        return STREAMS[self.number]

    def doRead(self) -> None:
        """Pass on what is there."""
        if not self._read():
            self._reactor.removeReader(self)

    def connectionLost(self, _reason: Failure) -> None:
        """Do nothing: `drain` closes."""

    def drain(self) -> None:
        """Read what is left, then close; others may hold the other end for ever."""
        self._reactor.removeReader(self)
        while self._read():
            pass
        os.close(self._ours)

    def _read(self) -> bool:
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # there is nothing now, or a terminal without its other end
            return False
        if data:
            self._hear(self.number, data)
        return bool(data)


class Signals:
    """While a program runs, signals are its own business."""

    def __init__(self, send: Callable[[int], object], streams: Sequence[Stream]) -> None:
        self._send = send
        self._terminals = [stream for stream in streams if stream.terminal]
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for name in PASSED_ON:
            self._catch(name, self._pass_on)
        for name in FROM_KEYS:
            self._catch(name, self._from_keys)
        self._catch("SIGWINCH", self._resize)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _catch(self, name: str, handler: Callable[[int, Any], None]) -> None:
        number = getattr(signal, name)
        self._before[number] = signal.signal(number, handler)
        signal.siginterrupt(number, False)

    def _pass_on(self, number: int, _frame: Any) -> None:
        self._send(number)

    def _from_keys(self, number: int, frame: Any) -> None:
        """A key's signal has reached the program, too; one from elsewhere has not."""
        if not _has_terminal():
            self._pass_on(number, frame)

    def _resize(self, _number: int, _frame: Any) -> None:
        for stream in self._terminals:
            stream.resize()


def _has_terminal() -> bool:
    """Tell whether a terminal's keys reach this process, and all that it has started."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


class Typed(Protocol):
    """Our standard input, on its way to the program's."""

    def __init__(self, process: Any, *, ends: bool) -> None:
        self._process = process
        self._ends = ends

    def dataReceived(self, data: bytes) -> None:
        """Pass it on."""
        self._process.writeToChild(0, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Pass on the end of it, if a person has typed that."""
        if self._ends:
            self._process.closeChildFD(0)


def write_all(number: int, data: bytes) -> None:
    """Write to one of our own outputs, waiting for its reader as the program would."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(number, left) :]
        except BlockingIOError:
            select.select([], [number], [])
        except OSError:  # nobody reads it any more
            return
