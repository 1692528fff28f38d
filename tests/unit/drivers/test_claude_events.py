"""Lines of Claude Code as events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sxhost.drivers.claude.events import ClaudeTranslator
from sxhost.drivers.claude.messages import parse
from tests.support.fake_children import FakeReports


class Telling:
    """A teller and what it tells."""

    def __init__(self) -> None:
        self.reports = FakeReports()
        self.teller = ClaudeTranslator(self.reports)

    def say(self, kind: str, **more: Any) -> None:
        line = json.dumps({"type": kind, **more}).encode()
        self.teller.line_received(parse(line), line)

    def stream(self, event: str, parent: str | None = None, **more: Any) -> None:
        given = {"event": {"type": event, **more}, "parent_tool_use_id": parent}
        self.say("stream_event", **given)

    def text(self, text: str, parent: str | None = None, index: int = 0) -> None:
        delta = {"type": "text_delta", "text": text}
        self.stream("content_block_delta", parent, index=index, delta=delta)

    def begin(self, message: str, parent: str | None = None) -> None:
        self.stream("message_start", parent, message={"id": message})
        block = {"type": "text", "text": ""}
        self.stream("content_block_start", parent, index=0, content_block=block)

    def result(self, content: Any, **more: Any) -> Any:
        """Let a tool give something; return how it was told."""
        block = {"type": "tool_result", "tool_use_id": "t", "content": content, **more}
        self.say("user", message={"role": "user", "content": [block]})
        return self.reports.events("tool-done")[-1][1]

    def call(self, name: str, given: Any, call: str = "t") -> Any:
        block = {"type": "tool_use", "id": call, "name": name, "input": given}
        self.say("assistant", message={"id": "m", "content": [block]})
        return self.reports.events("tool-start")[-1][1]


def test_voices_do_not_mix() -> None:
    telling = Telling()
    telling.begin("m1")
    telling.text("a")
    telling.begin("m2", "t1")
    telling.text("b", "t1")
    telling.text("c")
    assert telling.reports.events() == [
        ("message-delta", {"item": "m1:0", "text": "a"}),
        ("message-delta", {"item": "m2:0", "text": "b", "parent": "t1"}),
        ("message-delta", {"item": "m1:0", "text": "c"}),
    ]


def test_a_message_that_is_begun_again_is_cut() -> None:
    telling = Telling()
    telling.begin("m1")
    telling.text("half")
    telling.begin("m2")
    assert telling.reports.events("message") == [
        ("message", {"item": "m1:0", "text": "half", "cut": True})
    ]


def test_blocks_that_were_not_streamed_are_numbered() -> None:
    telling = Telling()
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}]
    telling.say("assistant", message={"id": "m", "content": blocks})
    telling.say("assistant", message={"id": "m", "content": blocks[1:]})
    assert [data["item"] for _, data in telling.reports.events()] == ["m:0", "m:1", "m:2"]


def test_closing_at_the_end_of_a_turn_leaves_subagents_alone() -> None:
    telling = Telling()
    telling.begin("m1")
    telling.text("mine")
    telling.begin("m2", "t1")
    telling.text("its", "t1")
    telling.call("Bash", {})
    telling.teller.cut_open_items(everything=False)
    assert telling.reports.texts("message") == ["mine"]
    assert telling.reports.events("tool-done")[0][1]["status"] == "cut"
    telling.teller.cut_open_items(everything=True)
    assert telling.reports.texts("message") == ["mine", "its"]
    telling.teller.cut_open_items(everything=True)
    assert len(telling.reports.events("message", "tool-done")) == 3


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("words", "words"),
        (
            [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}],
            "a\nb",
        ),
        (None, ""),
        ([7, {"text": 7}], ""),
    ],
)
def test_what_tools_give(content: Any, text: str) -> None:
    telling = Telling()
    telling.call("Read", {})
    done = telling.result(content)
    assert done == {"item": "t", "tool": "Read", "status": "completed", "output": text}


def test_the_code_of_a_command() -> None:
    telling = Telling()
    telling.call("Bash", {"command": "ls"})
    done = telling.result("Exit code 2\nno such file", is_error=True)
    assert (done["status"], done["exit_code"]) == ("failed", 2)


def test_a_result_of_a_call_that_nobody_heard_of() -> None:
    assert Telling().result("words")["tool"] == ""


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ({"command": "ls", "description": "look"}, "X: ls"),
        ({"file_path": "/x", "content": "…"}, "X: /x"),
        ({"description": "look"}, "X: look"),
        ({"command": 7}, "X"),
        ({}, "X"),
        ("?", "X"),
    ],
)
def test_titles(given: Any, title: str) -> None:
    assert Telling().call("X", given)["title"] == title


def test_what_claude_says_of_itself_is_told_when_it_changes() -> None:
    telling = Telling()
    for model in ("a", "a", "b"):
        telling.say("system", subtype="init", model=model, uuid=model)
    assert len(telling.reports.events("native")) == 2
    assert telling.teller.model == "b"


def test_that_the_model_is_asked_is_no_news() -> None:
    telling = Telling()
    telling.say("system", subtype="status", status="requesting")
    assert telling.reports.events() == []


def test_limits() -> None:
    telling = Telling()
    info = {"status": "allowed_warning", "rateLimitType": "five_hour"}
    telling.say("rate_limit_event", rate_limit_info=info)
    assert telling.reports.texts("warning") == ["The limit five_hour: allowed_warning."]


def test_pictures_of_a_result_are_told() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    done = Telling().result(
        [{"type": "text", "text": "x"}, {"type": "image", "source": source}]
    )
    assert done["output"] == "x"
    assert done["images"] == [{"mime_type": "image/png", "data": "iVBORw0KGgo="}]
