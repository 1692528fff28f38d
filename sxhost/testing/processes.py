"""Processes of attached agents that a test ends."""

from __future__ import annotations

from collections.abc import Callable

from sxhost.model.turn import OSProcess

__all__ = ["FakeProcesses"]


class FakeProcesses:
    """Watched processes, by their numbers; all run until `end`.

    :ivar over: those that are over, with their wait statuses.
    :ivar stubborn: the numbers of those that do not end when they are asked to.
    """

    def __init__(self) -> None:
        self.watched: list[FakeWatched] = []
        self.over: dict[OSProcess, int | None] = {}
        self.stubborn: set[int] = set()

    def is_here(self, process: OSProcess) -> bool:
        """Return whether a process is one of this machine, whose name is not ``elsewhere``."""
        return process.boot != "elsewhere"

    def runs(self, process: OSProcess) -> bool:
        """Return whether a process runs still."""
        return self.is_here(process) and process not in self.over

    def terminate(self, process: OSProcess) -> None:
        """End a process, unless it is one of `stubborn`."""
        if process.pid not in self.stubborn:
            self.over[process] = None
            self.end(process.pid)

    def watch(self, process: OSProcess, ended: Callable[[], object]) -> FakeWatched:
        """Watch a process."""
        one = FakeWatched(self, process, ended)
        self.watched.append(one)
        if process in self.over:
            ended()
        return one

    def end(self, pid: int, status: int | None = None) -> None:
        """Have all processes of a number end, with a wait status if that is known."""
        for one in tuple(self.watched):
            if one.process.pid == pid:
                self.over[one.process] = status
                one.ended()


class FakeWatched:
    """A process that is watched."""

    def __init__(
        self, processes: FakeProcesses, process: OSProcess, ended: Callable[[], object]
    ) -> None:
        self.process = process
        self.ended = ended
        self._processes = processes

    @property
    def status(self) -> int | None:
        """How it has ended."""
        return self._processes.over.get(self.process)

    def cancel(self) -> None:
        """Watch it no longer."""
        self._processes.watched.remove(self)
