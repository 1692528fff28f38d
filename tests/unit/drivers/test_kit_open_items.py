"""What is open is cut, exactly once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.codec.shorten import TEXT_KEPT
from sxhost.drivers.kit.open_items import ENDED_KEPT, OpenItems
from sxhost.model.event_types import (
    MessageDeltaEvent,
    MessageEvent,
    PlanEvent,
    ThinkingDeltaEvent,
    ToolDoneEvent,
    ToolOutputEvent,
    ToolStartEvent,
)
from tests.support.fake_children import FakeReports


class Bench:
    def __init__(self) -> None:
        self.reports = FakeReports()
        self.items = OpenItems(self.reports)

    def say(self, text: str, item: str = "t") -> None:
        self.items.report(MessageDeltaEvent(item=item, text=text))

    def start(self, item: str = "c", parent: str | None = None) -> None:
        event = ToolStartEvent(
            item=item, tool="shell", title="ls", input=Raw(b"{}"), parent=parent
        )
        self.items.report(event)

    def cuts(self) -> list[tuple[str, Any]]:
        """Cut what is open, and return the events of that."""
        before = len(self.reports.events())
        self.items.cut()
        return self.reports.events()[before:]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_events_are_passed_on(bench: Bench) -> None:
    bench.items.report(PlanEvent(entries=[]))
    bench.items.report_native({"x": 1})
    bench.items.report_warning("Beware.", Raw(b"7"))
    bench.items.report_warning("Beware!")
    assert bench.reports.events() == [
        ("plan", {"entries": []}),
        ("native", {"native": {"x": 1}}),
        ("warning", {"text": "Beware.", "native": 7}),
        ("warning", {"text": "Beware!"}),
    ]


def test_an_open_text_is_cut_with_what_came_of_it(bench: Bench) -> None:
    bench.say("so ")
    bench.say("far")
    bench.items.report(ThinkingDeltaEvent(item="r", text="hm", parent="p"))
    assert bench.cuts() == [
        ("message", {"item": "t", "text": "so far", "cut": True}),
        ("thinking", {"item": "r", "text": "hm", "cut": True, "parent": "p"}),
    ]
    assert bench.cuts() == []


def test_an_open_tool_is_cut_with_its_output(bench: Bench) -> None:
    bench.start(parent="p")
    bench.items.report(ToolOutputEvent(item="c", text="out"))
    ((name, data),) = bench.cuts()
    assert name == "tool-done"
    assert (data["item"], data["tool"], data["status"]) == ("c", "shell", "cut")
    assert (data["output"], data["parent"]) == ("out", "p")


def test_what_has_ended_is_not_cut(bench: Bench) -> None:
    bench.say("so far")
    bench.start()
    bench.items.report(MessageEvent(item="t", text="so far and on"))
    bench.items.report(ToolDoneEvent(item="c", tool="shell", status="completed"))
    assert bench.cuts() == []
    assert bench.items.has_ended("t")
    assert bench.items.has_ended("c")
    assert not bench.items.has_ended("x")


def test_an_item_can_end_without_an_event(bench: Bench) -> None:
    bench.start()
    ended = bench.items.end("c")
    assert ended is not None
    assert (ended.is_tool, ended.tool) == (True, "shell")
    assert bench.items.end("c") is None
    assert bench.cuts() == []


def test_an_item_can_be_whole_as_far_as_it_came(bench: Bench) -> None:
    bench.say("so far")
    bench.start()
    for item in ("t", "t", "c", "unknown"):
        bench.items.complete(item)
    (_, text), (_, tool) = bench.reports.events("message", "tool-done")
    assert text == {"item": "t", "text": "so far"}
    assert (tool["item"], tool["status"]) == ("c", "completed")
    assert bench.cuts() == []


def test_output_of_an_unknown_tool_opens_nothing(bench: Bench) -> None:
    bench.items.report(ToolOutputEvent(item="c", text="out"))
    assert bench.items.get("c") is None
    assert bench.cuts() == []


def test_what_ended_can_begin_anew(bench: Bench) -> None:
    bench.start()
    bench.items.cut()
    bench.start()
    assert not bench.items.has_ended("c")
    assert len(bench.cuts()) == 1
    bench.items.forget("c")
    assert not bench.items.has_ended("c")


def test_a_part_of_what_is_open_can_be_cut(bench: Bench) -> None:
    bench.start()
    bench.say("x")
    bench.items.cut(lambda opened: not opened.is_tool)
    assert [opened.beginning.item for opened in bench.items] == ["c"]
    assert bench.reports.texts("message") == ["x"]


def test_no_more_of_a_text_is_kept_than_an_event_has_room_for(bench: Bench) -> None:
    for _ in range(3):
        bench.say("x" * TEXT_KEPT)
    ((_, data),) = bench.cuts()
    assert data["text"] == "x" * TEXT_KEPT


def test_ended_items_are_forgotten_in_the_end(bench: Bench) -> None:
    for number in range(ENDED_KEPT + 1):
        bench.start(f"c{number}")
    bench.items.cut()
    assert [bench.items.has_ended(f"c{number}") for number in (0, 1)] == [False, True]


STEPS = st.sampled_from(["text", "tool", "end", "cut"])


@given(st.lists(st.tuples(STEPS, st.sampled_from("abc")), max_size=30))
def test_each_item_ends_once_for_each_time_that_it_began(steps: list[tuple[str, str]]) -> None:
    bench, begun, cuts = Bench(), 0, 0
    for step, name in [*steps, ("cut", "")]:
        item = f"{name}{cuts}"  # what was cut goes on under another name
        opened = bench.items.get(item)
        if step in ("text", "tool") and opened is None:
            begun += 1
            bench.say("x", item) if step == "text" else bench.start(item)
        elif step == "text" and opened is not None and not opened.is_tool:
            bench.say("y", item)
        elif step == "end" and opened is not None:
            if opened.is_tool:
                done = ToolDoneEvent(item=item, tool="shell", status="completed")
                bench.items.report(done)
            else:
                bench.items.report(MessageEvent(item=item, text="x"))
        elif step == "cut":
            cuts += 1
            bench.items.cut()
    assert len(bench.reports.events("message", "tool-done")) == begun
