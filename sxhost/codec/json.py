"""JSON in, values out: one decoder for every body, with errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from sxhost.errors import BadField, BadJSON, BadRequest, HostError
from sxhost.grammar import GRAMMARS

__all__ = ["convert", "decode", "decode_lines", "encode", "encode_lines"]

T = TypeVar("T")

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_AT = re.compile(r" - at `(?:key in )?\$\.?(?P<path>.*)`$")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")

SHALLOW = 16
"""So many brackets cannot nest too deep, and are what nearly every body has at the most."""

_encoder = msgspec.json.Encoder()
encode = _encoder.encode


def encode_lines(values: Iterable[object]) -> bytes:
    """Encode values as NDJSON: one a line, each line ended by a newline."""
    return _encoder.encode_lines(values)


def decode(body: bytes, kind: type[T], *, depth: int = 64) -> T:
    """Decode a body into `kind`.

    :raises BadJSON: the bytes are not JSON in UTF-8, or nest deeper than `depth`.
    :raises BadRequest: the JSON is not the object (or array) that was expected.
    :raises BadField: a field is missing, has the wrong type or is out of bounds.
    """
    if _nesting(body) > depth:
        raise BadJSON(f"The JSON nests deeper than {depth} levels.", limit=depth)
    try:
        body.decode()  # msgspec looks only at the texts that it keeps
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        with suppress(msgspec.DecodeError):
            return msgspec.convert(_whole(body, str(error)), type=kind)
        raise _invalid(str(error)) from None
    except UnicodeDecodeError:
        raise BadJSON("The body is not UTF-8.") from None
    except msgspec.DecodeError as error:
        raise BadJSON(f"The body is not JSON: {_plain(str(error))}.") from None


def decode_lines(body: bytes, kind: type[T], *, depth: int = 64) -> list[T]:
    """Decode an NDJSON body, split on LF alone; blank lines are passed over.

    :raises HostError: as for `decode`, with the number of the bad line in ``line``.
    """
    lines = body.split(b"\n")
    if max(map(_brackets, lines)) <= SHALLOW:
        with suppress(UnicodeDecodeError, msgspec.DecodeError):
            body.decode()
            values: list[T] = _lines_of(cast("Any", kind)).decode_lines(body)
            return values
    # Something is wrong, or deep: line by line it can be told which.
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    return [_numbered(number, line, kind, depth) for number, line in numbered]


def convert(fields: dict[str, str], kind: type[T]) -> T:
    """Turn the strings of a query into `kind`, numbers and truth values included.

    :raises BadField: a parameter is missing, malformed or out of bounds.
    """
    try:
        return msgspec.convert(fields, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _numbered(number: int, line: bytes, kind: type[T], depth: int) -> T:
    try:
        return decode(line, kind, depth=depth)
    except HostError as error:
        error.details["line"] = number
        error.message = f"Line {number}: {error.message}"
        raise


def _whole(body: bytes, text: str) -> Any:
    """Make the 7.0 that was refused a 7: to JSON Schema both are integers."""
    fields, at = msgspec.json.decode(body), _AT.search(text)
    value = fields.get(at["path"]) if at and isinstance(fields, dict) else None
    if at and isinstance(value, float) and value.is_integer():
        fields[at["path"]] = int(value)
    return fields


def _invalid(text: str) -> HostError:
    """Say in a sentence, and by its name, what msgspec found wrong."""
    missing, at = _MISSING.search(text), _AT.search(text)
    path = at["path"] if at else ""
    what = text[: at.start()] if at else text
    if missing:
        name = f"{path}.{missing['name']}" if path else missing["name"]
        return BadField(name, f"The field `{name}` is missing.")
    if path:
        return BadField(path, f"The field `{path}` is wrong: {_plain(what)}.")
    return BadRequest(f"The body is wrong: {_plain(what)}.")


def _plain(text: str) -> str:
    text = text.removeprefix("JSON is malformed: ")
    for pattern, meaning in GRAMMARS.items():
        text = text.replace(f"Expected `str` matching regex {pattern!r}", f"expected {meaning}")
    return text[:1].lower() + text[1:]


@cache
def _lines_of(kind: Any) -> Any:
    return msgspec.json.Decoder(kind)


def _brackets(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _nesting(body: bytes) -> int:
    """Return how deep the arrays and objects of a text nest (an upper bound is enough)."""
    if _brackets(body) <= SHALLOW:
        return 0
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
