"""What passes between a program, its terminal and us: output, sizes, signals, input."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import sys
import termios
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

__all__ = ["STREAMS", "OutputLines", "Signals", "Stream", "Typed", "outputs", "write_all"]

OFLAG: Final = 1
LFLAG: Final = 3
"""Where a terminal's modes have those of what is written, and of what is typed."""

EXTPROC: Final = 0o200000
"""The mode in which a terminal's other side is told of each change of its modes."""

PACKETS: Final = (1).to_bytes(4, sys.byteorder)
LINE_MOST: Final = 8192
"""Bytes of one line of output that are told; of longer ones the beginning."""

LINES_MOST: Final = 200
"""Lines in one event."""

PASSED_ON: Final = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
"""Signals for us alone; those of the terminal's keys the program gets itself."""

FROM_KEYS: Final = ("SIGINT", "SIGQUIT")
STREAMS: Final[Mapping[int, str]] = {1: "stdout", 2: "stderr"}


class OutputLines:
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
            modes = termios.tcgetattr(number)
            self._treats = modes[OFLAG] & termios.OPOST
            self._modes = _set_modes(self.theirs, modes)
            fcntl.ioctl(self._ours, termios.TIOCPKT, PACKETS)
            self.resize()
        else:
            self._ours, self.theirs = os.pipe()

    def begin(self) -> None:
        """Listen; the program has its end by now."""
        os.close(self.theirs)
        os.set_blocking(self._ours, False)
        self._reactor.addReader(self)

    def resize(self) -> bool:
        """Take over the size of the real terminal; tell whether it is another one."""
        size = fcntl.ioctl(self.number, termios.TIOCGWINSZ, b"\0" * 8)
        before = fcntl.ioctl(self._ours, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)
        return size != before

    def _take_modes(self) -> None:
        """Have the real terminal work as the program wants it to: raw, without an echo, …

        Many programs say so to the terminal that they write to, which is ours.
        """
        modes = termios.tcgetattr(self._ours)
        if modes == self._modes:
            return
        self._modes = _set_modes(self._ours, modes)
        with _unstopped():
            if modes[LFLAG] & termios.ISIG:  # else it is raw: what is written stays as it is
                modes[OFLAG] |= self._treats
            modes[LFLAG] &= ~EXTPROC
            termios.tcsetattr(self.number, termios.TCSADRAIN, modes)

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
        if self.terminal:
            self._take_modes()
        os.close(self._ours)

    def _read(self) -> bool:
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # there is nothing now, or a terminal without its other end
            return False
        text = data
        if self.terminal:  # a packet: what is new, and what was written
            self._take_modes()
            text = data[1:]
        if text:
            self._hear(self.number, text)
        return bool(data)


def outputs(reactor: Any, hear: Callable[[int, bytes], object]) -> Mapping[int, Stream]:
    """Return the streams for what the program writes: one, if all shows on one terminal.

    So what it shows stands in the order in which it was written.
    """
    stdout = Stream(reactor, 1, hear)
    if stdout.terminal and os.isatty(2) and os.ttyname(1) == os.ttyname(2):
        return {1: stdout, 2: stdout}
    return {1: stdout, 2: Stream(reactor, 2, hear)}


def _set_modes(terminal: int, modes: list[Any]) -> list[Any]:
    """Set the modes of a terminal in front of the real one, which treats what is written."""
    treated = [*modes]
    treated[OFLAG] &= ~termios.OPOST
    treated[LFLAG] |= EXTPROC
    termios.tcsetattr(terminal, termios.TCSANOW, treated)
    return termios.tcgetattr(terminal)


@contextmanager
def _unstopped() -> Iterator[None]:
    """Set a terminal's modes even if a job of the program has it, and we are in the back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Signals:
    """While a program runs, signals are its own business."""

    def __init__(self, send: Callable[[int], object], streams: Iterable[Stream]) -> None:
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

    def _resize(self, number: int, _frame: Any) -> None:
        """Tell the program again: it may have looked before its terminal had the size."""
        others = [stream for stream in self._terminals if stream.resize()]
        if others:
            with suppress(OSError):
                os.killpg(os.tcgetpgrp(others[0].number), number)


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
