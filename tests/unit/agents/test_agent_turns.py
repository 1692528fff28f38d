"""Turns as the log tells them, and reports that wait for that."""

from __future__ import annotations

from typing import Any, cast

import pytest
from msgspec import json

from sxhost.agents.event_writer import EventWriter
from sxhost.agents.turns import EARLY, HeldReports, TurnLog
from sxhost.model.event_types import AgentEvent, encode_data
from sxhost.model.turn import Turn


class Writer:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def put(self, event: AgentEvent) -> None:
        self.events.append((event.name, json.decode(encode_data(event))))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


@pytest.fixture
def writer() -> Writer:
    return Writer()


def turn_log(writer: Writer, last: Turn | None = None) -> TurnLog:
    return TurnLog(cast(EventWriter, writer), lambda: 1000, last)


def test_turn_numbers_continue_from_the_last_one(writer: Writer) -> None:
    turns = turn_log(writer)
    assert (turns.number, turns.runs) == (0, False)
    assert turns.begin() == Turn(id=1, start_ms=1000)
    assert (turns.number, turns.runs) == (1, True)
    assert turn_log(writer, turns.turn).begin().id == 2


def test_turn_is_announced_once_with_its_native_id(writer: Writer) -> None:
    turns = turn_log(writer)
    turns.announce()
    turns.begin()
    turns.set_native_id("t-1")
    turns.set_native_id(None)
    turns.announce()
    turns.announce()
    assert writer.events == [("turn-started", {"turn": 1, "native_id": "t-1"})]


def test_refused_turn_is_never_announced(writer: Writer) -> None:
    turns = turn_log(writer)
    turns.begin()
    turns.revert(None)
    turns.announce()
    turns.end("completed", "", None)
    assert (turns.turn, writer.events) == (None, [])


@pytest.mark.parametrize(
    ("status", "name"),
    [("completed", "complete"), ("interrupted", "complete"), ("failed", "error")],
)
def test_turn_ends_once_after_its_announcement(writer: Writer, status: Any, name: str) -> None:
    turns = turn_log(writer)
    turns.begin()
    turns.end(status, "why", {"a": 1})
    turns.end("completed", "", None)
    assert writer.names == ["turn-started", name]
    ended = {"turn": 1, "native_id": None, "status": status, "reason": "why"}
    assert writer.events[1][1] == {**ended, "native": {"a": 1}}
    assert turns.turn
    assert (turns.turn.status, turns.turn.reason, turns.runs) == (status, "why", False)


def test_reports_are_held_in_order() -> None:
    reports, made = HeldReports(), list[int]()
    assert not reports.holding
    reports.hold()
    for number in range(3):
        reports.add(lambda number=number: made.append(number))  # type: ignore[misc]
    assert (reports.holding, made) == (True, [])
    reports.release()
    assert (reports.holding, made) == (False, [0, 1, 2])
    reports.release()
    assert made == [0, 1, 2]


def test_held_reports_are_bounded() -> None:
    reports, made = HeldReports(), list[bool]()
    reports.hold()
    for _ in range(EARLY + 1):
        assert made == []
        reports.add(lambda: made.append(reports.holding))
    assert made == [False] * (EARLY + 1)
