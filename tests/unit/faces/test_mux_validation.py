"""What is wrong with a command, in the source's words."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.faces.pi.commands import COMMANDS
from sxhost.faces.pi.validation import BadCommand, parse

IF = "Must be a non-empty string if provided"


def complaint(said: bytes) -> BadCommand:
    with pytest.raises(BadCommand) as caught:
        parse(said)
    return caught.value


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON"),
        (b"3", "Validation failed: root: Command must be an object"),
        (b"[]", "Validation failed: root: Command must be an object"),
        (b"{}", "Validation failed: type: Command must have a string 'type' field"),
        (b'{"type":3}', "Validation failed: type: Command must have a string 'type' field"),
        (b'{"type":"nope"}', "Validation failed: type: Unknown command type 'nope'"),
    ],
    ids=str,
)
def test_text_that_is_no_command_is_refused(said: bytes, error: str) -> None:
    assert complaint(said).error == error


S: dict[str, Any] = {"sessionId": "s"}


MALFORMED_COMMANDS = [
    ("abort", {}, "sessionId: Session commands must have a non-empty string 'sessionId'"),
    ("switch_session", {}, "sessionId: Required non-empty string"),
    ("create_session", {"sessionId": None}, f"sessionId: {IF}"),
    ("create_session", {"cwd": 3}, "cwd: Must be a string if provided"),
    ("abort", {**S, "id": ""}, f"id: {IF}"),
    ("abort", {**S, "id": "x" * 257}, "id: Too long (max 256 chars)"),
    ("abort", {**S, "id": "anon:1"}, "id: Cannot use reserved prefix 'anon:'"),
    ("abort", {**S, "idempotencyKey": " "}, f"idempotencyKey: {IF}"),
    (
        "abort",
        {**S, "idempotencyKey": "x" * 257},
        "idempotencyKey: Too long (max 256 chars)",
    ),
    ("abort", {**S, "dependsOn": "x"}, "dependsOn: Must be an array of command IDs"),
    (
        "abort",
        {**S, "id": "1", "dependsOn": ["x"] * 33},
        "dependsOn: Too many dependencies (max 32)",
    ),
    (
        "abort",
        {**S, "id": "1", "dependsOn": ["x", ""]},
        "dependsOn[1]: Must be a non-empty command ID string",
    ),
    ("abort", {**S, "dependsOn": ["x"]}, "id: Required when dependsOn is provided"),
    (
        "abort",
        {**S, "ifSessionVersion": -1},
        "ifSessionVersion: Must be a non-negative integer",
    ),
    (
        "list_sessions",
        {"ifSessionVersion": 1},
        "ifSessionVersion: Only supported for session-targeted commands",
    ),
    ("prompt", S, "message: Required string"),
    ("prompt", {**S, "message": ""}, "message: Required string"),
    ("prompt", {**S, "message": "x" * 200_001}, "message: Too long (max 200000 chars)"),
    ("bash", {**S, "command": "x" * 20_001}, "command: Too long (max 20000 chars)"),
    ("set_model", S, "provider: Required string; modelId: Required string"),
    (
        "set_thinking_level",
        {**S, "level": "deep"},
        "level: Must be one of: none, low, medium, high, xhigh",
    ),
    ("cycle_model", {**S, "direction": "up"}, "direction: Must be 'forward' or 'backward'"),
    ("set_auto_retry", S, "enabled: Required boolean"),
    ("set_session_name", {**S, "name": "x" * 257}, "name: Too long (max 256 chars)"),
    (
        "set_session_name",
        {**S, "name": "a\nb"},
        "name: Must not contain control characters",
    ),
    (
        "load_session",
        {"sessionPath": "/a/../b"},
        "sessionPath: sessionPath contains potentially dangerous path components",
    ),
    ("load_session", {}, "sessionPath: Required string"),
    (
        "extension_ui_response",
        {**S, "requestId": "a b", "response": {"method": "select"}},
        (
            "requestId: Must contain only alphanumeric characters, colons, underscores,"
            " and dashes"
        ),
    ),
    (
        "extension_ui_response",
        {**S, "requestId": "a", "response": {"method": "shout"}},
        (
            "response.method: Must be one of: select, confirm, input, editor, interview,"
            " cancelled"
        ),
    ),
    (
        "extension_ui_response",
        {**S, "requestId": "a"},
        "response: Required object",
    ),
    (
        "navigate_tree",
        {**S, "targetId": "t", "options": {"summarize": 3}},
        "options.summarize: Must be a boolean if provided",
    ),
    ("get_command_history", {"limit": 501}, "limit: Must be between 1 and 500"),
    (
        "get_command_history",
        {"fromTimestamp": 2, "toTimestamp": 1},
        "fromTimestamp: Must be less than or equal to toTimestamp",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "error"), MALFORMED_COMMANDS, ids=str)
def test_malformed_command_error_says_what_is_wrong(
    kind: str, fields: dict[str, Any], error: str
) -> None:
    found = complaint(json.dumps({"type": kind, **fields}).encode())
    assert found.error == f"Validation failed: {error}"
    assert found.command == kind


def test_long_unknown_command_name_is_shortened_in_the_error() -> None:
    found = complaint(json.dumps({"type": "x" * 9999, "id": "y" * 9999}).encode())
    assert len(found.error) + len(str(found.command)) < 700


names = st.sampled_from([*COMMANDS, "nope"])
rubbish = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", " ", "..", [], [""], [3], [None], {}, {"method": 1},
     {"method": "select"}, {"summarize": 1}, ["a"] * 40, "y" * 300, 10**30]
)  # fmt: skip
fields = st.sampled_from(
    ["id", "sessionId", "message", "dependsOn", "idempotencyKey", "ifSessionVersion",
     "images", "response", "options", "requestId", "sessionPath", "limit", "level", "name",
     "launch", "agent", "after"]
)  # fmt: skip


@given(names, st.dictionaries(fields, rubbish, max_size=6))
def test_random_text_is_a_command_or_an_error(name: str, given: dict[str, Any]) -> None:
    with suppress(BadCommand):
        parse(json.dumps({**given, "type": name}).encode())


@pytest.mark.parametrize(
    ("frame", "written"),
    [
        (b'{"type":"abort","sessionId":"s","id":"a\\ud83d"}', b'"a\\ud83d"'),
        (b'{"type":"abort","id":"a\\ud83d"}', b'"a\\ud83d"'),
        (b'{"type":"abort","id":[1, 2]}', b"[1,2]"),
    ],
)
def test_wrong_id_is_repeated_as_it_came(frame: bytes, written: bytes) -> None:
    assert msgspec.json.encode(complaint(frame).id) == written


@pytest.mark.parametrize("text", [r"a\\ud83d", "\\ufffd", r"\ud83d\ude00"])
def test_id_of_whole_characters_is_an_id(text: str) -> None:
    frame = b'{"type":"abort","sessionId":"s","id":"%s"}' % text.encode()
    assert parse(frame).id == json.loads(frame)["id"]
