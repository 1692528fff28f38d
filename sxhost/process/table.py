"""Who runs on this machine: /proc, families of processes, signals that meet only who is meant.

Every agent runs its commands in sessions of their own, and some of these detach themselves by a
double fork: neither the process group nor the parents' numbers find them all.  What an agent
has started is therefore found in three ways: by the parents, as long as these live (`Family`
remembers whom it has once seen); by the sessions that known ones lead; and by a mark, which
everything inherits that does not take pains to be rid of it (`sxhost.process.marks`).

A number is not a name: numbers are used again.  A process is its number and its start, and a
signal goes out only after its start was read again, over a descriptor that holds the process
(``pidfd_open``) where the system has them.

Where there is no /proc (macOS, the BSDs) nobody is seen, and a child's process group is all
that can be ended (`Group`): what it has started in sessions of its own goes on there.
"""

from __future__ import annotations

import os
import signal
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple, Protocol

from sxhost.model.turn import Process
from sxhost.process.marks import Mark

__all__ = [
    "Family",
    "Group",
    "ProcessEntry",
    "ProcessFamily",
    "Processes",
    "family",
    "parse_stat",
]

DEAD = frozenset("ZXx")
STAT_SIZE = 4096
CHUNK = 1 << 16
COMMAND_SIZE = 200
KERNEL_THREAD = 0x00200000
DOUBTS = 3
"""Looks at a process that has neither words nor environment until it is taken as it is."""


class ProcessEntry(NamedTuple):
    """A process as it was at one moment."""

    pid: int
    parent: int
    session: int
    started: int
    state: str

    @property
    def process(self) -> Process:
        """Its lasting name."""
        return Process(self.pid, self.started)

    @property
    def lives(self) -> bool:
        """Whether it still does anything: a zombie only waits to be counted."""
        return self.state not in DEAD


class ProcessFamily(Protocol):
    """Some processes that are to end."""

    unsure: bool
    """Whether the last look may have missed somebody, so that another is needed."""

    def look(self) -> list[ProcessEntry]:
        """Return those who live now."""

    def send(self, process: Process, number: int) -> bool:
        """Signal one of them; return whether it was there.

        :raises OSError: it may not be signalled.
        """

    def command(self, process: Process) -> str:
        """Return what it runs, for a person to read; "" if that cannot be told."""


def parse_stat(data: bytes) -> ProcessEntry | None:
    """Read ``/proc/PID/stat``; a command's name may hold blanks and brackets.

    Threads of the kernel are nobody.
    """
    pid, _, rest = data.partition(b" ")
    fields = rest.rpartition(b")")[2].split()
    try:
        parent, session, flags, started = (int(fields[n]) for n in (1, 3, 6, 19))
        seen = ProcessEntry(int(pid), parent, session, started, fields[0].decode())
        return None if flags & KERNEL_THREAD else seen
    except (IndexError, ValueError):
        return None


