"""JSON-RPC in lines: what is written is read again, and no line does any harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sxhost.codec.jsonrpc import (
    INTERNAL_ERROR,
    InvalidMessage,
    RPCError,
    RPCNotification,
    RPCRequest,
    RPCResponse,
    decode_message,
    encode_error,
    encode_request,
    encode_response,
)
from tests.support.agents.rude_agents import RUBBISH

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
IDS = st.integers(-(2**53), 2**53) | TEXTS
MORE = st.sampled_from([{}, {"jsonrpc": "2.0"}])


def value(raw: Raw) -> Any:
    return json.loads(bytes(raw))


@given(TEXTS, VALUES, st.integers(0, 2**53), MORE)
def test_call_round_trip(method: str, params: Any, number: int, more: dict[str, str]) -> None:
    line = encode_request(method, params, number, **more)
    assert b"\n" not in line
    said = decode_message(line)
    assert isinstance(said, RPCRequest)
    assert (said.id, said.method, value(said.params)) == (number, method, params)


@given(TEXTS, VALUES)
def test_notification_has_no_id(method: str, params: Any) -> None:
    said = decode_message(encode_request(method, params))
    assert isinstance(said, RPCNotification)
    assert (said.method, value(said.params)) == (method, params)


def test_without_params_there_are_none() -> None:
    assert json.loads(encode_request("initialized")) == {"method": "initialized"}
    said = decode_message(b'{"method": "initialized"}')
    assert said == RPCNotification("initialized", Raw(b"{}"))


@given(IDS, VALUES, MORE)
def test_result_round_trip(number: int | str, given_: Any, more: dict[str, str]) -> None:
    said = decode_message(encode_response(number, given_, **more))
    assert isinstance(said, RPCResponse)
    assert (said.id, value(said.result)) == (number, given_)


@given(st.none() | IDS, st.integers(-40000, 40000), TEXTS)
def test_error_round_trip(number: int | str | None, code: int, message: str) -> None:
    assert decode_message(encode_error(number, code, message)) == RPCError(
        number, code, message
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"id": 1, "result": null}', RPCResponse(1, Raw(b"null"))),
        (b'{"id": "1", "result": 2, "error": null}', RPCResponse("1", Raw(b"2"))),
        (b'{"id": 1, "error": {}}', RPCError(1, INTERNAL_ERROR, "")),
        (b'{"id": null, "error": {"code": 7}}', RPCError(None, 7, "")),
        (b'{"error": {"code": 7}}', RPCError(None, 7, "")),
        (b'{"id": null, "method": "m"}', RPCNotification("m", Raw(b"{}"))),
        (b'{"id": 0, "method": "m", "params": [1]}', RPCRequest(0, "m", Raw(b"[1]"))),
        (b' {"method": "m", "x": "\xe2\x80\xa8"}\r', RPCNotification("m", Raw(b"{}"))),
    ],
)
def test_message_kind_follows_from_its_fields(line: bytes, said: Any) -> None:
    assert decode_message(line) == said


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": 1}',
        b'{"result": 1}',
        b'{"id": null, "result": 1}',
        b'{"id": 1.5, "result": 1}',
        b'{"id": 1, "error": 5}',
        b'{"method": null}',
        b'{"method": "\xff"}',
        b'{"x": "\\ud83d!", "method": "m"}',
        *(line for line in RUBBISH if b'"method": "' not in line),
    ],
)
def test_malformed_message_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode_message(line)


@given(st.binary() | TEXTS.map(str.encode) | VALUES.map(lambda v: json.dumps(v).encode()))
def test_any_line_is_decoded_or_refused(line: bytes) -> None:
    try:
        said = decode_message(line)
    except InvalidMessage:
        return
    assert isinstance(said, RPCRequest | RPCNotification | RPCResponse | RPCError)
