"""Runs long work in slices between reactor turns, so that no request blocks the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator, TaskFinished, deferLater

__all__ = ["BUDGET_S", "TimeSlicer"]

T = TypeVar("T")

BUDGET_S = 0.01
"""Seconds of a reactor turn that all long work together may take."""


class TimeSlicer:
    """Runs iterators step by step, for `budget` seconds of each reactor turn, all together.

    A step is what lies between two yields; it should take a millisecond or two.
    """

    def __init__(self, clock: IReactorTime, budget: float = BUDGET_S) -> None:
        self._clock = clock
        self.budget = budget
        """Seconds; 0 makes every step a turn of its own."""
        self._cooperator = Cooperator(self._start_budget, lambda work: clock.callLater(0, work))

    async def run(self, steps: Iterator[object]) -> None:
        """Run all steps, the first at once, so that short work does not wait for a turn.

        When it is cancelled, no further step runs.
        """
        for _ in steps:
            break
        else:
            return
        task = self._cooperator.cooperate(steps)
        try:
            await task.whenDone()
        except CancelledError:
            with suppress(TaskFinished):
                task.stop()
            raise

    async def gather(self, parts: Iterable[Sequence[T]]) -> list[T]:
        """Return all items of lazily made parts; making a part is one step."""
        items: list[T] = []
        await self.run(_collect(parts, items))
        return items

    async def turn(self) -> None:
        """Wait for the next reactor turn."""
        await deferLater(self._clock, 0)

    def _start_budget(self) -> Callable[[], bool]:
        """Begin a turn; return what tells when its time is used up."""
        until = self._clock.seconds() + self.budget
        return lambda: self._clock.seconds() >= until


def _collect(parts: Iterable[Sequence[T]], items: list[T]) -> Iterator[None]:
    for number, part in enumerate(parts):
        if number:
            yield
        items += part
