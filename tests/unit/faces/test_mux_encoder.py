"""A log in the words of pi, event by event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.faces.pi import encoder
from sxhost.faces.pi.encoder import PiEncoding
from sxhost.faces.pi.translator import Translator
from sxhost.model.approval import Approval
from sxhost.model.event import Event
from sxhost.model.limits import Limits

Object = dict[str, Any]
PI = {"type": "message_update", "assistantMessageEvent": {"type": "text_delta", "delta": "x"}}


def said(name: str, data: Any, agent: str = "codex") -> list[Object]:
    encoding = PiEncoding(lambda frame: frame + b"\n", Translator(Limits(), lambda _: agent))
    event = Event(name, Raw(encode(data)), 1, 7, 9, 1000, "s")
    frames = [json.loads(line) for line in encoding.event(event, "ep").splitlines()]
    for frame in frames:
        assert (frame.pop("type"), frame.pop("sessionId")) == ("event", "s")
        assert frame.pop("seq") == 7
    places = [frame.pop("cursor") for frame in frames]
    assert places == ["ep:8"] * (len(frames) - 1) + ["ep:9"] * bool(frames)
    return [frame["event"] for frame in frames]


def kinds(name: str, data: Any, agent: str = "codex") -> list[str]:
    return [one["type"] for one in said(name, data, agent)]


EVENTS_OF_OTHER_AGENTS = [
    ("turn-started", {"turn": 1}, ["agent_start", "turn_start"]),
    ("user-message", {"text": "x"}, ["message_start", "message_end"]),
    ("message-delta", {"text": "x"}, ["message_start", *["message_update"] * 2]),
    ("thinking-delta", {"text": "x"}, ["message_start", *["message_update"] * 2]),
    ("message", {"text": "x"}, ["message_start", "message_end"]),
    ("thinking", {"text": "x"}, ["message_start", "message_end"]),
    (
        "tool-start",
        {"item": "1", "tool": "bash"},
        ["message_start", "message_end", "tool_execution_start"],
    ),
    ("tool-output", {"item": "1", "text": "x"}, ["tool_execution_update"]),
    (
        "tool-done",
        {"item": "1", "status": "failed"},
        ["tool_execution_end", "message_start", "message_end"],
    ),
    ("complete", {"status": "completed"}, ["turn_end", "agent_end"]),
    (
        "error",
        {"status": "failed"},
        ["message_start", "message_end", "turn_end", "agent_end"],
    ),
    ("compact", {}, ["compaction_end"]),
    ("usage", {"input_tokens": 1}, ["sxhost"]),
    ("anything", "words", ["sxhost"]),
]


@pytest.mark.parametrize(("name", "data", "expected"), EVENTS_OF_OTHER_AGENTS)
def test_events_of_other_agents_become_the_closest_pi_events(
    name: str, data: Any, expected: list[str]
) -> None:
    assert kinds(name, data) == expected


def test_native_events_of_pi_are_passed_on() -> None:
    assert said("message-delta", {"text": "x", "native": PI}, "pi") == [PI], "no more is known"
    assert kinds("native", {"native": {"type": "queue_update"}}, "pi") == ["queue_update"]


@pytest.mark.parametrize("name", ["usage", "turn-started", "started", "complete", "message"])
def test_events_that_pi_did_not_send_are_left_out(name: str) -> None:
    assert said(name, {"text": "x"}, "pi") == []


def test_cut_native_events_are_rebuilt() -> None:
    (_, told) = said("message", {"text": "long", "cut": True}, "pi")
    assert told["message"]["content"] == [{"type": "text", "text": "long"}]
    assert kinds("tool-output", {"item": "1", "text": "x"}, "pi") == ["tool_execution_update"]


def test_exit_of_pi_becomes_agent_end() -> None:
    gone = {"status": "failed", "reason": "transport_closed_before_turn_completed"}
    assert kinds("error", gone, "pi")[-1] == "agent_end"
    assert kinds("error", {"status": "failed", "reason": "400"}, "pi") == []


def test_shortened_native_events_keep_their_shape() -> None:
    assert said("native", {"native": {"type": "agent_end"}}, "pi")[0]["messages"] == []
    start = {"type": "message_start", "message": {"role": "assistant"}}
    assert said("native", {"native": start}, "pi")[0]["message"]["content"] == []
    result = {"role": "toolResult", "toolCallId": "1"}
    end = {"type": "message_end", "message": result}
    for one in said("native", {"native": end}, "pi"):
        assert one["message"] == {**result, "content": []}


@pytest.mark.parametrize("data", [None, 3, "x", [1], {"text": 3}, {"native": "x"}])
@pytest.mark.parametrize("agent", ["pi", "codex"])
def test_malformed_native_events_are_tolerated(data: Any, agent: str) -> None:
    for name in ("message-delta", "tool-done", "error", "x", "user-message"):
        said(name, data, agent)


def test_dialog_of_pi_is_passed_on() -> None:
    native = {"type": "extension_ui_request", "id": "u", "method": "confirm", "title": "Sure?"}
    approval = Approval(
        id=3, session="s", key="u", kind="dialog", native=native, title="Sure?", detail={},
        choices=["approve"], opened_ms=0, expires_ms=None,
    )  # fmt: skip
    (told,) = said("approval-requested", approval, "pi")
    assert (told["requestId"], told["method"], told["title"]) == ("u", "confirm", "Sure?")


def test_cached_encodings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "KEPT", 1000)
    encoding = PiEncoding(lambda frame: frame, Translator(Limits(), lambda _: "codex"))
    for number in range(100):
        event = Event("usage", Raw(b"{}"), 1, number, number, 1000, "s")
        assert encoding.event(event, "ep") is encoding.event(event, "ep")
    assert len(encoding._frames) < 5


def test_gap_names_its_session() -> None:
    encoding = PiEncoding(lambda frame: frame, Translator(Limits(), lambda _: ""))
    gap = json.loads(encoding.control("gap", {"from": "e:1", "to": "e:5", "sessionId": "s"}))
    assert gap == {"type": "gap", "from": "e:1", "to": "e:5", "sessionId": "s"}
    assert encoding.control("hello", {}) == encoding.control("heartbeat", {}) == b""
