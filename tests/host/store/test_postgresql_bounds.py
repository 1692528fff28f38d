"""What takes the engine too long is cut off."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.store.group_commit import Threads
from sxhost.store.postgresql.bounds import BOUND_S, bounded
from sxhost.store.postgresql.journal import PostgreSQLJournal


class Journal(PostgreSQLJournal):
    def __init__(self) -> None:
        self.cuts: list[str] = []

    def cut_writer(self) -> None:
        self.cuts.append("writer")

    def cut_reader(self) -> None:
        self.cuts.append("reader")


def test_only_what_takes_too_long_is_cut() -> None:
    clock, journal = Clock(), Journal()
    calls: list[Deferred[Any]] = []

    def run(*_: object) -> Deferred[Any]:
        calls.append(Deferred())
        return calls[-1]

    threads = bounded(Threads(run, run, run), clock, journal)
    done = threads.write(journal.beat)
    calls[0].callback("in time")
    clock.advance(BOUND_S)
    assert (journal.cuts, done.result) == ([], "in time")
    threads.write(journal.beat)
    threads.read(journal.read)
    clock.advance(BOUND_S)
    assert journal.cuts == ["writer", "reader"]
    assert not clock.getDelayedCalls()
