"""Signals, work in the background, and work that is not cancelled with its caller."""

from __future__ import annotations

import gc
from contextvars import ContextVar
from typing import Any, cast

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import ILogObserver, Logger, LogLevel
from twisted.python.failure import Failure

from sxhost.waiting import SharedRun, Signal, background, begin, uncancelled


class Log:
    """A logger whose events are kept."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.logger = Logger("test", observer=cast(ILogObserver, self.events.append))

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [
            (event["log_level"].name, event["log_format"].format(**event))
            for event in self.events
        ]


@pytest.fixture
def log() -> Log:
    return Log()


def ended(work: Deferred[Any]) -> list[Any]:
    """Return where the result of a Deferred will be."""
    results: list[Any] = []
    work.addBoth(results.append)
    return results


# A coroutine that is begun.


async def answer(work: Deferred[Any] | None = None) -> Any:
    return "at once" if work is None else await work


def test_a_coroutine_that_never_waits_is_done() -> None:
    assert ended(begin(answer())) == ["at once"]


def test_a_coroutine_goes_on_with_what_it_waited_for() -> None:
    first, second = Deferred[str](), Deferred[str]()

    async def both() -> str:
        return await first + await second

    results = ended(begin(both()))
    first.callback("one ")
    assert results == []
    second.callback("two")
    assert results == ["one two"]


@pytest.mark.parametrize("waits", [False, True])
def test_the_error_of_a_coroutine_is_its_result(waits: bool) -> None:
    work = Deferred[None]()

    async def fails() -> None:
        if waits:
            await work
        raise ValueError("no")

    results = ended(begin(fails()))
    work.callback(None)
    assert results[0].check(ValueError)


def test_a_coroutine_may_catch_what_it_waited_for() -> None:
    work = Deferred[None]()

    async def catches() -> str:
        try:
            await work
        except ValueError as error:
            return str(error)
        return ""

    results = ended(begin(catches()))
    work.errback(ValueError("caught"))
    assert results == ["caught"]


def test_a_coroutine_that_is_cancelled_cancels_what_it_waits_for() -> None:
    cancelled: list[Any] = []
    work = begin(answer(Deferred(cancelled.append)))
    results = ended(work)
    work.cancel()
    assert len(cancelled) == 1
    assert results[0].check(CancelledError)


def test_a_coroutine_has_a_context_of_its_own_from_beginning_to_end() -> None:
    var: ContextVar[str] = ContextVar("var", default="outside")
    work, seen = Deferred[None](), list[str]()

    async def sets() -> None:
        var.set("inside")
        await work
        seen.append(var.get())

    begin(sets())
    assert var.get() == "outside"
    work.callback(None)
    assert (seen, var.get()) == (["inside"], "outside")


def test_a_coroutine_that_nobody_resumes_is_closed() -> None:
    closed: list[bool] = []

    async def waits() -> None:
        try:
            await Deferred()
        finally:
            closed.append(True)

    work = begin(waits())
    del work
    gc.collect()
    assert closed == [True]


# Signal.


def test_all_who_wait_are_resumed_in_order() -> None:
    signal, order = Signal(), list[int]()

    async def wait(number: int) -> None:
        await signal.wait()
        order.append(number)

    for number in range(3):
        Deferred.fromCoroutine(wait(number))
    assert order == []
    signal.fire()
    assert order == [0, 1, 2]


def test_a_signal_has_no_memory() -> None:
    signal = Signal()
    signal.fire()
    resumed = ended(signal.wait())
    assert resumed == []
    signal.fire()
    assert resumed == [None]


def test_who_waits_again_waits_for_the_next_one() -> None:
    signal, rounds = Signal(), list[int]()

    async def wait() -> None:
        for number in range(2):
            await signal.wait()
            rounds.append(number)

    Deferred.fromCoroutine(wait())
    signal.fire()
    assert rounds == [0]
    signal.fire()
    assert rounds == [0, 1]


def test_a_failure_is_raised_where_it_is_waited_for() -> None:
    signal = Signal()
    results = [ended(signal.wait()) for _ in range(2)]
    signal.fire(Failure(ValueError("no")))
    assert [result[0].type for result in results] == [ValueError, ValueError]


def test_a_waiter_that_is_cancelled_is_forgotten() -> None:
    signal = Signal()
    waiter, other = signal.wait(), ended(signal.wait())
    cancelled = ended(waiter)
    waiter.cancel()
    assert cancelled[0].check(CancelledError)
    signal.fire()
    assert other == [None]


def test_a_waiter_may_cancel_another_one() -> None:
    signal = Signal()
    first, second = signal.wait(), signal.wait()
    first.addCallback(lambda _: second.cancel())
    cancelled = ended(second)
    signal.fire()
    assert cancelled[0].check(CancelledError)


# Background.


async def fail(error: Exception) -> None:
    raise error


def test_work_that_succeeds_says_nothing(log: Log) -> None:
    work = Deferred[None]()
    background(work, log.logger, "the work")
    work.callback(None)
    assert log.events == []


def test_an_expected_error_is_a_line(log: Log) -> None:
    background(fail(ValueError("no")), log.logger, "the work", (ValueError, KeyError))
    assert log.lines == [("warn", "the work: no")]


@pytest.mark.parametrize("expected", [(), (KeyError,)])
def test_any_other_error_has_its_traceback(
    log: Log, expected: tuple[type[Exception], ...]
) -> None:
    background(fail(ValueError("no")), log.logger, "the work", expected)
    (event,) = log.events
    assert event["log_level"] is LogLevel.critical
    assert event["log_failure"].check(ValueError)
    assert log.lines == [("critical", "the work failed")]


def test_a_later_error_is_not_lost(log: Log) -> None:
    work = Deferred[None]()
    background(work, log.logger, "the work")
    assert log.events == []
    work.errback(ValueError("no"))
    assert log.lines == [("critical", "the work failed")]


def test_work_that_is_cancelled_ends_and_has_not_failed(log: Log) -> None:
    work = background(Deferred(), log.logger, "the work")
    results = ended(work)
    work.cancel()
    assert (results, log.events) == ([None], [])


# Uncancelled.


def test_work_goes_on_when_its_caller_is_cancelled() -> None:
    step, done = Deferred[None](), list[str]()

    async def work() -> str:
        await step
        done.append("done")
        return "result"

    caller = Deferred.fromCoroutine(uncancelled(work()))
    results = ended(caller)
    caller.cancel()
    assert results[0].check(CancelledError)
    step.callback(None)
    assert done == ["done"]


def test_its_caller_gets_the_result_or_the_error() -> None:
    async def work() -> str:
        return "result"

    assert ended(Deferred.fromCoroutine(uncancelled(work()))) == ["result"]
    (failure,) = ended(Deferred.fromCoroutine(uncancelled(fail(ValueError("no")))))
    assert failure.check(ValueError)


# Work that is run once at a time.


class Work:
    """Work that ends when it is let."""

    def __init__(self) -> None:
        self.began = 0
        self.end = Deferred[None]()

    async def __call__(self) -> None:
        self.began += 1
        await self.end


def test_a_shared_run_is_one_for_all_who_ask_meanwhile() -> None:
    work = Work()
    run = SharedRun(work)
    first, second = ended(begin(run())), ended(begin(run()))
    assert (run.runs, first, second) == (True, [], [])
    work.end.callback(None)
    assert (run.runs, first, second, work.began) == (False, [None], [None], 1)
    begin(run())
    assert work.began == 2


def test_a_shared_run_fails_for_all_and_may_be_tried_again() -> None:
    work = Work()
    run = SharedRun(work)
    results = [ended(begin(run())) for _ in range(2)]
    work.end.errback(ValueError("no"))
    assert [type(result[0].value) for result in results] == [ValueError, ValueError]
    assert not run.runs


def test_a_shared_run_that_never_waits_is_over_at_once() -> None:
    async def nothing() -> None:
        pass

    run = SharedRun(nothing)
    assert (ended(begin(run())), run.runs) == ([None], False)


def test_a_shared_run_goes_on_if_the_one_who_asked_is_cancelled() -> None:
    work = Work()
    run = SharedRun(work)
    asking = begin(run())
    other = ended(begin(run()))
    asking.addErrback(lambda failure: failure.trap(CancelledError))
    asking.cancel()
    assert run.runs
    work.end.callback(None)
    assert other == [None]
