"""How long an agent waits for its hook at the most, whatever it is that hangs.

A resolver cannot be interrupted, nor can a file on a lost server.  So the work has a thread of
its own, which is left behind when time is up: the process ends, and it with the process.
"""

from __future__ import annotations

import time
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Deadline", "OutOfTime"]


class OutOfTime(Exception):
    """The work was not done in time; the message says how much it had."""


class Deadline:
    """A moment `seconds` from now, until which work has time; `extend` puts it off."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds

    def extend(self, seconds: float) -> None:
        """Give the work so much more time: from here on it waits for a person."""
        self.seconds += seconds
        self._until += seconds

    def run(self, work: Callable[[], bytes]) -> bytes:
        """Return what `work` returns, or raise what it raises.

        :raises OutOfTime: it has not ended in time, and is left behind.
        """
        results: list[bytes] = []
        errors: list[BaseException] = []

        def call() -> None:
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                errors.append(error)

        thread = Thread(target=call, daemon=True)
        thread.start()
        while thread.is_alive():
            left = self._until - time.monotonic()
            if left <= 0:
                raise OutOfTime(f"it took longer than {self.seconds:g} s")
            thread.join(left)
        if errors:
            raise errors[0]
        return results[0]
