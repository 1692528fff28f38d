"""Events as types: what they are in JSON, and how events of any shape are read."""

from __future__ import annotations

import pytest
from msgspec import UNSET, Raw, json

from sxhost.model.approval import Approval
from sxhost.model.event import Event
from sxhost.model.event_types import (
    EVENT_TYPES,
    NULL,
    PIECES,
    WHOLE_OF,
    AgentEvent,
    ApprovalRequestedEvent,
    CompleteEvent,
    CustomEvent,
    EndedEvent,
    ErrorEvent,
    MessageEvent,
    NativeEvent,
    PlanEvent,
    ToolDoneEvent,
    ToolStartEvent,
    UsageEvent,
    WarningEvent,
    decode_event,
    encode_data,
    raw_json,
)

ENCODED = [
    (
        MessageEvent(item="m", text="Hi", cut=True, parent="t"),
        b'{"item":"m","text":"Hi","cut":true,"parent":"t"}',
    ),
    (MessageEvent(text=""), b'{"text":""}'),
    (
        ToolStartEvent(item="t", tool="Bash", title="ls", input=NULL, native=NULL),
        b'{"item":"t","tool":"Bash","title":"ls","input":null,"native":null}',
    ),
    (
        ToolDoneEvent(item="t", tool="Bash", status="completed", output="", exit_code=None),
        b'{"item":"t","tool":"Bash","status":"completed","output":"","exit_code":null}',
    ),
    (ToolDoneEvent(tool="bash", status="cut"), b'{"tool":"bash","status":"cut"}'),
    (
        PlanEvent(entries=[{"content": "a", "status": "pending"}], text=""),
        b'{"entries":[{"content":"a","status":"pending"}],"text":""}',
    ),
    (
        CompleteEvent(turn=1, native_id=None, status="completed", reason="", native=NULL),
        b'{"turn":1,"native_id":null,"status":"completed","reason":"","native":null}',
    ),
    (EndedEvent(code=None, signal="SIGKILL", reason="x"), None),
    (UsageEvent(input_tokens=1, context_window=None), None),
    (NativeEvent(native=raw_json({"method": "x"})), b'{"native":{"method":"x"}}'),
    (CustomEvent("deploy-done", Raw(b"[1]")), b"[1]"),
]


@pytest.mark.parametrize(("event", "data"), ENCODED)
def test_data_has_the_fields_in_order_and_those_that_were_not_given_are_left_out(
    event: AgentEvent, data: bytes | None
) -> None:
    encoded = encode_data(event)
    if data is not None:
        assert bytes(encoded) == data
    assert decode_event(in_log(event.name, bytes(encoded))) == event


def test_an_unknown_name_is_a_custom_event_with_its_data_as_it_is() -> None:
    decoded = decode_event(in_log("deploy-done", b'"v2"'))
    assert decoded == CustomEvent("deploy-done", Raw(b'"v2"'))
    assert decoded.nature == "fact"


@pytest.mark.parametrize("name", EVENT_TYPES)
@pytest.mark.parametrize("data", [b"null", b'"words"', b"[]", b"{}", b'{"text":1,"status":2}'])
def test_data_of_any_shape_decodes_as_the_type_of_its_name(name: str, data: bytes) -> None:
    decoded = decode_event(in_log(name, data))
    assert type(decoded) is EVENT_TYPES[name]


def test_a_field_of_another_type_counts_as_missing_and_the_others_are_read() -> None:
    data = b'{"item":7,"tool":"make","status":"fine","output":[1],"exit_code":"0","more":1}'
    assert decode_event(in_log("tool-done", data)) == ToolDoneEvent(
        tool="make", status="completed", output=[1], exit_code=UNSET
    )
    assert decode_event(in_log("error", b'{"reason":{"a":1}}')) == ErrorEvent(reason="")
    assert decode_event(in_log("warning", b'{"native":{"a":1}}')) == WarningEvent(
        text="", native=Raw(b'{"a":1}')
    )


def test_a_count_of_tokens_may_be_said_with_a_fraction_of_nothing() -> None:
    assert decode_event(in_log("usage", b'{"input_tokens":10.0}')) == UsageEvent(
        input_tokens=10
    )


def test_a_piece_has_a_fact_that_has_it_whole_but_for_native_ones() -> None:
    assert {"message-delta", "thinking-delta", "tool-output", "native"} == PIECES
    assert PIECES - WHOLE_OF.keys() == {"native"}
    for piece, whole in WHOLE_OF.items():
        assert EVENT_TYPES[piece].nature == "piece"
        assert EVENT_TYPES[whole].nature == "fact"
        assert "item" in EVENT_TYPES[whole].__struct_fields__


def test_an_event_of_an_approval_is_the_approval() -> None:
    approval = Approval(
        id=1,
        session="a",
        kind="command",
        title="make",
        detail={"command": "make"},
        choices=["approve"],
        opened_ms=5,
        expires_ms=None,
        native=None,
        key="k",
    )
    data = json.encode(approval)
    decoded = decode_event(in_log("approval-requested", data))
    assert isinstance(decoded, ApprovalRequestedEvent)
    assert bytes(encode_data(decoded)) == data


def in_log(name: str, data: bytes) -> Event:
    """Return an event as a log has it."""
    return Event(name, Raw(data), 1, 1, 1, 1000, "a")
