"""The way of an agent's events into its log: what waits, what does not, what is cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import json
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.errors import StoreUnavailable, UnknownSession
from sxhost.hosted.outlet import AGAIN_S, BATCH, GATHER_S, HIGH, Outlet, fitting
from sxhost.model import EventDraft

from .lab import is_done, started


class Log:
    """A log that takes what it is given, or fails as it is told, or takes its time."""

    def __init__(self) -> None:
        self.commits: list[list[str]] = []
        self.failure: Exception | None = None
        self.slow: Deferred[None] | None = None
        self.held: list[bool] = []
        self.clock = Clock()
        self.clock.advance(1000 + GATHER_S / 5)
        self.outlet = Outlet("a", self.append, self.clock, most=1000, hold=self.held.append)

    async def append(self, _session_id: str, drafts: Sequence[EventDraft]) -> None:
        if self.slow is not None:
            await self.slow
        if self.failure is not None:
            raise self.failure
        self.commits.append([draft.event for draft in drafts])

    def put(self, *names: str) -> None:
        for name in names:
            self.outlet.put(name, {"text": "x"})

    def advance(self, seconds: float = 0) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def log() -> Log:
    return Log()


PIECE = "message-delta"


def test_what_comes_in_a_moment_goes_together(log: Log) -> None:
    log.put("tool-start", PIECE, "tool-done")
    assert log.commits == []
    log.advance()
    assert log.commits == [["tool-start", PIECE, "tool-done"]]


def test_a_piece_after_silence_goes_at_once_and_later_ones_wait(log: Log) -> None:
    log.put(PIECE)
    log.advance()
    log.put(PIECE)
    log.advance(GATHER_S / 5)
    log.put(PIECE)
    assert len(log.commits) == 1
    log.advance(GATHER_S)
    assert log.commits == [[PIECE], [PIECE, PIECE]]


def test_what_is_urgent_takes_along_what_waits(log: Log) -> None:
    log.put(PIECE)
    log.advance()
    log.put(PIECE, "complete")
    log.advance()
    assert log.commits == [[PIECE], [PIECE, "complete"]]


def test_what_is_urgent_while_a_commit_runs_waits_only_for_that(log: Log) -> None:
    log.slow = Deferred()
    log.put(PIECE)
    log.advance()
    log.put("complete")
    slow, log.slow = log.slow, None
    slow.callback(None)
    log.advance()
    assert log.commits == [[PIECE], ["complete"]]


def test_who_wants_it_flushed_waits_for_no_more(log: Log) -> None:
    log.put(PIECE)
    log.advance()
    log.put(PIECE)
    flushed = started(log.outlet.flushed())
    log.advance()
    assert is_done(flushed)
    assert len(log.commits) == 2


def test_a_flood_is_committed_in_batches_without_a_pause(log: Log) -> None:
    log.put(*[PIECE] * (2 * BATCH + 1))
    for _ in range(3):
        log.advance()
    assert [len(commit) for commit in log.commits] == [BATCH, BATCH, 1]


def test_who_makes_too_much_is_held_until_it_is_less(log: Log) -> None:
    log.slow = Deferred()
    log.put(*[PIECE] * (HIGH + 1))
    log.advance()
    assert log.held == [True]
    slow, log.slow = log.slow, None
    slow.callback(None)
    for _ in range(5):
        log.advance()
    assert log.held == [True, False]


def test_a_store_that_refuses_is_asked_again(log: Log) -> None:
    log.failure = StoreUnavailable("it is wet")
    log.put("complete")
    log.advance()
    log.failure = None
    log.put(PIECE)
    log.advance(AGAIN_S)
    log.advance()
    assert log.commits == [["complete", PIECE]]


def test_of_a_forgotten_session_nothing_is_kept(log: Log) -> None:
    log.failure = UnknownSession("a")
    log.put("complete", PIECE)
    log.advance()
    log.put("complete")
    assert is_done(started(log.outlet.flushed()))
    assert log.commits == []


@pytest.mark.parametrize(
    ("data", "left"),
    [
        ({"text": "x", "native": {"a": 1}}, {"text": "x", "native": {"a": 1}}),
        ({"text": "x", "native": "n" * 2000}, {"text": "x", "cut": True}),
        ({"text": ["x" * 2000]}, {"text": '{"text":["' + "x" * 474, "cut": True}),
        ("x" * 2000, {"text": '"' + "x" * 483, "cut": True}),
    ],
)
def test_what_is_too_large_loses_native_words_first(data: Any, left: Any) -> None:
    assert json.decode(fitting(data, 1000)) == left
