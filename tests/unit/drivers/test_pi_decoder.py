"""A line of pi's: what is read of it, what is kept of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sxhost.drivers.pi.decoder import DecodedLine, NotPiLine, parse
from sxhost.drivers.pi.messages import Delta, MessageUpdate, Response
from tests.support.agents.recorded_pi import plain, printed


def update(step: dict[str, Any], **more: Any) -> bytes:
    return printed({"type": "message_update", "assistantMessageEvent": step, **more})


def test_snapshots_are_left_out() -> None:
    step = {"type": "text_delta", "contentIndex": 1, "delta": 'a,"partial":{'}
    snapshot = {"role": "assistant", "content": [{"type": "text", "text": "a" * 10_000}]}
    heard = parse(update({**step, "partial": snapshot}, message=snapshot))
    assert heard.message == MessageUpdate(Delta("text_delta", 1, 'a,"partial":{'))
    assert plain(heard.native) == {"type": "message_update", "assistantMessageEvent": step}


def test_a_partial_elsewhere_is_no_snapshot() -> None:
    call = {"id": "c", "arguments": {"x": 1, "partial": True}}
    line = update({"type": "toolcall_end", "contentIndex": 0, "toolCall": call})
    step = Delta("toolcall_end", tool_call=msgspec.Raw(printed(call)))
    assert parse(line) == DecodedLine("message_update", MessageUpdate(step), msgspec.Raw(line))


def test_a_call_that_begins_has_its_name_from_the_snapshot() -> None:
    blocks = [
        {"type": "text", "text": "x"},
        {"type": "toolCall", "id": "c", "name": "bash"},
    ]
    for index, names in ((1, ("c", "bash")), (2, ()), (-1, ()), (0, (msgspec.UNSET,) * 2)):
        step = {"type": "toolcall_start", "contentIndex": index}
        snapshot = {"role": "assistant", "content": blocks}
        heard = parse(update({**step, "partial": snapshot}, message=snapshot))
        said = heard.message.assistant_message_event
        assert said == Delta("toolcall_start", index, msgspec.UNSET, *names)


def test_the_type_may_stand_anywhere() -> None:
    line = b' { "id" : "r1", "success":true, "type" : "response" }'
    assert parse(line).message == Response(id="r1", success=True)


def test_what_is_not_known_has_its_kind() -> None:
    assert parse(b'{"type":"entry_appended","entry":{}}')[:2] == ("entry_appended", None)
    assert parse(b'{"type":"agent_end","messages":7}')[:2] == ("agent_end", None)


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"7",
        b"[]",
        b"{}",
        b'{"type":null}',
        b'{"type":"x"',
        rb'{"type":"x","y":"\ud83d!"}',
        b'{"type":"x","y":' + b"[" * 100_000,
    ],
)
def test_rubbish(line: bytes) -> None:
    with pytest.raises(NotPiLine):
        parse(line)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary())
def test_any_bytes(line: bytes) -> None:
    with suppress(NotPiLine):
        parse(b'{"type":"' + line)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["message", "messages", "id", "toolCallId", "result", "args", "usage"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    ),
    st.sampled_from(["message_end", "agent_end", "tool_execution_end", "response", "x"]),
)
def test_any_fields(fields: dict[str, Any], kind: str) -> None:
    line = printed({"type": kind, **fields})
    heard = parse(line)
    assert heard.kind == kind
    assert bytes(heard.native) == line
