"""JSON in, values out: one decoder for every body, with errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from sxhost.errors import BadField, BadJSON, BadRequest, BodyTooLarge, HostError
from sxhost.model.names import GRAMMARS

__all__ = [
    "LineBounds",
    "convert",
    "decode",
    "decode_lines",
    "decoded_lines",
    "encode",
    "encode_lines",
]

T = TypeVar("T")

_NEITHER = bytes(set(range(256)) - set(b'[]{}"'))
_SAME = bytes.maketrans(b"{}", b"[]")
_AT = re.compile(r" - at `(?:key in )?\$\.?(?P<path>.*)`$")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")

SHALLOW = 16
"""So many brackets cannot nest too deep, and are what nearly every body has at the most."""

SLICE = 64 * 1024
"""Bytes of an NDJSON body that are decoded at once: a millisecond of work, or two."""

_encoder = msgspec.json.Encoder()
encode = _encoder.encode


def encode_lines(values: Iterable[object]) -> bytes:
    """Encode values as NDJSON: one a line, each line ended by a newline."""
    return _encoder.encode_lines(values)


def decode(body: bytes, kind: type[T], *, depth: int = 64, brackets: int = 200_000) -> T:
    """Decode a body into `kind`.

    :raises BadJSON: the bytes are not JSON in UTF-8, nest deeper than `depth`, or have more
        than so many brackets.
    :raises BadRequest: the JSON is not the object (or array) that was expected.
    :raises BadField: a field is missing, has the wrong type or is out of bounds.
    """
    _check_brackets(body, brackets)
    if _nests_deeper(body, depth):
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


def decode_lines(
    body: bytes,
    kind: type[T],
    *,
    depth: int = 64,
    brackets: int = 200_000,
    most: int = 10_000,
    line_size: int = 1024 * 1024,
) -> list[T]:
    """Decode an NDJSON body of at most so many lines, split on LF alone; blank ones count.

    :raises HostError: as for `decode`, with the number of the bad line in ``line``.
    """
    bounds = LineBounds(depth, brackets, most, line_size)
    return [value for values in decoded_lines(body, kind, bounds) for value in values]


class LineBounds(NamedTuple):
    """What an NDJSON body may have: nesting, brackets, lines, and bytes of a line."""

    depth: int
    brackets: int
    most: int
    line_size: int


def decoded_lines(body: bytes, kind: type[T], bounds: LineBounds) -> Iterator[list[T]]:
    """Do the same slice by slice, so that much of it takes many turns."""
    if body.count(b"\n") > bounds.most:
        said = f"The body has more than {bounds.most} lines; send it in parts."
        raise BadRequest(said, limit=bounds.most)
    brackets, first, start = 0, 1, 0
    while start < len(body):
        end = _end_of_slice(body, start)
        if end - start > bounds.line_size > SLICE:
            error = BodyTooLarge(bounds.line_size)
            raise _at_line(error, first + body.count(b"\n", start, start + SLICE))
        piece = body[start:end]
        brackets += sum(map(piece.count, (b"[", b"]", b"{", b"}")))
        if len(body) > bounds.brackets:
            _refuse_brackets(brackets, bounds.brackets)
        yield _slice(piece, kind, first, bounds.depth)
        first, start = first + piece.count(b"\n"), end


def _end_of_slice(body: bytes, start: int) -> int:
    """Return where a slice ends that has whole lines: soon, or with its only line."""
    end = body.rfind(b"\n", start, start + SLICE) + 1 or body.find(b"\n", start + SLICE) + 1
    return end if end and start + SLICE < len(body) else len(body)


def _slice(piece: bytes, kind: type[T], first: int, depth: int) -> list[T]:
    lines = piece.split(b"\n")
    if max(map(_brackets, lines)) <= SHALLOW:
        with suppress(UnicodeDecodeError, msgspec.DecodeError):
            piece.decode()
            values: list[T] = _lines_of(cast("Any", kind)).decode_lines(piece)
            return values
    # Something is wrong, or deep: line by line it can be told which.
    numbered = ((number, line) for number, line in enumerate(lines, first) if line.strip())
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
        raise _at_line(error, number) from None


def _at_line(error: HostError, number: int) -> HostError:
    error.details["line"] = number
    error.message = f"Line {number}: {error.message}"
    return error


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


def _check_brackets(body: bytes, most: int) -> None:
    """Check that a body is not written to take many times its own room.

    :raises BadJSON: it may be: an empty array takes twenty times its bytes.
    """
    if len(body) > most:
        _refuse_brackets(sum(map(body.count, (b"[", b"]", b"{", b"}"))), most)


def _refuse_brackets(count: int, most: int) -> None:
    if count > most:
        said = f"The body has more than {most} brackets, in texts or not; send it in parts."
        raise BadJSON(said, limit=most)


def _nests_deeper(body: bytes, depth: int) -> bool:
    """Tell whether the arrays and objects of a text nest deeper, if it is JSON at all.

    Of the brackets outside of texts each round takes out the innermost.
    """
    if _brackets(body) <= SHALLOW:
        return False
    left = _outside(body)
    for _ in range(depth):
        before, left = left, left.replace(b"[]", b"")
        if len(left) == len(before):
            break
    return b"[]" in left or left.count(b"[") > depth


def _outside(body: bytes) -> bytes:
    """Return the brackets outside of texts, all square.

    Two quotes that meet once the rest is gone can go as well: what is between others stays.
    """
    plain = body.replace(rb"\\", b"").replace(rb"\"", b"").translate(_SAME, _NEITHER)
    return b"".join(plain.replace(b'""', b"").split(b'"')[::2])
