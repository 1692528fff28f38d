"""From updates of ACP to events, beside what the transcripts show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.drivers.acp.events import UpdateTranslator
from sxhost.drivers.acp.messages import PromptResult
from sxhost.drivers.acp.settings import SessionSettings
from tests.support.fake_children import FakeReports

ANSWER = "agent_message_chunk"
THOUGHT = "agent_thought_chunk"
PROMPT = "user_message_chunk"


class Told:
    """A story, and what it told."""

    def __init__(self) -> None:
        self.reports = FakeReports()
        self.story = UpdateTranslator(self.reports, SessionSettings(lambda: None), "m")
        self.story.session = "s1"

    def hear(self, sort: str, /, **fields: Any) -> None:
        params = {"sessionId": "s1", "update": {"sessionUpdate": sort, **fields}}
        self.story.update_received(Raw(json.dumps(params).encode()))

    def say(self, text: str, name: str | None = None, sort: str = ANSWER) -> None:
        self.hear(sort, content={"type": "text", "text": text}, messageId=name)

    def items(self, name: str) -> list[tuple[str, str]]:
        return [(data["item"], data["text"]) for _, data in self.reports.events(name)]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.reports.events()]


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_message_ends_where_something_else_is_said(told: Told) -> None:
    told.say("a", "1")
    told.say("b", "1")
    told.say("c", "2")
    told.say("d")
    told.say("e", sort=THOUGHT)
    told.say("f")
    told.hear("plan", entries=[{"content": "x"}])
    told.say("g")
    told.hear("tool_call", toolCallId="c1")
    told.say("h")
    told.story.turn_ended()
    assert told.items("message") == [
        ("1", "ab"),
        ("2", "c"),
        ("m1", "d"),
        ("m3", "f"),
        ("m4", "g"),
        ("m5", "h"),
    ]
    assert told.items("thinking") == [("m2", "e")]
    assert "".join(told.reports.texts("message-delta")) == "abcdfgh"


def test_what_tells_of_the_session_ends_no_message(told: Told) -> None:
    told.say("a")
    told.hear("usage_update", used=1, size=2)
    told.hear("session_info_update", title="x")
    told.hear("config_option_update", configOptions=[])
    told.hear("current_mode_update", currentModeId="x")
    told.hear("available_commands_update", availableCommands=[])
    told.hear("tool_call_update", toolCallId="c1", status="in_progress")
    told.say("b")
    told.story.turn_ended()
    assert told.items("message") == [("m1", "ab")]


def test_an_id_that_comes_again_is_another_message(told: Told) -> None:
    told.say("a", "1", THOUGHT)
    told.say("b", "1")
    told.hear("tool_call", toolCallId="c1")
    told.say("c", "1")
    told.story.turn_ended()
    told.say("d", "1")
    told.story.turn_ended()
    assert told.items("thinking") == [("1", "a")]
    assert told.items("message") == [("m1", "b"), ("m2", "c"), ("m3", "d")]


def test_pieces_without_words(told: Told) -> None:
    told.say("")
    told.hear("agent_message_chunk", content={"type": "image", "data": "x"})
    told.story.turn_ended()
    assert told.names == ["native"]


def test_usage(told: Told) -> None:
    told.hear("usage_update", used=10, size=100, cost={"amount": 0.5, "currency": "USD"})
    told.hear("usage_update", used=0, size=100, cost={"amount": 9, "currency": "EUR"})
    told.story.add_turn_usage(
        PromptResult(usage={"inputTokens": 3, "outputTokens": 2, "thoughtTokens": 1})
    )
    told.story.add_turn_usage(
        PromptResult(meta={"quota": {"token_count": {"input_tokens": 4}}})
    )
    told.story.add_turn_usage(PromptResult(usage={"inputTokens": "many"}))
    told.story.add_turn_usage(PromptResult(usage={}, meta={"quota": 3}))
    first, second, third = (data for _, data in told.reports.events("usage"))
    assert first == {"context_window": 100, "total_tokens": 10, "cost_usd": 0.5}
    assert second == {
        **first,
        "input_tokens": 3,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "output_tokens": 2,
        "reasoning_tokens": 1,
    }
    assert third == {**second, "input_tokens": 7}


def test_notices(told: Told) -> None:
    told.hear("notice", severity="warning", title="Careful", description="it is hot")
    told.hear("notice", severity="info", title="Hello")
    told.hear("compaction_update", compactionId="k", status="failed", error="too short")
    told.hear("compaction_update", compactionId="k", status="failed")
    assert told.names == ["warning", "native", "warning", "warning"]
    assert told.reports.texts("warning") == [
        "Careful: it is hot",
        "The conversation could not be shortened: too short",
        "The conversation could not be shortened: no reason told",
    ]


def test_commands_are_told_where_they_change(told: Told) -> None:
    for name in ("a", "a", "b"):
        told.hear("available_commands_update", availableCommands=[{"name": name}])
    assert told.names == ["native", "native"]


def test_the_past_is_passed_over_and_the_present_is_not(told: Told) -> None:
    told.story.muted = True
    told.say("old")
    told.say("older", sort=PROMPT)
    told.hear("tool_call", toolCallId="c1")
    told.hear("unheard_of")
    told.hear("usage_update", used=1, size=2)
    assert (told.names, told.story.passed_over) == (["usage"], 4)
    told.story.turn_started()
    told.say("new")
    assert told.names == ["usage", "message-delta"]


def test_silence(told: Told) -> None:
    told.story.turn_started()
    assert told.story.silent
    told.say("me", sort=PROMPT)
    told.hear("usage_update", used=1, size=2)
    assert told.story.silent
    told.say("hello")
    assert not told.story.silent


KINDS = st.sampled_from(
    [
        "agent_message_chunk",
        "agent_thought_chunk",
        "user_message_chunk",
        "tool_call",
        "tool_call_update",
        "plan",
        "usage_update",
        "notice",
        "compaction_update",
        "available_commands_update",
        "config_option_update",
        "current_mode_update",
        "_own",
    ]
)
RUBBISH = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["text", "completed"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["text", "type", "path"]), inner, max_size=2)
    ),
    max_leaves=4,
)
SENSE: dict[str, list[Any]] = {
    "content": [{"type": "text", "text": "a"}, [{"type": "content", "content": {"text": "b"}}]],
    "messageId": ["m", "n", None],
    "status": ["pending", "in_progress", "completed", "failed"],
    "rawInput": [{}, {"command": "ls"}],
    "rawOutput": ["out", {"output": "put"}],
    "_meta": [{"terminal_output": {"data": "more"}}],
    "title": ["t"],
    "kind": ["execute"],
    "entries": [[]],
    "used": [0, 5],
}
FIELDS = st.fixed_dictionaries(
    {"toolCallId": st.sampled_from(["c", "d"])},
    optional={name: st.sampled_from(sense) | RUBBISH for name, sense in SENSE.items()},
)


@given(st.lists(st.tuples(KINDS, FIELDS), max_size=8))
def test_any_updates_make_events_that_close(updates: list[tuple[str, Any]]) -> None:
    told = Told()
    for sort, fields in updates:
        told.hear(sort, **fields)
    told.story.turn_ended()
    begun = [data["item"] for _, data in told.reports.events("tool-start")]
    done = [data["item"] for _, data in told.reports.events("tool-done")]
    assert sorted(begun) == sorted(done)
    said = told.reports.texts("message") + told.reports.texts("thinking")
    pieces = told.reports.texts("message-delta") + told.reports.texts("thinking-delta")
    assert sorted("".join(said)) == sorted("".join(pieces))