class Processes:
    """The processes of this machine, by number."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc

    @property
    def known(self) -> bool:
        """Whether processes can be seen here at all."""
        return self.see(os.getpid()) is not None

    def see(self, pid: int) -> ProcessEntry | None:
        """Return a process, dead or alive; None if there is none (or no /proc)."""
        return parse_stat(self._read(pid, "stat", STAT_SIZE))

    def all(self) -> dict[int, ProcessEntry]:
        """Return all processes; with 300 of them it takes some 5 ms."""
        try:
            with os.scandir(self._proc) as entries:
                numbers = [int(entry.name) for entry in entries if entry.name.isdecimal()]
        except OSError:
            return {}
        seen = map(self.see, numbers)
        return {one.pid: one for one in seen if one is not None}

    def runs(self, process: Process) -> bool:
        """Tell whether just this process is there and lives."""
        seen = self.see(process.pid)
        return seen is not None and seen.lives and seen.started == process.started

    def environ(self, pid: int) -> bytes:
        """Return the environment that it began with; b"" if that is not ours to read."""
        return self._read(pid, "environ")

    def carries(self, pid: int, mark: Mark) -> bool | None:
        """Tell whether a process has a mark; None if it shows nothing yet, as in ``exec``."""
        if mark.in_limits(self._read(pid, "limits")):
            return True
        environ = self.environ(pid)
        if mark.in_environ(environ):
            return True
        shows = environ or self._read(pid, "cmdline", COMMAND_SIZE)
        return False if shows else None

    def command(self, process: Process) -> str:
        """Return what it runs, for a person to read; "" if that cannot be told."""
        words = self._read(process.pid, "cmdline", COMMAND_SIZE).split(b"\0")
        return b" ".join(filter(None, words)).decode(errors="replace")

    def send(self, process: Process, number: int) -> bool:
        """Signal just this process; return whether it was there.

        :raises OSError: it may not be signalled.
        """
        with _held(process.pid) as handle:
            if not self.runs(process):
                return False
            try:
                if handle is None:
                    os.kill(process.pid, number)
                else:
                    signal.pidfd_send_signal(handle, number)
            except ProcessLookupError:
                return False
        return True

    def _read(self, pid: int, name: str, size: int | None = None) -> bytes:
        """Return a small file of a process, or its beginning; b"" if there is none to read."""
        try:
            file = os.open(f"{self._proc}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            return os.read(file, size) if size else b"".join(_chunks(file))
        except OSError:
            return b""
        finally:
            os.close(file)


def _chunks(file: int) -> Iterator[bytes]:
    while chunk := os.read(file, CHUNK):
        yield chunk


@contextmanager
def _held(pid: int) -> Iterator[int | None]:
    """Hold whoever has this number now; None where that is not possible."""
    handle = None
    with suppress(AttributeError, OSError):
        handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def family(
    table: Mapping[int, ProcessEntry], heads: Collection[int], never: Collection[int]
) -> set[int]:
    """Return `heads` and all below them: their children, and the sessions that they lead.

    `never` are numbers that do not belong to it, nor what is below them.
    """
    below = defaultdict[int, list[int]](list)
    for one in table.values():
        below[one.parent].append(one.pid)
        below[one.session].append(one.pid)
    found, left = set(never), [pid for pid in heads if pid in table]
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += below[pid]
    return found - set(never)


class Family:
    """All that carry a mark or are below those who do, or below `root`, now or once.

    This process and those above it never belong to a family: a host may have been started by
    an agent of its own.
    """

    def __init__(self, processes: Processes, mark: Mark, root: Process | None = None) -> None:
        self._processes = processes
        self._mark = mark
        self._since = root.started if root else 0
        self._members: set[Process] = {root} if root else set()
        self._strangers: set[Process] = set()
        self._doubts = Counter[Process]()
        self.unsure = False
        self.send = processes.send
        self.command = processes.command

    def look(self) -> list[ProcessEntry]:
        """Return those who live now, the eldest first; it takes some milliseconds."""
        return self.learn(self._processes.all())

    def learn(self, table: Mapping[int, ProcessEntry]) -> list[ProcessEntry]:
        """Return the same, from a look at all processes that others share."""
        self.unsure = False
        heads = [one.pid for one in table.values() if self._belongs(one)]
        self._forget(table)
        members = [table[pid] for pid in family(table, heads, _line(table))]
        self._members = {one.process for one in members}
        return sorted((one for one in members if one.lives), key=lambda one: one.started)

    def _forget(self, table: Mapping[int, ProcessEntry]) -> None:
        """Forget strangers that are no more."""
        there = {one.process for one in table.values()}
        self._strangers &= there
        self._doubts = Counter({p: n for p, n in self._doubts.items() if p in there})

    def _belongs(self, one: ProcessEntry) -> bool:
        """Tell by itself alone; who was once seen without the mark will never have it.

        Whoever runs ``exec`` just now has neither words nor environment for a moment.
        """
        process = one.process
        if process in self._members:
            return True
        if one.started < self._since or process in self._strangers or not one.lives:
            return False
        carries = self._processes.carries(one.pid, self._mark)
        if carries is None and self._doubts[process] < DOUBTS:
            self._doubts[process] += 1
            self.unsure = True
        elif not carries:
            self._strangers.add(process)
        return bool(carries)


def _line(table: Mapping[int, ProcessEntry]) -> set[int]:
    """Return this process and those above it."""
    pid, found = os.getpid(), set[int]()
    while pid and pid not in found:
        found.add(pid)
        pid = table[pid].parent if pid in table else 0
    return found


class Group:
    """A process group: all that can be known of a family where there is no /proc.

    Its number is not used again while somebody is in it.
    """

    unsure = False

    def __init__(self, leader: Process) -> None:
        self._leader = leader

    def look(self) -> list[ProcessEntry]:
        """Return the group as if it were one process, or nobody."""
        pid, started = self._leader.pid, self._leader.started
        return [ProcessEntry(pid, 0, pid, started, "?")] if self.send(self._leader, 0) else []

    def learn(self, table: Mapping[int, ProcessEntry]) -> list[ProcessEntry]:  # noqa: ARG002 - it is empty
        """Return the same: nobody else knows more."""
        return self.look()

    def send(self, process: Process, number: int) -> bool:
        """Signal the group; return whether anybody is in it.

        :raises OSError: none of it may be signalled.
        """
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def command(self, process: Process) -> str:
        """Tell which group it is."""
        return f"process group {process.pid}"
