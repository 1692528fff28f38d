"""JSON-RPC, a message a line: what a line says, and what to write.  It keeps nothing.

Codex leaves out the field ``jsonrpc``, ACP has it; the shape of a message tells its kind.
https://www.jsonrpc.org/specification
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "METHOD_NOT_FOUND",
    "Call",
    "Id",
    "NotRPC",
    "Notice",
    "Refusal",
    "Result",
    "call",
    "parse",
    "refusal",
    "result",
]

METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

Id = int | str


class NotRPC(ValueError):
    """A line is no message of JSON-RPC."""


class Call(Struct, frozen=True):
    """The other side asks, and wants an answer under its `id`."""

    id: Id
    method: str
    params: Raw


class Notice(Struct, frozen=True):
    """The other side tells."""

    method: str
    params: Raw


class Result(Struct, frozen=True):
    """The other side answers."""

    id: Id
    result: Raw


class Refusal(Struct, frozen=True):
    """The other side refuses; `id` is None where it could not read ours."""

    id: Id | None
    code: int
    message: str
    data: Any = None


class _Error(Struct, frozen=True):
    code: int = INTERNAL_ERROR
    message: str = ""
    data: Any = None


class _Line(Struct, frozen=True):
    id: int | str | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    params: Raw = Raw(b"{}")
    result: Raw | UnsetType = UNSET
    error: _Error | UnsetType | None = UNSET


_decode = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.encode


def parse(line: bytes) -> Call | Notice | Result | Refusal:
    """Return what a line says.

    :raises NotRPC: nothing that we know.
    """
    try:
        line.decode()  # msgspec looks only at the texts that it keeps
        said = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotRPC(str(error)) from None
    if isinstance(said.method, str):
        known = said.id is not UNSET and said.id is not None
        return _call(said) if known else Notice(said.method, said.params)
    if isinstance(said.error, _Error):
        given = said.id if isinstance(said.id, int | str) else None
        return Refusal(given, said.error.code, said.error.message, said.error.data)
    if isinstance(said.id, int | str) and said.result is not UNSET:
        return Result(said.id, said.result)
    raise NotRPC("it has neither a method nor an answer")


def _call(said: _Line) -> Call:
    assert isinstance(said.id, int | str)  # noqa: S101 - `parse` looked
    assert isinstance(said.method, str)  # noqa: S101
    return Call(said.id, said.method, said.params)


def call(method: str, params: Any = UNSET, number: int | None = None, **more: Any) -> bytes:
    """Return a call, or without a number a notice; `more` are fields such as ``jsonrpc``."""
    message: dict[str, Any] = {**more}
    if number is not None:
        message["id"] = number
    message["method"] = method
    if params is not UNSET:
        message["params"] = params
    return _encode(message)


def result(number: Id, value: Any, **more: Any) -> bytes:
    """Return the answer to a call."""
    return _encode({**more, "id": number, "result": value})


def refusal(number: Id | None, code: int, message: str, **more: Any) -> bytes:
    """Return the refusal of a call."""
    return _encode({**more, "id": number, "error": {"code": code, "message": message}})
