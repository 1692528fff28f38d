"""How long the engine may take to answer: what takes longer is cut off, and fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.store.group_commit import Run, Threads
from sxhost.store.postgresql.journal import PostgreSQLJournal

__all__ = ["BOUND_S", "bounded"]

BOUND_S: Final = 3.0
"""Seconds after which a request hears that the store does not answer."""


def bounded(threads: Threads, clock: IReactorTime, journal: PostgreSQLJournal) -> Threads:
    """Return threads in which the calls of a journal that is open are bounded."""
    return replace(
        threads,
        write=_cut_after(threads.write, clock, journal.cut_writer),
        read=_cut_after(threads.read, clock, journal.cut_reader),
    )


def _cut_after(run: Run, clock: IReactorTime, cut: Callable[[], object]) -> Run:
    def run_bounded(function: Callable[..., Any], *given: Any) -> Deferred[Any]:
        done = run(function, *given)
        timer = clock.callLater(BOUND_S, cut)
        return done.addBoth(_disarm, timer)

    return run_bounded


def _disarm(result: Any, timer: IDelayedCall) -> Any:
    if timer.active():
        timer.cancel()
    return result
