"""Notices of codex as reports."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.drivers.codex.items import ItemTranslator
from sxhost.drivers.codex.notifications import Notification
from sxhost.process.contracts import ChildExit
from tests.support.fake_children import FakeReports

COMMAND = {"type": "commandExecution", "command": "make", "cwd": "/w"}

LATE: dict[str, dict[str, Any]] = {
    "item/agentMessage/delta": {"itemId": "m", "delta": "last words"},
    "item/started": {"item": {**COMMAND, "id": "c"}},
    "item/completed": {"item": {"type": "agentMessage", "id": "n", "text": "whole"}},
    "turn/diff/updated": {"diff": "+x"},
    "turn/plan/updated": {"plan": [{"step": "one"}]},
    "thread/tokenUsage/updated": {"tokenUsage": {"total": {"totalTokens": 3}}},
    "error": {"error": {"message": "lost"}, "willRetry": False},
    "hook/completed": {},
}
"""Notifications that name their turn, and their other params."""


class Teller:
    """A story of thread t, and what it reports."""

    def __init__(self) -> None:
        self.reports = FakeReports()
        self.story = ItemTranslator(self.reports)

    def tell(self, method: str, **params: Any) -> None:
        raw = Raw(json.dumps({"threadId": "t", **params}).encode())
        self.story.notification_received(Notification.of(method, raw))

    def start(self, kind: str, name: str = "i", **fields: Any) -> None:
        self.tell("item/started", item={"type": kind, "id": name, **fields})

    def complete(self, kind: str, name: str = "i", **fields: Any) -> None:
        self.tell("item/completed", item={"type": kind, "id": name, **fields})

    def delta(self, text: str, name: str = "i") -> None:
        self.tell("item/agentMessage/delta", itemId=name, delta=text)

    def turn(self, status: str, name: str = "u", **fields: Any) -> None:
        verb = "started" if status == "inProgress" else "completed"
        self.tell(f"turn/{verb}", turn={"id": name, "status": status, **fields})

    def told(self, *names: str) -> list[Any]:
        """Return the events of some names without codex's own words."""
        pairs = self.reports.events(*names)
        return [{k: v for k, v in data.items() if k != "native"} for _, data in pairs]


def test_a_message_that_begins_without_a_start_can_be_cut() -> None:
    teller = Teller()
    teller.delta("so ")
    teller.delta("far")
    teller.story.open_items.cut()
    assert teller.told("message") == [{"item": "i", "text": "so far", "cut": True}]


def test_what_was_never_said_is_not_cut() -> None:
    teller = Teller()
    teller.start("agentMessage")
    teller.start("reasoning", "r")
    teller.story.open_items.cut()
    assert not teller.told("message", "thinking")


def test_late_words_of_what_was_cut_are_an_item_of_their_own() -> None:
    teller = Teller()
    teller.delta("so far")
    teller.story.open_items.cut()
    teller.delta(" and on")
    teller.complete("agentMessage", text="so far and on")
    before, rest = teller.told("message")
    assert before == {"item": "i", "text": "so far", "cut": True}
    assert (rest["item"], rest["text"]) == ("i+", " and on")


def test_a_whole_text_that_was_cut_says_nothing_new() -> None:
    teller = Teller()
    teller.delta("so far")
    teller.story.open_items.cut()
    teller.complete("agentMessage", text="so far")
    assert len(teller.told("message")) == len(teller.told("native")) == 1


def test_what_begins_anew_under_its_old_name_is_heard() -> None:
    teller = Teller()
    teller.delta("so far")
    error = {"message": "Reconnecting... 1/5", "additionalDetails": "it broke"}
    teller.tell("error", error=error, willRetry=True)
    teller.start("agentMessage")
    teller.delta("again")
    teller.complete("agentMessage", text="again")
    assert [data["text"] for data in teller.told("message")] == ["so far", "again"]
    assert teller.reports.texts("warning") == ["Reconnecting... 1/5: it broke"]


def test_a_steer_cuts_words_but_no_commands() -> None:
    teller = Teller()
    teller.start("commandExecution", "c", command="make", cwd="/w")
    teller.delta("so far")
    teller.start("userMessage", "m")
    assert [data["cut"] for data in teller.told("message")] == [True]
    assert not teller.told("tool-done")
    teller.turn("interrupted")
    assert teller.told("tool-done")[0]["status"] == "cut"
    assert teller.reports.told[-1][0] == "turn_ended"


