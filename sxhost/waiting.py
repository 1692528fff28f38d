"""Waiting for what others do: a signal, a run that is shared, a task in the background."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = [
    "RunInThread",
    "SharedRun",
    "Signal",
    "background",
    "begin",
    "rest_of",
    "run_inline",
    "uncancelled",
]

T = TypeVar("T")


class RunInThread(Protocol):
    """Runs work that waits for disks outside of the reactor's thread."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Run the work; return its result."""


async def run_inline(work: Callable[[], T], /) -> T:
    """Run the work in this thread: for tests, which have no other."""
    return work()


class Signal:
    """Resumes every coroutine that waits for it, each time that it is fired.

    It has no memory: a coroutine that waits after `fire` waits for the next one, so it looks
    at its condition before it waits, and again afterwards.
    """

    def __init__(self) -> None:
        self._waiters: dict[Deferred[None], None] = {}

    def wait(self) -> Deferred[None]:
        """Return a Deferred that the next `fire` fires; it may be cancelled."""
        waiter: Deferred[None] = Deferred(lambda waiter: self._waiters.pop(waiter, None))
        self._waiters[waiter] = None
        return waiter

    def fire(self, failure: Failure | None = None) -> None:
        """Resume all who wait now, in the order in which they came.

        :param failure: is raised where they wait.
        """
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters:
            if not waiter.called:  # one that goes on may have cancelled the others
                waiter.callback(failure)  # a Failure is raised


class SharedRun:
    """Runs `work` once at a time: whoever asks meanwhile waits for the run that goes on.

    It goes on to its end, also if those who wait are cancelled.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._work = work
        self._over: Signal | None = None

    @property
    def runs(self) -> bool:
        """Whether it goes on now."""
        return self._over is not None

    async def __call__(self) -> None:
        """Run the work, or wait for the run that goes on; its failure is raised either way."""
        begins = self._over is None
        over = self._over = self._over or Signal()
        outcome = over.wait()
        if begins:
            Deferred.fromCoroutine(self._work()).addBoth(self._end, over)
        await outcome

    def _end(self, result: object, over: Signal) -> None:
        self._over = None
        over.fire(result if isinstance(result, Failure) else None)


def begin(work: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Run a coroutine as `Deferred.fromCoroutine` does, for a third of it if it never waits."""
    context = copy_context()
    try:
        awaited = context.run(work.send, None)
    except StopIteration as done:
        return succeed(done.value)
    except BaseException:  # noqa: BLE001 - it is the caller's, as the result
        return fail()
    return context.run(Deferred.fromCoroutine, rest_of(work, awaited))


def rest_of(work: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that waits for `awaited`."""
    while True:
        try:
            result = yield awaited
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's
            step = partial(work.throw, error)
        else:
            step = partial(work.send, result)
        try:
            awaited = step()
        except StopIteration as done:
            return cast("T", done.value)


def background(
    work: Awaitable[object],
    log: Logger,
    name: str,
    expected: tuple[type[Exception], ...] = (),
) -> Deferred[None]:
    """Run work that nobody waits for; its failure goes to the log, so that it is never lost.

    :param name: says in the log which work it was.
    :param expected: errors that are a warning of one line; others have their traceback.
    :return: a Deferred that ends the work when it is cancelled, which is no failure.
    """

    async def run() -> None:
        try:
            await work
        except CancelledError:
            pass
        except expected as error:
            log.warn("{name}: {error}", name=name, error=error)
        except Exception:  # noqa: BLE001 - whatever it is, nobody else would learn of it
            log.failure("{name} failed", name=name)

    return begin(run())


async def uncancelled(work: Coroutine[Any, Any, T]) -> T:
    """Wait for work that goes on to its end, also if the one who waits is cancelled."""
    result = Deferred[T]()
    Deferred.fromCoroutine(work).chainDeferred(result)
    return await result
