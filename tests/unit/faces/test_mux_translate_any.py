"""What is told of agents that are not pi: messages that begin, grow, and are whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.faces.pi.translator import Translator
from sxhost.model.event import Event
from sxhost.model.limits import Limits

Object = dict[str, Any]


class Log:
    """A session's log, and what is told of it."""

    def __init__(self, agent: str = "codex", **limits: int) -> None:
        self.runs = Translator(Limits(**limits), lambda _: agent)
        self.events: list[Event] = []

    def fire(self, name: str, **data: Any) -> list[Object]:
        number = len(self.events) + 1
        event = Event(name, Raw(encode(data)), 1, number, number, 1000 + number, "s")
        self.events.append(event)
        return [json.loads(one) for one in self.runs.translate(event)]


def texts(message: Object) -> list[Object]:
    return [{k: v for k, v in one.items() if k != "type"} for one in message["content"]]


def test_turn_becomes_pi_frames() -> None:
    log = Log()
    assert [one["type"] for one in log.fire("turn-started", turn=1)] == [
        "agent_start",
        "turn_start",
    ]
    user = log.fire("user-message", text="hello")[1]["message"]
    assert user["role"] == "user"
    start, begun, first = log.fire("message-delta", item="m", text='so "')
    assert (start["type"], start["message"]["content"]) == ("message_start", [])
    assert begun["assistantMessageEvent"]["type"] == "text_start"
    assert texts(first["message"]) == [{"text": 'so "'}]
    (more,) = log.fire("message-delta", item="m", text="é\n")
    assert more["assistantMessageEvent"]["delta"] == "é\n"
    assert more["assistantMessageEvent"]["partial"] == more["message"]
    assert texts(more["message"]) == [{"text": 'so "é\n'}]
    last, end = log.fire("message", item="m", text='so "é\n!')
    assert last["assistantMessageEvent"]["content"] == 'so "é\n!'
    assert end["message"]["timestamp"] == start["message"]["timestamp"]
    turn, run = log.fire("complete", status="completed")
    assert (turn["message"], turn["toolResults"]) == (end["message"], [])
    assert run["messages"] == [user, end["message"]]


def test_tool_call_becomes_pi_frames() -> None:
    log = Log()
    log.fire("turn-started", turn=1)
    _, called, start = log.fire("tool-start", item="t", tool="bash", input={"command": "ls"})
    (call,) = called["message"]["content"]
    assert call == {
        "type": "toolCall",
        "id": "t",
        "name": "bash",
        "arguments": {"command": "ls"},
    }
    assert called["message"]["stopReason"] == "toolUse"
    assert start["args"] == {"command": "ls"}
    log.fire("tool-output", item="t", text="a\n")
    (update,) = log.fire("tool-output", item="t", text="b\n")
    assert (update["toolName"], update["args"]) == ("bash", {"command": "ls"})
    assert update["partialResult"]["content"] == [{"type": "text", "text": "a\nb\n"}]
    end, _, result = log.fire("tool-done", item="t", status="completed", output="a\nb\n")
    assert (end["toolName"], end["isError"]) == ("bash", False)
    assert end["result"]["content"] == result["message"]["content"]
    turn, run = log.fire("complete", status="completed")
    assert turn["toolResults"] == [result["message"]]
    assert run["messages"] == [called["message"], result["message"]]


def test_end_of_long_output_is_repeated() -> None:
    log = Log()
    log.fire("tool-start", item="t", tool="bash", input={})
    for number in range(100):
        (update,) = log.fire("tool-output", item="t", text=f"{number}" * 1000)
    text = update["partialResult"]["content"][0]["text"]
    assert 48_000 < len(text) <= 50_000
    assert text.endswith("99")


@pytest.mark.parametrize(
    ("end", "stops"),
    [
        ({"status": "interrupted"}, ["aborted"]),
        ({"status": "failed", "reason": "it broke"}, ["error"]),
    ],
)
def test_unfinished_items_are_ended(end: Object, stops: list[str]) -> None:
    log = Log()
    log.fire("turn-started", turn=1)
    log.fire("message-delta", item="m", text="half")
    told = log.fire("error" if end["status"] == "failed" else "complete", **end)
    ends = [one["message"] for one in told if one["type"] == "message_end"]
    assert [one["stopReason"] for one in ends] == stops
    assert texts(ends[0]) == [{"text": "half"}]
    assert ends[-1].get("errorMessage") == end.get("reason")
    assert [one["type"] for one in told[-2:]] == ["turn_end", "agent_end"]
    assert told[-1]["messages"] == ends


def test_concurrent_texts_are_kept_apart() -> None:
    log = Log()
    log.fire("thinking-delta", item="1", text="hm")
    log.fire("message-delta", item="2", text="a")
    (thought,) = log.fire("thinking-delta", item="1", text="m")
    (said,) = log.fire("message-delta", item="2", text="b")
    assert texts(thought["message"]) == [{"thinking": "hmm"}]
    assert texts(said["message"]) == [{"text": "ab"}]


def test_run_of_an_attached_session_begins_after_the_last() -> None:
    log = Log("")
    log.fire("message", text="one")
    assert len(log.fire("complete")[-1]["messages"]) == 1
    log.fire("idle")
    log.fire("message-delta", text="tw")
    log.fire("message", item="named only now", text="two")
    (message,) = log.fire("complete")[-1]["messages"]
    assert texts(message) == [{"text": "two"}]


def test_restarted_session_begins_a_new_run() -> None:
    log = Log()
    log.fire("turn-started")
    log.fire("message-delta", item="m", text="old")
    log.runs.forget("s")
    log.events.clear()
    assert log.fire("message-delta", item="m", text="new")[-1]["message"]["content"] == [
        {"type": "text", "text": "new"}
    ]