def titles(teller: Teller) -> list[list[str]]:
    return [[task["title"] for task in data["tasks"]] for data in teller.told("background")]


def test_a_command_outlives_its_turn_and_prints_under_it() -> None:
    teller = Teller()
    teller.tell("turn/started", turn={"id": "u1"})
    teller.tell("item/started", turnId="u1", item={**COMMAND, "id": "c"})
    teller.turn("completed", "u1")
    assert titles(teller) == [["make"]]
    teller.tell("turn/started", turn={"id": "u2"})
    teller.tell("item/agentMessage/delta", turnId="u2", itemId="m", delta="of the second")
    teller.tell("item/commandExecution/outputDelta", turnId="u1", itemId="c", delta="built")
    done = {**COMMAND, "id": "c", "aggregatedOutput": "built", "exitCode": 0}
    teller.tell("item/completed", turnId="u1", item=done)
    assert [data["turn"] for data in teller.told("tool-output", "tool-done")] == [1, 1]
    assert teller.told("tool-done")[0]["status"] == "completed"
    assert "turn" not in teller.told("message-delta")[0]
    assert titles(teller) == [["make"], []]


def test_late_words_of_a_turn_are_under_it_by_its_id() -> None:
    teller = Teller()
    for turn in ("u1", "u2"):
        teller.tell("turn/started", turn={"id": turn})
        teller.turn("completed", turn)
    teller.tell("turn/started", turn={"id": "u3"})
    for method, fields in LATE.items():
        teller.tell(method, turnId="u1", **fields)
    assert {data["turn"] for _, data in teller.reports.events()} == {1}
    assert len(teller.reports.events()) == len(LATE)


def test_commands_in_the_background_end_with_an_interruption() -> None:
    teller = Teller()
    teller.tell("turn/started", turn={"id": "u1"})
    teller.tell("item/started", turnId="u1", item={**COMMAND, "id": "c"})
    teller.turn("failed", "u1")
    teller.story.cut_background()
    assert teller.told("tool-done")[0]["status"] == "cut"
    assert titles(teller) == [["make"], []]
    teller.tell("item/completed", turnId="u1", item={**COMMAND, "id": "c"})
    assert len(teller.told("tool-done")) == 1
    assert teller.told("native")[0]["turn"] == 1


def test_a_cut_tool_has_its_output_so_far() -> None:
    teller = Teller()
    teller.start("commandExecution", "c", command="yes", cwd="/w")
    teller.tell("item/commandExecution/outputDelta", itemId="c", delta="y\n")
    teller.story.process_exited(ChildExit(code=1))
    cut = teller.told("tool-done")[0]
    assert (cut["item"], cut["tool"], cut["output"]) == ("c", "commandExecution", "y\n")
    assert teller.reports.told[-1] == ("gone", ChildExit(code=1))


def test_output_of_an_unknown_tool_is_told() -> None:
    teller = Teller()
    teller.tell("item/commandExecution/outputDelta", itemId="c", delta="y\n")
    teller.tell("item/mcpToolCall/progress", itemId="d", message="half of it")
    teller.story.open_items.cut()
    assert teller.told("tool-output") == [
        {"item": "c", "text": "y\n"},
        {"item": "d", "text": "half of it"},
    ]
    assert not teller.told("tool-done")


def test_parts_of_a_summary_stand_apart() -> None:
    teller = Teller()
    teller.start("reasoning")
    for index, text in enumerate(["one", "two"]):
        added = "item/reasoning/summaryPartAdded"
        teller.tell(added, itemId="i", summaryIndex=index)
        teller.tell("item/reasoning/summaryTextDelta", itemId="i", delta=text)
    teller.complete("reasoning", summary=["one", "two"], content=[])
    assert "".join(teller.reports.texts("thinking-delta")) == "one\n\ntwo"
    assert teller.reports.texts("thinking") == ["one\n\ntwo"]


def test_thoughts_without_words_are_passed_on() -> None:
    teller = Teller()
    teller.complete("reasoning", summary=[], content=[])
    assert not teller.told("thinking")
    assert len(teller.told("native")) == 1


def test_plans() -> None:
    teller = Teller()
    steps = [
        {"step": "look", "status": "completed"},
        {"step": "do", "status": "inProgress"},
        {"step": "test", "status": "pending"},
    ]
    teller.tell("turn/plan/updated", plan=steps, explanation="So be it.")
    teller.complete("plan", text="1. look")
    assert teller.told("plan") == [
        {
            "text": "So be it.",
            "entries": [
                {"content": "look", "status": "completed"},
                {"content": "do", "status": "in_progress"},
                {"content": "test", "status": "pending"},
            ],
        },
        {"item": "i", "text": "1. look", "entries": []},
    ]


