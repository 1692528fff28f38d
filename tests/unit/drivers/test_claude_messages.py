"""What Claude Code prints, decoded; nothing that it prints can break us."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.drivers.claude.messages import (
    Assistant,
    ControlRequest,
    NotClaudeLine,
    Result,
    StreamEvent,
    System,
    UnknownLine,
    parse,
)
from tests.support.agents.recorded_claude import RECORDINGS, recorded

NAMES = sorted(p.stem for p in RECORDINGS.glob("*.jsonl") if "hook_payloads" not in p.stem)
TYPES = ["stream_event", "assistant", "user", "system", "result", "control_request"]
TYPES += ["control_response", "control_cancel_request", "command_lifecycle", "rate_limit_event"]
FIELDS = [
    "event",
    "message",
    "request",
    "response",
    "request_id",
    "subtype",
    "content",
    "errors",
]

SHAPES: list[object] = [
    None,
    True,
    7,
    1.5,
    "x",
    [],
    {},
    [7],
    ["x"],
    [{}],
    {"type": 7},
    {"type": "x"},
]
anything = st.sampled_from([*SHAPES, *({"content": shape} for shape in SHAPES)])


@pytest.mark.parametrize("name", NAMES)
def test_all_that_was_recorded_is_understood(name: str) -> None:
    lines = [line for process in recorded(name) for line in process if line.way == "in"]
    kinds = {type(parse(json.dumps(line.said).encode())) for line in lines}
    assert UnknownLine not in kinds


@given(st.binary(max_size=60))
def test_any_bytes(line: bytes) -> None:
    with suppress(NotClaudeLine):
        parse(line)


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), anything))
def test_any_shape(kind: str, fields: dict[str, object]) -> None:
    said = parse(json.dumps({**fields, "type": kind}).encode())
    assert not isinstance(said, UnknownLine) or said.type == kind


def test_kinds() -> None:
    assert isinstance(parse(b'{"type":"assistant","message":{"content":[]}}'), Assistant)
    assert isinstance(parse(b'{"type":"system"}'), System)
    assert isinstance(parse(b'{"type":"stream_event","event":{"type":"ping"}}'), StreamEvent)
    assert parse(b'{"type":"surprise"}') == UnknownLine("surprise")


def test_what_something_waits_for_is_heard_in_any_shape() -> None:
    assert parse(b'{"type":"result","errors":7}') == Result(is_error=True)
    asked = parse(b'{"type":"control_request","request_id":"a","request":[]}')
    assert isinstance(asked, ControlRequest)
    assert (asked.request_id, asked.request.subtype) == ("a", "")


def test_half_a_character_is_refused_even_where_nothing_is_read() -> None:
    with pytest.raises(NotClaudeLine):
        parse(rb'{"type":"system","x":"\ud83d!"}')
