"""JSON-RPC messages, one a line: decoded and encoded, without any state.

Codex leaves out the field ``jsonrpc``, ACP has it; the shape of a message tells its kind.
https://www.jsonrpc.org/specification
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "METHOD_NOT_FOUND",
    "Id",
    "InvalidMessage",
    "RPCError",
    "RPCNotification",
    "RPCRequest",
    "RPCResponse",
    "decode_message",
    "encode_error",
    "encode_request",
    "encode_response",
]

METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

Id = int | str


class InvalidMessage(ValueError):
    """A line is not a JSON-RPC message."""


class RPCRequest(Struct, frozen=True):
    """A request, which is to be answered under its `id`."""

    id: Id
    method: str
    params: Raw


class RPCNotification(Struct, frozen=True):
    """A notification, which has no answer."""

    method: str
    params: Raw


class RPCResponse(Struct, frozen=True):
    """The successful answer to a request."""

    id: Id
    result: Raw


class RPCError(Struct, frozen=True):
    """The answer with an error; `id` is None where the request's could not be read."""

    id: Id | None
    code: int
    message: str
    data: object = None


class _Error(Struct, frozen=True):
    code: int = INTERNAL_ERROR
    message: str = ""
    data: object = None


class _Line(Struct, frozen=True):
    id: int | str | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    params: Raw = Raw(b"{}")
    result: Raw | UnsetType = UNSET
    error: _Error | UnsetType | None = UNSET


_decode = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.encode


def decode_message(line: bytes) -> RPCRequest | RPCNotification | RPCResponse | RPCError:
    """Decode a line.

    :raises InvalidMessage: it is not a message of JSON-RPC.
    """
    try:
        message = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidMessage(str(error)) from None
    number = message.id if isinstance(message.id, int | str) else None
    if isinstance(message.method, str):
        if number is None:
            return RPCNotification(message.method, message.params)
        return RPCRequest(number, message.method, message.params)
    if isinstance(message.error, _Error):
        return RPCError(number, message.error.code, message.error.message, message.error.data)
    if number is not None and message.result is not UNSET:
        return RPCResponse(number, message.result)
    raise InvalidMessage("it has neither a method nor an answer")


def encode_request(
    method: str, params: object = UNSET, number: Id | None = None, **more: object
) -> bytes:
    """Encode a request, or without a number a notification; `more` as ``jsonrpc="2.0"``."""
    message: dict[str, object] = {**more}
    if number is not None:
        message["id"] = number
    message["method"] = method
    if params is not UNSET:
        message["params"] = params
    return _encode(message)


def encode_response(number: Id, value: object, **more: object) -> bytes:
    """Encode the successful answer to a request."""
    return _encode({**more, "id": number, "result": value})


def encode_error(number: Id | None, code: int, message: str, **more: object) -> bytes:
    """Encode the answer with an error."""
    return _encode({**more, "id": number, "error": {"code": code, "message": message}})
