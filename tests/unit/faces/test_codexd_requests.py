"""What codexd reads, and what it says to what it does not."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.errors import BadJSON, BadRequest
from sxhost.faces.codexd.requests import (
    SessionInput,
    TurnInput,
    parse_session,
    parse_turn,
    trimmed,
)

DEPTH = 64
NOTHING: tuple[Any, ...] = ("", "  ", None, 7, True, [], {})
"""What is no text."""


def body(**fields: Any) -> bytes:
    return msgspec.json.encode(fields)


def session(**fields: Any) -> SessionInput:
    return parse_session(body(**fields), DEPTH)


def turn(**fields: Any) -> TurnInput:
    return parse_turn(body(**{"sessionId": "s", "input": "x", **fields}), DEPTH)


def refusal(parse: Any, given: bytes) -> str:
    with pytest.raises(BadRequest) as caught:
        parse(given, DEPTH)
    assert caught.value.status == 400
    return caught.value.message


# Bodies.


@pytest.mark.parametrize("given", [b"", b" \n\t", "\ufeff\u00a0".encode(), b"{}"])
def test_missing_body_is_an_empty_object(given: bytes) -> None:
    assert parse_session(given, DEPTH) == SessionInput()
    assert refusal(parse_turn, given) == "turn requires input as a string or item array."


@pytest.mark.parametrize("parse", [parse_session, parse_turn])
def test_malformed_body_is_refused(parse: Any) -> None:
    for sent in (b"nonsense", b"{", b"\xff", b"NaN", b'{"a":\xff}', b"{} {}"):
        assert refusal(parse, sent) == "Request body must be valid JSON."
    for sent in (b"[]", b"7", b"null", b'"x"', b"true"):
        assert refusal(parse, sent) == "Request body must be a JSON object."


def test_too_deeply_nested_body_is_refused() -> None:
    with pytest.raises(BadJSON, match="deeper than 4 levels"):
        parse_session(b'{"config":' + b"[" * 20 + b"]" * 20 + b"}", 4)


@given(st.binary() | st.recursive(st.none(), st.lists).map(msgspec.json.encode))
def test_random_body_is_read_or_refused(given: bytes) -> None:
    for parse in (parse_session, parse_turn):
        with suppress(BadRequest, BadJSON):
            parse(given, DEPTH)


# Texts.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" a b\n", "a b"),
        ("\ufeff\u2028x\u3000", "x"),
        ("\x1cx", "\x1cx"),
        *((nothing, None) for nothing in NOTHING),
    ],
)
def test_texts_are_trimmed_as_javascript_does(value: Any, expected: str | None) -> None:
    assert trimmed(value) == expected


TEXTS = (
    *("baseInstructions", "cwd", "developerInstructions", "model", "modelProvider"),
    *("personality", "serviceTier", "threadId"),
)


@pytest.mark.parametrize("name", TEXTS)
def test_session_request_texts(name: str) -> None:
    values: tuple[Any, ...] = (" x ", *NOTHING)
    for value in values:
        read = msgspec.to_builtins(session(**{name: value}))
        assert read.pop(name) == ("x" if value == " x " else None)
        rest = msgspec.to_builtins(SessionInput())
        assert read == {k: v for k, v in rest.items() if k != name}


# Sessions.


def test_passed_through_fields() -> None:
    values: list[Any] = ["never", {"granular": {}}, 7, "", False]
    for value in values:
        read = session(approvalPolicy=value, sandbox=value)
        assert (read.approval_policy, read.sandbox) == (value, value)


def test_config_must_be_an_object() -> None:
    assert session(config={"a": [1]}).config == {"a": [1]}
    others: list[Any] = [[], "x", 7, None]
    assert [session(config=value).config for value in others] == [None] * 4


def test_flag_must_be_a_boolean() -> None:
    values = (True, False, None, "true", 1, 0)
    read = [session(ephemeral=value).ephemeral for value in values]
    assert read == [True, False, None, None, None, None]


@pytest.mark.parametrize("purpose", ["duplex", "smoke", "worker"])
def test_known_purposes(purpose: Any) -> None:
    assert session(purpose=f" {purpose} ").purpose == purpose


def test_default_purpose_is_duplex() -> None:
    assert {session(purpose=nothing).purpose for nothing in NOTHING} == {"duplex"}


def test_unknown_purpose_is_refused() -> None:
    said = refusal(parse_session, body(purpose=" x "))
    assert said == 'Unsupported session purpose " x ".'


def test_metadata() -> None:
    assert session(metadata={" a ": " b "}).metadata == {"a": "b"}
    assert session(metadata={}).metadata == session(metadata=None).metadata == {}


@pytest.mark.parametrize(
    "metadata", [[], "x", 7, False, {"a": 7}, {"a": None}, {"a": " "}, {" ": "a"}]
)
def test_metadata_must_be_a_map_of_texts(metadata: Any) -> None:
    assert refusal(parse_session, body(metadata=metadata)) == "Expected a string map."


def test_first_mistake_is_reported() -> None:
    said = refusal(parse_session, body(purpose="x", metadata=7))
    assert said == "Expected a string map."


# Turns.


def test_turn_input_is_read() -> None:
    assert turn(input=" as it is\n").input == " as it is\n"
    assert turn(input=[{"type": "text", "text": "x"}]).input == [{"type": "text", "text": "x"}]
    assert turn(input=None, prompt="p").input == "p"
    assert turn(input="i", prompt="p").input == "i"


@pytest.mark.parametrize("given", [None, 7, {}, True, "", []])
def test_turn_without_input_is_refused(given: Any) -> None:
    said = refusal(parse_turn, body(input=given, sessionId=""))
    assert said == "turn requires input as a string or item array."


def test_an_input_of_a_wrong_type_is_not_replaced_by_the_prompt() -> None:
    said = refusal(parse_turn, body(input=7, prompt="p", sessionId="s"))
    assert said == "turn requires input as a string or item array."


@pytest.mark.parametrize("given", [None, "", " ", 7, ["s"]])
def test_turn_without_a_session_is_refused(given: Any) -> None:
    said = refusal(parse_turn, body(input="x", sessionId=given))
    assert said == "sessionId must be a non-empty string."


def test_every_field_of_a_turn() -> None:
    fields = {
        "approvalPolicy": "never",
        "collaborationMode": {"mode": "plan"},
        "cwd": "/w",
        "effort": "high",
        "expectedTurnId": "t",
        "input": "x",
        "model": "m",
        "outputSchema": {"type": "object"},
        "personality": "p",
        "sandboxPolicy": {"type": "readOnly"},
        "serviceTier": "flex",
        "sessionId": "s",
        "summary": "auto",
    }
    assert msgspec.to_builtins(turn(**fields, unknown=7)) == fields
