"""What agents have running in the background, as values of a size that fits anywhere."""

from __future__ import annotations

from typing import Final

from sxhost.codec.shorten import first_line
from sxhost.model.session import BackgroundTask

__all__ = ["TASKS_MOST", "background_task"]

TASKS_MOST: Final = 64
"""Tasks that an event names."""


def background_task(task_id: str, kind: str, title: str) -> BackgroundTask:
    """Return a task of an agent's as a value of ours, of a size that fits anywhere."""
    return BackgroundTask(id=task_id[:128], kind=kind[:64], title=first_line(title))
