"""Between a wrapped program and our terminal: output, window sizes, signals, input."""

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

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from sxhost.codec.lines import CutLines, Line

__all__ = [
    "STREAMS",
    "InputForwarder",
    "OutputLines",
    "Signals",
    "Stream",
    "outputs",
    "write_all",
]

OFLAG: Final = 1
LFLAG: Final = 3
"""Indexes into what `tcgetattr` returns: the flags of output, and the local flags."""

EXTPROC: Final = 0o200000
"""The local flag with which a pty's master is notified of each change of its modes."""

PACKETS: Final = (1).to_bytes(4, sys.byteorder)
"""Turns packet mode on: each read from the pty's master begins with a byte that says whether
it is output or a change of modes (TIOCPKT, see ioctl_tty(2))."""

LINE_MOST: Final = 8192
"""Bytes of a line of output that are reported; of longer ones it is the beginning."""

PROGRESS_S: Final = 0.5
"""Seconds between two reports of a line that is drawn again and again."""

MAX_LINES: Final = 200
"""Lines of one event."""

PASSED_ON: Final = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
"""Signals that are sent to us alone, and passed on to the program."""

FROM_KEYS: Final = ("SIGINT", "SIGQUIT")
"""Signals of the terminal's keys, which the program gets from the terminal as well."""

STREAMS: Final[Mapping[int, str]] = {1: "stdout", 2: "stderr"}


class OutputLines:
    """Splits the output of one stream into lines, and reports some at a time.

    A line that is drawn again and again (``\\r``: a progress bar) is reported before its end by
    `report_progress`, as it looks then, every `PROGRESS_S` seconds at the most.
    """

    def __init__(
        self,
        report: Callable[[list[str]], object],
        report_progress: Callable[[str], object],
        clock: IReactorTime,
    ) -> None:
        self._report = report
        self._report_progress = report_progress
        self._clock = clock
        self._lines = CutLines(LINE_MOST)
        self._drawn = b""
        """The end of the unfinished line."""
        self._told = b""
        self._timer: IDelayedCall | None = None

    def receive_data(self, data: bytes) -> None:
        """Report the lines that are whole now."""
        texts = [_text(line) for line in self._lines.receive_data(data)]
        for start in range(0, len(texts), MAX_LINES):
            self._report(texts[start : start + MAX_LINES])
        if texts:
            self._end_progress()
        self._drawn = (self._drawn + data.rpartition(b"\n")[2])[-LINE_MOST:]
        if b"\r" in self._drawn and self._timer is None:
            self._timer = self._clock.callLater(PROGRESS_S, self._tell_progress)

    def flush(self) -> None:
        """Report the last line if it has no end."""
        self._end_progress()
        line = self._lines.flush()
        if line.size:
            self._report([_text(line)])

    def _tell_progress(self) -> None:
        self._timer = None
        drawn = next(filter(None, reversed(self._drawn.split(b"\r"))), b"")
        if drawn != self._told:
            self._told = drawn
            self._report_progress(drawn.decode("utf-8", "replace"))

    def _end_progress(self) -> None:
        self._drawn = self._told = b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _text(line: Line) -> str:
    return line.data.rstrip(b"\r").decode("utf-8", "replace")