def test_a_diff_is_told_once() -> None:
    teller = Teller()
    for diff in ["a", "a", "b", "a"]:
        teller.tell("turn/diff/updated", diff=diff)
    assert [data["diff"] for data in teller.told("diff")] == ["a", "b", "a"]


def test_a_compaction_is_told_when_it_is_done() -> None:
    teller = Teller()
    teller.start("contextCompaction")
    assert not teller.told("compact")
    teller.complete("contextCompaction")
    assert teller.told("compact") == [{"item": "i"}]


@pytest.mark.parametrize(
    ("method", "params", "text"),
    [
        ("warning", {"message": "mind the gap"}, "mind the gap"),
        ("guardianWarning", {"message": "careful"}, "careful"),
        ("configWarning", {"summary": "odd", "details": "line 3"}, "odd: line 3"),
        ("deprecationNotice", {"summary": "old", "details": None}, "old"),
        ("error", {"error": {"message": "no login"}, "willRetry": False}, "no login"),
    ],
)
def test_warnings(method: str, params: dict[str, Any], text: str) -> None:
    teller = Teller()
    teller.tell(method, **params)
    assert teller.told("warning") == [{"text": text}]


def test_an_error_that_ends_a_turn_is_told_with_its_end() -> None:
    teller = Teller()
    teller.turn("inProgress")
    teller.tell("error", error={"message": "no credit"}, willRetry=False)
    teller.turn("failed", error={"message": "no credit"})
    assert not teller.told("warning")
    assert teller.reports.told[-1] == ("turn_ended", "failed", "no credit")


def test_a_turn_begins_and_ends_once() -> None:
    teller = Teller()
    for status in ["inProgress", "inProgress", "completed", "completed"]:
        teller.turn(status)
    told = [told for told in teller.reports.told if told[0] != "event"]
    assert told == [("turn_began", "u"), ("turn_ended", "completed", "")]
    assert teller.story.turn is None


def test_the_end_of_another_turn_is_not_the_end() -> None:
    teller = Teller()
    teller.turn("inProgress", "new")
    teller.turn("interrupted", "old")
    assert teller.story.turn == "new"
    assert [told[0] for told in teller.reports.told] == ["turn_began", "event"]


def test_a_turn_that_is_over_does_not_begin() -> None:
    teller = Teller()
    teller.turn("completed")
    teller.story.turn_accepted("u")
    assert teller.story.turn is None


def test_an_unheard_of_end_is_a_failure() -> None:
    teller = Teller()
    teller.turn("exploded")
    assert teller.reports.told == [("turn_ended", "failed", "")]


def test_changes_are_known_while_they_wait() -> None:
    teller = Teller()
    changes = [{"path": "/w/a", "kind": {"type": "add"}, "diff": "a\n"}]
    teller.start("fileChange", changes=changes)
    assert teller.story.changes_of("i") == changes
    teller.complete("fileChange", changes=changes, status="completed")
    assert teller.story.changes_of("i") == []
    assert teller.story.changes_of("other") == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
METHODS = [
    *("item/started", "item/completed", "turn/started", "turn/completed", "error", "warning"),
    *("turn/plan/updated", "turn/diff/updated", "thread/tokenUsage/updated"),
    *("item/agentMessage/delta", "item/reasoning/summaryPartAdded", "what/ever"),
]
ITEM = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["fileChange", "mcpToolCall", "reasoning", "plan"]),
        "id": st.just("i"),
    },
    optional=dict.fromkeys(("changes", "result", "error", "summary", "text", "status"), JSON),
)


@given(st.lists(st.tuples(st.sampled_from(METHODS), JSON, ITEM | JSON), max_size=6))
def test_nothing_that_is_told_breaks_it(notices: list[tuple[str, Any, Any]]) -> None:
    teller = Teller()
    for method, params, item in notices:
        said = {**params, "item": item} if isinstance(params, dict) else params
        teller.story.notification_received(
            Notification.of(method, Raw(json.dumps(said).encode()))
        )
    teller.story.process_exited(ChildExit(code=0))
    assert teller.reports.told[-1] == ("gone", ChildExit(code=0))
