"""The process table: /proc, an agent's descendants, signals that cannot hit another process.

Every agent runs its commands in sessions of their own, and some of these detach themselves by a
double fork: neither the process group nor the parents' numbers find them all.  An agent's
descendants are therefore found in three ways: by their parents, as long as these live (`Family`
remembers what it has once seen); by the sessions that known ones lead; and by a mark, which
every process inherits that does not take pains to be rid of it (`sxhost.process.marks`).

A process id is not an identity: numbers are used again.  A process is its number and its start,
and a signal goes out only after its start was read again, over a descriptor that holds the
process (``pidfd_open``) where the system has them.

Where there is no /proc (macOS, the BSDs) no process is seen, and a child's process group is all
that can be ended (`Group`): what it has started in other sessions runs on there.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple, Protocol

from sxhost.model.turn import Process
from sxhost.os_process import stat_fields
from sxhost.process.marks import ProcessMark

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
MAX_DOUBTS = 3
"""Times that a process without command line and environment is looked at again."""


class ProcessEntry(NamedTuple):
    """A process as ``/proc/PID/stat`` showed it at one moment."""

    pid: int
    parent: int
    session: int
    started: int
    state: str

    @property
    def process(self) -> Process:
        """Its identity: number and start."""
        return Process(self.pid, self.started)

    @property
    def lives(self) -> bool:
        """Whether it still runs: a zombie only waits for its parent to read its exit status."""
        return self.state not in DEAD


class ProcessFamily(Protocol):
    """Processes that are to be ended together."""

    unsure: bool
    """Whether the last `look` may have missed a process, so that another is needed."""

    def look(self) -> list[ProcessEntry]:
        """Return those that live now."""

    def send(self, process: Process, number: int) -> bool:
        """Send the signal `number` to one of them; return whether it was there.

        :raises OSError: it may not be signalled.
        """

    def command(self, process: Process) -> str:
        """Return its command line, for a person to read; "" if that is unknown."""


def parse_stat(data: bytes) -> ProcessEntry | None:
    """Read ``/proc/PID/stat``; a command's name may hold blanks and brackets.

    Kernel threads are None, and so is what cannot be read.
    """
    pid, fields = data.partition(b" ")[0], stat_fields(data)
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
        """Return a process, zombies included; None if there is none (or no /proc)."""
        return parse_stat(self._read(pid, "stat", STAT_SIZE))

    def all(self) -> dict[int, ProcessEntry]:
        """Return all processes; with 300 of them it takes some 5 ms."""
        try:
            with os.scandir(self._proc) as files:
                numbers = [int(file.name) for file in files if file.name.isdecimal()]
        except OSError:
            return {}
        entries = map(self.see, numbers)
        return {entry.pid: entry for entry in entries if entry is not None}

    def runs(self, process: Process) -> bool:
        """Return whether this process, and not a later one of its number, lives."""
        seen = self.see(process.pid)
        return seen is not None and seen.lives and seen.started == process.started

    def began(self, pid: int) -> float:
        """Return the Unix time at which a process began; never (infinity) if none lives."""
        seen = self.see(pid)
        if seen is None or not seen.lives:
            return float("inf")
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return booted + seen.started / os.sysconf("SC_CLK_TCK")

    def environ(self, pid: int) -> bytes:
        """Return the environment that it was started with; b"" if we may not read it."""
        return self._read(pid, "environ")

    def carries(self, pid: int, mark: ProcessMark) -> bool | None:
        """Return whether a process has a mark; None if it shows nothing, as during ``exec``."""
        if mark.in_limits(self._read(pid, "limits")):
            return True
        environ = self.environ(pid)
        if mark.in_environ(environ):
            return True
        is_shown = environ or self._read(pid, "cmdline", COMMAND_SIZE)
        return False if is_shown else None

    def command(self, process: Process) -> str:
        """Return its command line, for a person to read; "" if that is unknown."""
        words = self._read(process.pid, "cmdline", COMMAND_SIZE).split(b"\0")
        return b" ".join(filter(None, words)).decode(errors="replace")

    def send(self, process: Process, number: int) -> bool:
        """Send the signal `number` to this process; return whether it was there.

        :raises OSError: it may not be signalled.
        """
        with _pidfd(process.pid) as handle:
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
        """Return a file of a process, or its first `size` bytes; b"" if it cannot be read."""
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
def _pidfd(pid: int) -> Iterator[int | None]:
    """Open a pidfd of the process that has this number now; None where there are none."""
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
    """Return `heads` with all descendants: their children, and the sessions that they lead.

    Processes in `never` do not belong to it, nor do descendants that only they lead to.
    """
    below = defaultdict[int, list[int]](list)
    for entry in table.values():
        below[entry.parent].append(entry.pid)
        below[entry.session].append(entry.pid)
    found, to_visit = set(never), [pid for pid in heads if pid in table]
    while to_visit:
        pid = to_visit.pop()
        if pid not in found:
            found.add(pid)
            to_visit += below[pid]
    return found - set(never)


class Family:
    """All processes that carry a mark, or `root`, and their descendants, now or earlier.

    This process and its ancestors never belong to it: a host may have been started by an
    agent of its own.
    """

    def __init__(
        self, processes: Processes, mark: ProcessMark, root: Process | None = None
    ) -> None:
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
        """Return those that live now, the eldest first; it takes some milliseconds."""
        return self.learn(self._processes.all())

    def learn(self, table: Mapping[int, ProcessEntry]) -> list[ProcessEntry]:
        """Return the same, from a process table that was read for several families."""
        self.unsure = False
        heads = [entry.pid for entry in table.values() if self._belongs(entry)]
        self._forget_ended_strangers(table)
        members = [table[pid] for pid in family(table, heads, _ancestors(table))]
        self._members = {entry.process for entry in members}
        living = [entry for entry in members if entry.lives]
        return sorted(living, key=lambda entry: entry.started)

    def _forget_ended_strangers(self, table: Mapping[int, ProcessEntry]) -> None:
        present = {entry.process for entry in table.values()}
        self._strangers &= present
        self._doubts = Counter({p: n for p, n in self._doubts.items() if p in present})

    def _belongs(self, entry: ProcessEntry) -> bool:
        """Return whether a process is known to belong, or carries the mark.

        One that was seen without the mark will never have it.  During ``exec`` a process has
        neither command line nor environment for a moment, so it is looked at again.
        """
        process = entry.process
        if process in self._members:
            return True
        if entry.started < self._since or process in self._strangers or not entry.lives:
            return False
        carries = self._processes.carries(entry.pid, self._mark)
        if carries is None and self._doubts[process] < MAX_DOUBTS:
            self._doubts[process] += 1
            self.unsure = True
        elif not carries:
            self._strangers.add(process)
        return bool(carries)


def _ancestors(table: Mapping[int, ProcessEntry]) -> set[int]:
    """Return this process and its ancestors."""
    pid, found = os.getpid(), set[int]()
    while pid and pid not in found:
        found.add(pid)
        pid = table[pid].parent if pid in table else 0
    return found


class Group:
    """A process group, which stands for a family where there is no /proc.

    Its number is not used again while a process is in it.
    """

    unsure = False

    def __init__(self, leader: Process) -> None:
        self._leader = leader

    def look(self) -> list[ProcessEntry]:
        """Return the group as if it were one process, or nothing if it is empty."""
        pid, started = self._leader.pid, self._leader.started
        return [ProcessEntry(pid, 0, pid, started, "?")] if self.send(self._leader, 0) else []

    def learn(self, table: Mapping[int, ProcessEntry]) -> list[ProcessEntry]:  # noqa: ARG002 - it is empty
        """Return the same as `look`: without /proc the table is empty."""
        return self.look()

    def send(self, process: Process, number: int) -> bool:
        """Send the signal `number` to the group; return whether a process is in it.

        :raises OSError: none of it may be signalled.
        """
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def command(self, process: Process) -> str:
        """Return which group it is."""
        return f"process group {process.pid}"
