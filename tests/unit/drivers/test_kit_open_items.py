"""What is open is cut, exactly once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.codec.shorten import TEXT_KEPT
from sxhost.drivers.kit.open_items import ENDED_KEPT, OpenItems
from tests.support.fake_children import FakeReports


class Bench:
    def __init__(self) -> None:
        self.reports = FakeReports()
        self.items = OpenItems(self.reports)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_open_text_is_cut_with_what_came_of_it(bench: Bench) -> None:
    bench.items.open_text("t", "thinking")
    bench.items.add("t", "so ")
    bench.items.open_text("t", "thinking")
    bench.items.add("t", "far")
    bench.items.cut()
    expected = {"item": "t", "text": "so far", "cut": True}
    assert bench.reports.events() == [("thinking", expected)]


def test_an_open_tool_is_cut_with_its_output(bench: Bench) -> None:
    bench.items.open_tool("c", "shell", parent="p")
    bench.items.add("c", "out")
    bench.items.cut()
    ((name, data),) = bench.reports.events()
    assert name == "tool-done"
    assert (data["item"], data["tool"], data["status"]) == ("c", "shell", "cut")
    assert (data["output"], data["parent"]) == ("out", "p")


def test_a_text_without_a_piece_is_not_reported(bench: Bench) -> None:
    bench.items.open_text("t", "message")
    bench.items.cut()
    assert bench.reports.events() == []
    assert bench.items.has_ended("t")


def test_what_has_ended_is_not_cut(bench: Bench) -> None:
    opened = bench.items.open_text("t", "message")
    assert bench.items.end("t") is opened
    assert bench.items.end("t") is None
    bench.items.cut()
    assert bench.reports.events() == []


def test_what_ended_can_begin_anew(bench: Bench) -> None:
    bench.items.open_tool("c", "shell")
    bench.items.cut()
    assert bench.items.has_ended("c")
    bench.items.open_tool("c", "shell")
    assert not bench.items.has_ended("c")
    bench.items.cut()
    assert len(bench.reports.events("tool-done")) == 2


def test_a_part_of_what_is_open_can_be_cut(bench: Bench) -> None:
    bench.items.open_tool("c", "shell")
    bench.items.open_text("t", "message")
    bench.items.add("t", "x")
    bench.items.cut(lambda opened: not opened.tool)
    assert [opened.item for opened in bench.items] == ["c"]
    assert bench.reports.texts("message") == ["x"]


def test_no_more_of_a_text_is_kept_than_an_event_has_room_for(bench: Bench) -> None:
    bench.items.open_text("t", "message")
    for _ in range(3):
        bench.items.add("t", "x" * TEXT_KEPT)
    bench.items.cut()
    assert bench.reports.texts("message") == ["x" * TEXT_KEPT]


def test_ended_items_are_forgotten_in_the_end(bench: Bench) -> None:
    for number in range(ENDED_KEPT + 1):
        bench.items.open_tool(f"c{number}", "shell")
    bench.items.cut()
    assert [bench.items.has_ended(f"c{number}") for number in (0, 1)] == [False, True]


STEPS = st.sampled_from(["text", "tool", "add", "end", "cut"])


@given(st.lists(st.tuples(STEPS, st.sampled_from("abc")), max_size=30))
def test_each_item_ends_once_for_each_time_that_it_began(steps: list[tuple[str, str]]) -> None:
    bench, begun, ended = Bench(), 0, 0
    for step, item in [*steps, ("cut", "")]:
        is_open = bench.items.get(item) is not None
        if step in ("text", "tool") and not is_open:
            begun += 1
            if step == "text":
                bench.items.open_text(item, "message")
                bench.items.add(item, "x")
            else:
                bench.items.open_tool(item, "shell")
        elif step == "add":
            bench.items.add(item, "y")
        elif step == "end":
            ended += bench.items.end(item) is not None
        elif step == "cut":
            bench.items.cut()
    assert ended + len(bench.reports.events("message", "tool-done")) == begun
