"""Processes of attached agents that a test ends."""

from __future__ import annotations

from collections.abc import Callable

from sxhost.model.turn import OSProcess

__all__ = ["FakeProcesses"]


class FakeProcesses:
    """Watched processes, by their numbers; all run until `end`.

    :ivar over: those that are over, with their wait statuses.
    """

    def __init__(self) -> None:
        self.watched: list[FakeWatched] = []
        self.over: dict[OSProcess, int | None] = {}

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
