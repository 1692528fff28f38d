"""Results of coroutines and Deferreds where no reactor runs."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

T = TypeVar("T")


def result_of(work: Coroutine[Any, Any, T] | Deferred[T]) -> T:
    """Return the result of work that is done without waiting, or raise its error."""
    results: list[Any] = []
    started(work).addBoth(results.append)
    if not results:
        raise AssertionError("it has not finished")
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]  # type: ignore[no-any-return]


def started(work: Coroutine[Any, Any, T] | Deferred[T]) -> Deferred[T]:
    """Begin work that may have to wait."""
    return work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)


def is_done(work: Deferred[Any]) -> bool:
    """Return whether work has finished."""
    return work.called


def finished(work: Coroutine[Any, Any, T] | Deferred[T], clock: Clock) -> T:
    """Return the result of work that may take many turns of the reactor, but no time."""
    begun = started(work)
    clock.advance(0)
    return result_of(begun)


def turn(clock: Clock) -> None:
    """Run the calls that are due now, as one turn of a reactor does.

    `Clock.advance` runs those too that become due meanwhile.
    """
    for call in clock.getDelayedCalls():
        if call.active() and call.getTime() <= clock.seconds():
            clock.calls.remove(call)  # type: ignore[arg-type]
            call.called = 1  # type: ignore[attr-defined]
            call.func(*call.args, **call.kw)  # type: ignore[attr-defined]