class Stream:
    """One of the program's outputs, which we read: a pty if ours is a terminal, else a pipe.

    :param number: our file descriptor that it stands for, 1 or 2.
    :param on_data: called with that number, and the bytes that the program has written.
    """

    def __init__(
        self, reactor: Any, number: int, on_data: Callable[[int, bytes], object]
    ) -> None:
        self.number = number
        self.terminal = os.isatty(number)
        self._reactor = reactor
        self._on_data = on_data
        if self.terminal:
            self._master, self.program_end = pty.openpty()
            modes = termios.tcgetattr(number)
            self._post_processing = modes[OFLAG] & termios.OPOST
            self._modes = _set_modes(self.program_end, modes)
            fcntl.ioctl(self._master, termios.TIOCPKT, PACKETS)
            self.resize()
        else:
            self._master, self.program_end = os.pipe()

    def begin(self) -> None:
        """Begin to read: the program has been started, and has its end."""
        os.close(self.program_end)
        os.set_blocking(self._master, False)
        self._reactor.addReader(self)

    def resize(self) -> bool:
        """Copy the window size of the real terminal; return whether it has changed."""
        size = fcntl.ioctl(self.number, termios.TIOCGWINSZ, b"\0" * 8)
        before = fcntl.ioctl(self._master, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)
        return size != before

    def _copy_modes(self) -> None:
        """Copy the modes that the program has set to the real terminal: raw, no echo, …

        Many programs set them on the terminal that they write to, which is our pty.
        """
        modes = termios.tcgetattr(self._master)
        if modes == self._modes:
            return
        self._modes = _set_modes(self._master, modes)
        with _ignoring_sigttou():
            if modes[LFLAG] & termios.ISIG:  # else it is raw: output passes unchanged
                modes[OFLAG] |= self._post_processing
            modes[LFLAG] &= ~EXTPROC
            termios.tcsetattr(self.number, termios.TCSADRAIN, modes)

    def fileno(self) -> int:
        """Return the file descriptor that the reactor watches."""
        return self._master

    def logPrefix(self) -> str:
        """Return its name in logs."""
        return STREAMS[self.number]

    def doRead(self) -> None:
        """Pass on what the program has written."""
        if not self._read():
            self._reactor.removeReader(self)

    def connectionLost(self, _reason: Failure) -> None:
        """Do nothing: `drain` closes."""

    def drain(self) -> None:
        """Read what is left and close, without waiting for an end of file.

        Children of the program may hold the other end open for ever.
        """
        self._reactor.removeReader(self)
        while self._read():
            pass
        if self.terminal:
            self._copy_modes()
        os.close(self._master)

    def _read(self) -> bool:
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # nothing to read now, or a pty whose other end is closed
            return False
        text = data
        if self.terminal:  # packet mode: a status byte precedes the output
            self._copy_modes()
            text = data[1:]
        if text:
            self._on_data(self.number, text)
        return bool(data)


def outputs(reactor: Any, on_data: Callable[[int, bytes], object]) -> Mapping[int, Stream]:
    """Return the streams for stdout and stderr: one if both are the same terminal.

    So the terminal shows both in the order in which they were written.
    """
    stdout = Stream(reactor, 1, on_data)
    if stdout.terminal and os.isatty(2) and os.ttyname(1) == os.ttyname(2):
        return {1: stdout, 2: stdout}
    return {1: stdout, 2: Stream(reactor, 2, on_data)}


def _set_modes(terminal: int, modes: list[Any]) -> list[Any]:
    """Set the modes of our pty; output is post-processed once, by the real terminal."""
    raw_output = [*modes]
    raw_output[OFLAG] &= ~termios.OPOST
    raw_output[LFLAG] |= EXTPROC
    termios.tcsetattr(terminal, termios.TCSANOW, raw_output)
    return termios.tcgetattr(terminal)


@contextmanager
def _ignoring_sigttou() -> Iterator[None]:
    """Let us set the terminal's modes while we are in the background, without being stopped.

    That is so when the program has made a job of its own the foreground.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Signals:
    """While the program runs, passes our signals on to it."""

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
        """Pass on a signal that is not from a key: the terminal sends those to the program."""
        if not _has_terminal():
            self._pass_on(number, frame)

    def _resize(self, number: int, _frame: Any) -> None:
        """Copy the size, and signal the program again: it may have looked before that."""
        resized = [stream for stream in self._terminals if stream.resize()]
        if resized:
            with suppress(OSError):
                os.killpg(os.tcgetpgrp(resized[0].number), number)


def _has_terminal() -> bool:
    """Return whether the terminal's keys signal our process group, the program with us."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


class InputForwarder(Protocol):
    """Passes our standard input on to the program's.

    :param ends: pass on its end, too.
    """

    def __init__(self, process: Any, *, ends: bool) -> None:
        self._process = process
        self._ends = ends

    def dataReceived(self, data: bytes) -> None:
        """Pass on what was typed."""
        self._process.writeToChild(0, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Pass on the end of the input, if a person has typed that."""
        if self._ends:
            self._process.closeChildFD(0)


def write_all(number: int, data: bytes) -> None:
    """Write to one of our own outputs; this blocks while its reader is slow, as it should."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(number, left) :]
        except BlockingIOError:
            select.select([], [number], [])
        except OSError:  # nobody reads it any more
            return
