"""Which turn an event belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.agents.event_turns import KEPT, EventTurns
from sxhost.model.event_types import (
    NULL,
    BackgroundEvent,
    DiffEvent,
    MessageDeltaEvent,
    MessageEvent,
    NativeEvent,
    ToolDoneEvent,
    ToolOutputEvent,
    ToolStartEvent,
    UsageEvent,
    WarningEvent,
)


@pytest.fixture
def turns() -> EventTurns:
    """Two turns: the first has ended, the second runs."""
    turns = EventTurns()
    turns.turn_began(1, "u1")
    turns.late_turn_of(call("c1"))
    turns.late_turn_of(MessageDeltaEvent(item="m1", text="a"))
    turns.turn_ended()
    turns.turn_began(2, "u2")
    return turns


def call(item: str, **more: Any) -> ToolStartEvent:
    return ToolStartEvent(item=item, tool="Bash", title="ls", input=NULL, **more)


def text(item: str = "m", **more: Any) -> MessageEvent:
    return MessageEvent(item=item, text="words", **more)


def test_what_comes_before_any_turn_is_of_none() -> None:
    assert EventTurns().late_turn_of(text()) is None


def test_what_comes_in_a_turn_is_not_late(turns: EventTurns) -> None:
    assert turns.late_turn_of(text()) is None
    assert turns.late_turn_of(text(), "u2") is None


@pytest.mark.parametrize("event", [text(), DiffEvent(diff="+a"), UsageEvent(total_tokens=3)])
def test_what_comes_after_a_turn_is_of_the_last_one(turns: EventTurns, event: Any) -> None:
    turns.turn_ended()
    assert turns.late_turn_of(event) == 2


@pytest.mark.parametrize(
    "event", [WarningEvent(text="w"), NativeEvent(native=NULL), BackgroundEvent(tasks=[])]
)
def test_notices_after_a_turn_are_of_none(turns: EventTurns, event: Any) -> None:
    turns.turn_ended()
    assert turns.late_turn_of(event) is None


@pytest.mark.parametrize("event", [text(), WarningEvent(text="w"), NativeEvent(native=NULL)])
def test_the_agents_own_id_of_a_turn_decides(turns: EventTurns, event: Any) -> None:
    assert turns.late_turn_of(event, "u1") == 1
    turns.turn_ended()
    assert turns.late_turn_of(event, "u1") == 1


def test_an_event_that_has_no_room_for_its_turn_has_none(turns: EventTurns) -> None:
    assert turns.late_turn_of(BackgroundEvent(tasks=[]), "u1") is None


def test_an_item_is_of_the_turn_in_which_it_began(turns: EventTurns) -> None:
    assert turns.late_turn_of(ToolOutputEvent(item="c1", text="x")) == 1
    assert turns.late_turn_of(ToolDoneEvent(item="c1", tool="Bash", status="completed")) == 1
    assert turns.late_turn_of(MessageDeltaEvent(item="m1", text="b")) == 1
    assert turns.late_turn_of(text("m1")) == 1


def test_an_item_that_has_ended_may_begin_anew(turns: EventTurns) -> None:
    turns.late_turn_of(text("m1"))
    assert turns.late_turn_of(MessageDeltaEvent(item="m1", text="b")) is None


def test_a_subagent_is_of_the_turn_of_its_call(turns: EventTurns) -> None:
    turns.late_turn_of(ToolDoneEvent(item="c1", tool="Agent", status="completed"))
    assert turns.late_turn_of(text(parent="c1")) == 1
    assert turns.late_turn_of(call("c2", parent="c1")) == 1
    assert turns.late_turn_of(text(parent="c2")) == 1  # a subagent's subagent
    assert turns.late_turn_of(text(parent="unknown")) is None


def test_no_more_is_remembered_than_fits() -> None:
    turns = EventTurns()
    for number in range(1, KEPT + 2):
        turns.turn_began(number, f"u{number}")
    assert turns.late_turn_of(text(), "u1") is None
    assert turns.late_turn_of(text(), "u2") == 2
