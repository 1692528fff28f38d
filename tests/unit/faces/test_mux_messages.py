"""Messages of a transcript in pi's form, whole or still being written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from sxhost.faces.pi.messages import (
    OUTPUT_TAIL,
    encode_growing,
    encode_message,
    encode_output,
    plain_message,
)
from sxhost.transcripts.growing_message import GrowingMessage, ToolExecution
from sxhost.transcripts.messages import Message, TextBlock, ThinkingBlock, ToolCallBlock


def message(role: str, *blocks: Any, **fields: Any) -> Message:
    return Message(seq=3, first=3, ts_ms=1000, role=role, blocks=blocks, **fields)


def encoded(one: Message) -> dict[str, Any]:
    fields = json.loads(encode_message(one, "codex"))
    assert isinstance(fields, dict)
    return fields


def test_an_answer_has_what_clients_of_pi_add_up() -> None:
    fields = encoded(message("assistant", ThinkingBlock("hm")))
    assert fields["content"] == [{"type": "thinking", "thinking": "hm"}]
    assert (fields["api"], fields["provider"], fields["timestamp"]) == ("codex", "codex", 1000)
    assert fields["usage"]["cost"]["total"] == 0
    assert fields["stopReason"] == "stop"


@pytest.mark.parametrize(
    ("one", "stop"),
    [
        (message("assistant", ToolCallBlock(item="1", tool="bash")), "toolUse"),
        (message("assistant", TextBlock("half"), status="interrupted"), "aborted"),
        (message("assistant", TextBlock(""), status="failed", reason="why"), "error"),
        (message("assistant", TextBlock("x"), status="cut"), "stop"),
    ],
)
def test_an_answer_says_why_it_stopped(one: Message, stop: str) -> None:
    fields = encoded(one)
    assert fields["stopReason"] == stop
    assert fields.get("errorMessage") == (one.reason or None)


def test_a_tool_that_did_not_complete_has_failed() -> None:
    result = message("tool", TextBlock("no"), item="1", tool="bash", status="declined")
    fields = encoded(result)
    assert (fields["toolCallId"], fields["toolName"], fields["isError"]) == ("1", "bash", True)
    assert plain_message(result)["isError"] is True


def test_a_message_of_pi_is_as_pi_gave_it() -> None:
    native = {"role": Raw(b'"custom"'), "anything": Raw(b"[ 1 ]")}
    assert encode_message(message("custom", native=native), "pi") == (
        b'{"role":"custom","anything":[ 1 ]}'
    )


def test_a_growing_message_is_as_it_was_at_an_event() -> None:
    growing = GrowingMessage(1, 1000, 100)
    growing.append(1, TextBlock, 'so "')
    growing.append(2, TextBlock, "on")
    first, second = (encode_growing(growing, "codex", seq) for seq in (1, 2))
    assert json.loads(first or b"")["content"] == [{"type": "text", "text": 'so "'}]
    assert json.loads(second or b"")["content"] == [{"type": "text", "text": 'so "on'}]
    growing.append(3, TextBlock, "x" * 100)
    assert encode_growing(growing, "codex", 3) is None, "its content is not kept"
    assert encode_growing(None, "codex", 3) is None


@pytest.mark.parametrize("native", [{}, {"api": Raw(b'"x"')}])
def test_a_growing_message_of_pi_has_its_own_fields_alone(native: dict[str, Raw]) -> None:
    growing = GrowingMessage(1, 1000, 100, native=native)
    fields = json.loads(encode_growing(growing, "pi", 1) or b"")
    assert fields == {"role": "assistant", "content": [], **({"api": "x"} if native else {})}


def test_a_call_that_is_being_written_has_its_arguments_so_far() -> None:
    growing = GrowingMessage(1, 1000, 100)
    growing.begin_call(1, 0, "c", "bash")
    growing.append(2, ToolCallBlock, '{"command":"l')
    (call,) = json.loads(encode_growing(growing, "pi", 2) or b"")["content"]
    assert call == {
        "type": "toolCall",
        "id": "c",
        "name": "bash",
        "arguments": {"command": "l"},
        "partialArgs": '{"command":"l',
    }


def test_of_long_output_the_end_is_sent() -> None:
    tool = ToolExecution("bash", Raw(b'{"command":"ls"}'))
    for seq in range(200):
        tool.output.append(seq, "x" * 1000)
    update = json.loads(encode_output("1", tool, 199))
    assert (update["toolName"], update["args"]) == ("bash", {"command": "ls"})
    assert len(update["partialResult"]["content"][0]["text"]) == OUTPUT_TAIL
