"""Summaries for those who follow them: made of what may have changed, and of nothing else."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from sxhost.model.session import Session, State, Summary
from sxhost.model.subscription import Summaries
from sxhost.model.summaries import summarize
from sxhost.slices import TimeSlicer
from sxhost.store.known_sessions import KnownSessions
from sxhost.streams.overview import LOOK_EVERY, SILENCE_EVERY, SLICE, SummaryBroadcaster
from sxhost.streams.subscription import LogSubscription
from sxhost.testing.waiting import finished, started

LISTED = ("", "listed")


class Reader:
    """A subscription to everything, and what it was told: a session, and its title."""

    ended, takes_more = False, True

    def __init__(self) -> None:
        self.feed = self
        self.told: list[tuple[str, str]] = []

    def covers(self, session_id: str) -> bool:
        return session_id.startswith("s")

    def control(self, name: str, fields: dict[str, Any]) -> None:
        said = fields["summary"].title if name == "summary" else name
        self.told.append((fields.get("session", ""), said))


class Overview:
    """Sessions and those who follow them, on one clock; it counts what is summarised."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.known = KnownSessions()
        self.summarised: list[str] = []
        self.broadcaster = SummaryBroadcaster(
            self.known, self.clock, TimeSlicer(self.clock, 0), self._summarize
        )

    async def _summarize(self, session: Session) -> Summary:
        self.summarised.append(session.id)
        return summarize(session, int(session.title == "has mail"), "")

    def put(self, session_id: str, title: str = "", **fields: Any) -> None:
        given: dict[str, Any] = {
            "start_ms": 0,
            "last_seen_ms": 0,
            "state": State("idle", "", 0),
        } | fields
        self.known.put(Session(id=session_id, title=title, **given))

    def follow(self, wanted: Summaries = True) -> Reader:
        reader = Reader()
        beginning = self.broadcaster.begin(cast("LogSubscription", reader), wanted)
        finished(beginning, self.clock)
        return reader

    def looks(self, times: int = 1) -> list[str]:
        """Let time pass; return what was summarised meanwhile."""
        self.summarised.clear()
        for _ in range(times):
            self.clock.advance(LOOK_EVERY)
            self.clock.advance(0)
        return self.summarised


@pytest.fixture
def overview() -> Overview:
    return Overview()


def test_only_sessions_that_were_touched_are_summarised(overview: Overview) -> None:
    for number in range(2 * SLICE):
        overview.put(f"s{number}")
    reader = overview.follow()
    assert overview.looks(30) == []
    reader.told.clear()
    overview.put("s3", "one")
    overview.put("s3", "two")
    assert overview.looks() == ["s3"]
    assert reader.told == [("s3", "two")]
    assert overview.looks(30) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"heartbeat_s": 30.0},
        {"state": State("working", "", 0)},
        {"state": State("waiting", "", 0)},
        {"title": "has mail"},
    ],
    ids=str,
)
def test_what_time_alone_changes_is_looked_at_again(
    overview: Overview, fields: dict[str, Any]
) -> None:
    overview.put("s1", **fields)
    overview.follow()
    assert overview.looks(2 * SILENCE_EVERY) == ["s1", "s1"]
    overview.put("s1")
    overview.looks(SILENCE_EVERY)
    assert overview.looks(2 * SILENCE_EVERY) == []


def test_hosted_session_that_works_is_not_looked_at_again(overview: Overview) -> None:
    overview.put("s1", kind="hosted", state=State("working", "", 0))
    overview.follow()
    assert overview.looks(2 * SILENCE_EVERY) == []


def test_later_reader_is_told_what_is_so_when_it_begins(overview: Overview) -> None:
    overview.put("s1", "old")
    first = overview.follow()
    overview.put("s1", "new")
    overview.put("s2", "more")
    assert overview.follow().told == [("s1", "new"), ("s2", "more"), LISTED]
    overview.looks()
    assert first.told == [("s1", "old"), LISTED, ("s1", "new"), ("s2", "more")]


def test_reader_of_changes_is_told_of_nothing_else(overview: Overview) -> None:
    for session_id in ("s1", "s2", "s3"):
        overview.put(session_id, "old")
    reader = overview.follow("changes")
    assert reader.told == [LISTED]
    overview.put("s1", "new")
    overview.known.remove("s2")
    overview.looks()
    assert reader.told == [LISTED, ("s1", "new"), ("s2", "forgotten")]


def test_session_that_goes_while_others_are_summarised_is_told_gone(
    overview: Overview,
) -> None:
    for number in range(2 * SLICE):
        overview.put(f"s{number}")
    reader = Reader()
    beginning = started(overview.broadcaster.begin(cast("LogSubscription", reader)))
    overview.known.remove(f"s{2 * SLICE - 1}")
    overview.known.archive("s0")
    overview.clock.advance(0)
    assert beginning.called
    overview.looks()
    assert ("s0", "forgotten") in reader.told
    assert f"s{2 * SLICE - 1}" not in dict(reader.told)


def test_nothing_is_watched_without_a_reader(overview: Overview) -> None:
    reader = overview.follow()
    reader.ended = True
    overview.looks(2)
    assert overview.clock.getDelayedCalls() == []
    overview.put("s1", "unseen")
    assert overview.looks() == []
    assert overview.follow().told == [("s1", "unseen"), LISTED]
