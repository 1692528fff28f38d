"""What Claude Code runs in the background: subagents and commands that outlive their turn.

Claude tells all that runs whenever that changes.  When the last of it has ended, Claude begins
a turn by itself a moment later, to tell of the result: until then the last task counts as
running, so that nobody takes the moment between for the end of everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Raw
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.drivers.claude.messages import Task
from sxhost.drivers.contracts import Reports
from sxhost.drivers.kit.background_tasks import TASKS_MOST, background_task
from sxhost.model.event_types import BackgroundEvent
from sxhost.model.session import BackgroundTask

__all__ = ["TASKS_MOST", "BackgroundTasks", "claude_task"]

KINDS: Final[Mapping[str, str]] = {
    "local_agent": "subagent",
    "local_bash": "command",
    "shell": "command",
}
"""Our words for Claude's, which differ between its lines and its hooks."""

TURN_FOLLOWS_S: Final = 3.0
"""Seconds in which Claude begins a turn about a task that has ended; it takes 0.05."""


def claude_task(task_id: str, kind: str, title: str) -> BackgroundTask:
    """Return a task of Claude's as a value of ours."""
    return background_task(task_id, KINDS.get(kind, kind), title)


class BackgroundTasks:
    """Reports what runs in the background."""

    def __init__(self, reports: Reports, clock: IReactorTime) -> None:
        self._reports = reports
        self._clock = clock
        self._ended: BackgroundEvent | None = None
        """Says that nothing runs any more; it waits for the turn that follows."""
        self._timer: IDelayedCall | None = None
        self.running = False
        """Whether anything runs."""

    def tasks_changed(self, tasks: list[Task], line: Raw, *, turn_runs: bool) -> None:
        """Report what runs now; `line` is Claude's."""
        running = [
            claude_task(task.task_id, task.task_type, task.description) for task in tasks
        ]
        event = BackgroundEvent(tasks=running[:TASKS_MOST], native=line)
        self._forget_end()
        had_any, self.running = self.running, bool(tasks)
        if had_any and not tasks and not turn_runs:
            self._ended = event
            self._timer = self._clock.callLater(TURN_FOLLOWS_S, self.report_end)
        else:
            self._reports.report_event(event)

    def report_end(self) -> None:
        """Report what has waited: a turn has begun, or none will."""
        event = self._ended
        self._forget_end()
        if event is not None:
            self._reports.report_event(event)

    def process_exited(self) -> None:
        """Wait for no turn any more."""
        self._forget_end()
        self.running = False

    def _forget_end(self) -> None:
        self._ended = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
