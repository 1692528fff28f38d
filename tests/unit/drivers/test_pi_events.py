"""What pi tells as events: what the recordings do not have."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.drivers.pi.decoder import parse
from sxhost.drivers.pi.events import PiTranslator, _added
from sxhost.drivers.pi.messages import SessionStats, Tokens
from tests.support.agents.recorded_pi import plain, printed
from tests.support.fake_children import FakeReports


class Told:
    """A translator and what it tells."""

    def __init__(self) -> None:
        self.reports = FakeReports()
        self.events = PiTranslator(self.reports)

    @property
    def told(self) -> list[tuple[str, Any]]:
        return self.reports.events()

    def hear(self, **message: Any) -> tuple[str, Any]:
        self.events.line_received(parse(printed(message)))
        return self.told[-1]


def assistant(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [], **fields}


def tool_end(tool: str, text: str, **fields: Any) -> dict[str, Any]:
    result = {"content": [{"type": "text", "text": text}], **fields.pop("result", {})}
    end = {"type": "tool_execution_end", "toolCallId": "t", "toolName": tool}
    return {**end, "result": result, **fields}


def test_usage_is_a_sum() -> None:
    told = Told()
    told.events.context_window = 1000
    told.events.restore_usage(SessionStats(Tokens(100, 10, 5, 1, 116), 0.5))
    usage = {"input": 10, "output": 2, "cacheRead": 3, "cacheWrite": 1, "reasoning": 1}
    message = assistant(usage={**usage, "totalTokens": 16, "cost": {"total": 0.25}})
    name, data = told.hear(type="message_end", message=message)
    assert data.pop("native")["type"] == "message_end", "a call alone has no other fact"
    assert (name, data) == (
        "usage",
        {
            "input_tokens": 120,
            "cached_tokens": 8,
            "cache_write_tokens": 2,
            "output_tokens": 12,
            "reasoning_tokens": 1,
            "total_tokens": 132,
            "context_window": 1000,
            "cost_usd": 0.75,
        },
    )


def test_an_answer_without_usage_is_not_counted() -> None:
    told = Told()
    for message in (assistant(), assistant(usage={"input": 0, "totalTokens": 0})):
        assert told.hear(type="message_end", message=message)[0] == "native"


def test_an_answer_in_parts() -> None:
    told = Told()
    told.hear(type="message_start", message=assistant(timestamp=7))
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "a"},
        {"type": "toolCall", "id": "t"},
        {"type": "text", "text": ""},
        {"type": "text", "text": "b"},
    ]
    told.hear(type="message_end", message=assistant(content=content))
    names = [(name, d["item"], d["text"], "native" in d) for name, d in told.told[1:]]
    assert names == [
        ("thinking", "7-0", "hm", False),
        ("message", "7-1", "a", False),
        ("message", "7-4", "b", True),
    ]


def test_what_a_person_said_is_pis_own_event() -> None:
    told = Told()
    message = {"role": "user", "content": "plain"}
    name, data = told.hear(type="message_end", message=message)
    assert (name, data["native"]["message"]) == ("native", message)


@pytest.mark.parametrize(
    ("args", "title"),
    [
        ({"command": "ls\nrm x"}, "ls"),
        ({"path": "/a"}, "/a"),
        ({}, "edit"),
        (7, "edit"),
        ({"command": "x" * 300}, "x" * 200),
    ],
)
def test_a_tools_title(args: Any, title: str) -> None:
    start = {"type": "tool_execution_start", "toolCallId": "t", "toolName": "edit"}
    assert Told().hear(**start, args=args)[1]["title"] == title


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (tool_end("bash", "x"), 0),
        (tool_end("bash", "x\n\nCommand exited with code 7", isError=True), 7),
        (tool_end("bash", "x", result={"structuredContent": {"exit_code": 4}}), 4),
        (tool_end("bash", "Command aborted", isError=True), None),
        (tool_end("read", "Command exited with code 7"), None),
    ],
)
def test_exit_codes(end: Any, code: int | None) -> None:
    assert Told().hear(**end)[1]["exit_code"] == code


def test_what_is_open_is_cut() -> None:
    told = Told()
    told.hear(type="tool_execution_start", toolCallId="t", toolName="bash", args={})
    delta = {"type": "text_delta", "contentIndex": 0, "delta": "so far"}
    told.hear(type="message_update", assistantMessageEvent=delta)
    told.events.open_items.cut()
    told.events.open_items.cut()
    assert [(name, data["item"]) for name, data in told.told[2:]] == [
        ("tool-done", "t"),
        ("message", "0-0"),
    ]
    told.hear(**tool_end("bash", "late"))
    name, data = told.told[-1]
    assert (name, data["item"], data["output"]) == ("tool-done", "t+", "late")


def test_what_comes_of_an_interrupted_call_is_no_result() -> None:
    told = Told()
    told.hear(type="tool_execution_start", toolCallId="t", toolName="bash", args={})
    told.events.open_items.cut(interrupted=True)
    told.hear(**tool_end("bash", "too late"))
    assert told.told[-1][0] == "native"


def test_output_of_which_pi_keeps_the_end() -> None:
    lines = [f"{n}\n" for n in range(1000)]
    before, now = "".join(lines[:400]), "".join(lines[100:600])
    assert _added("", before) == before
    assert _added(before, before) == ""
    assert _added(before, now) == "".join(lines[400:600])
    assert _added(before, "".join(lines[700:])) == "".join(lines[700:])


WARNINGS = [
    (
        {"type": "extension_error", "extensionPath": "/x.js", "event": "e", "error": "no"},
        "warning",
        "/x.js: e: no",
    ),
    (
        {"type": "auto_retry_start", "attempt": 2, "maxAttempts": 3, "delayMs": 500},
        "warning",
        "It failed: attempt 2 of 3 in 0.5 s",
    ),
    ({"type": "compaction_end", "errorMessage": "too small"}, "warning", "too small"),
    (
        {
            "type": "extension_ui_request",
            "id": "x",
            "method": "notify",
            "message": "look",
            "notifyType": "error",
        },
        "warning",
        "look",
    ),
]


@pytest.mark.parametrize(("message", "name", "text"), WARNINGS)
def test_warnings(message: Any, name: str, text: str) -> None:
    told = Told().hear(**message)
    assert (told[0], told[1]["text"], told[1]["native"]) == (name, text, message)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "queue_update", "steering": [], "followUp": []},
        {"type": "auto_retry_end", "success": True},
        {"type": "compaction_start", "reason": "manual"},
        {"type": "compaction_end", "aborted": True},
        {"type": "session_info_changed", "name": "x"},
        {"type": "extension_ui_request", "id": "x", "method": "setTitle", "title": "T"},
        {"type": "extension_ui_request", "id": "x", "method": "notify", "message": "m"},
        {
            "type": "message_update",
            "assistantMessageEvent": {
                "type": "toolcall_start",
                "contentIndex": 0,
                "id": "t",
            },
        },
    ],
)
def test_what_has_no_other_name(message: Any) -> None:
    name, data = Told().hear(**message)
    assert (name, data["native"]) == ("native", message)


def test_what_was_told_before_is_not_told_again() -> None:
    told = Told()
    step = {"type": "text_end", "contentIndex": 2, "content": "all of it"}
    _, data = told.hear(type="message_update", assistantMessageEvent=step)
    del step["content"]
    assert data["native"]["assistantMessageEvent"] == step
    _, data = told.hear(type="agent_end", messages=[assistant()], willRetry=False)
    assert data["native"] == {"type": "agent_end", "willRetry": False}
    message = {"role": "toolResult", "toolCallId": "t", "isError": False, "timestamp": 3}
    both = {**message, "content": "all of it", "details": {}}
    _, data = told.hear(type="message_end", message=both)
    kept = data["native"]["message"]
    assert {name: plain(value) for name, value in kept.items()} == message


def test_pictures_of_a_result_are_told() -> None:
    image = {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"}
    content = [{"type": "text", "text": "x"}, image]
    _, data = Told().hear(**tool_end("read", "", result={"content": content}))
    assert data["output"] == "x"
    assert data["images"] == [{"mime_type": "image/png", "data": "iVBORw0KGgo="}]
