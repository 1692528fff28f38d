"""Long work in slices: the reactor never stands, however much one client has it do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator, TaskFinished

__all__ = ["BUDGET_S", "Slices"]

T = TypeVar("T")

BUDGET_S = 0.01
"""Seconds of a reactor turn that all long works together may take."""


class Slices:
    """Runs iterators a step at a time, `budget` seconds a turn for all of them together.

    A step is what lies between two yields; it should take a millisecond or two.
    """

    def __init__(self, clock: IReactorTime, budget: float = BUDGET_S) -> None:
        self._clock = clock
        self.budget = budget
        """Seconds; 0 makes every step a turn of its own."""
        self._cooperator = Cooperator(self._turn, lambda work: clock.callLater(0, work))

    async def run(self, steps: Iterator[object]) -> None:
        """Go through all steps: the first at once, so that what is small does not wait.

        Whoever is cancelled goes no further.
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
        """Put parts together that are work to make, each in a step of its own."""
        found: list[T] = []
        await self.run(_gathered(parts, found))
        return found

    async def turn(self) -> None:
        """Let others have their turn."""
        turned = Deferred[None]()
        call = self._clock.callLater(0, turned.callback, None)
        try:
            await turned
        finally:
            if call.active():
                call.cancel()

    def _turn(self) -> Callable[[], bool]:
        until = self._clock.seconds() + self.budget
        return lambda: self._clock.seconds() >= until


def _gathered(parts: Iterable[Sequence[T]], found: list[T]) -> Iterator[None]:
    for number, part in enumerate(parts):
        if number:
            yield
        found += part
