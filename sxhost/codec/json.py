"""Decodes bodies of requests and answers, with errors that name the field; encodes JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar, cast

import msgspec
from msgspec import Raw

from sxhost.codec.well_formed import well_formed
from sxhost.errors import BadField, BadJSON, BadRequest, BodyTooLarge, HostError
from sxhost.model.names import GRAMMARS

__all__ = [
    "CUT_FIELD",
    "LineBounds",
    "convert",
    "decode",
    "decode_lines",
    "decode_or_cut",
    "encode",
    "encode_lines",
    "iter_decoded_lines",
]

T = TypeVar("T")

_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))
_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_DIGITS = bytes.maketrans(b"0123456789E", b"0000000000e")
_MANY_DIGITS = b"0" * 200
"""With fewer, a number needs an exponent of three digits to be above 10**308."""

_ERROR_PATH = re.compile(r" - at `(?:key in )?\$\.?(?P<path>.*)`$")
_FLOAT_FOR_INT = re.compile(r"Expected `int[^`]*`, got `float` - at `\$\.?(?P<path>.*)`$")
_STEP = re.compile(r"\[\d+\]|[^.\[]+")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")

SHALLOW = 16
"""Brackets of a body whose depth is not checked: they cannot nest too deep."""

SLICE = 64 * 1024
"""Bytes of an NDJSON body that are decoded in one turn: one or two milliseconds of work."""

_encoder = msgspec.json.Encoder()
encode = _encoder.encode


def encode_lines(values: Iterable[object]) -> bytes:
    """Encode values as NDJSON: a line each, ended by a newline."""
    return _encoder.encode_lines(values)


def decode(body: bytes, kind: type[T], *, depth: int = 64, brackets: int = 200_000) -> T:
    """Decode a body into a value of the type `kind`, as programs write it.

    :raises BadJSON: the bytes are not JSON, even if `well_formed`, nest deeper than `depth`,
        or have more than `brackets` brackets.
    :raises BadRequest: the JSON is not the object (or array) that was expected.
    :raises BadField: a field is missing, has the wrong type or is out of bounds.
    """
    if len(body) > brackets:  # below, there cannot be so many
        _check_brackets(body, brackets)
    if _opening_brackets(body) > SHALLOW and _nests_deeper(body, depth):
        raise BadJSON(f"The JSON nests deeper than {depth} levels.", limit=depth)
    try:
        return _decode(body, kind)
    except HostError as error:
        repaired = well_formed(body)
        if repaired == body:
            raise
        try:
            return _decode(repaired, kind)
        except BadJSON:
            raise error from None


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        body.decode()  # msgspec looks only at the texts that it keeps
        if _may_overflow(body):
            _check_numbers(body)
        value: T = _decoder_of(cast("Any", kind)).decode(body)
    except msgspec.ValidationError as error:
        return _decode_integral(body, kind, error)
    except UnicodeDecodeError:
        raise BadJSON("The body is not UTF-8.") from None
    except msgspec.DecodeError as error:
        raise BadJSON(f"The body is not JSON: {_in_plain_english(str(error))}.") from None
    return value


CUT_FIELD: Final = "sxhost_cut"
"""In an object of which texts were cut before anybody could see them whole: its bytes."""

FIELD_MOST: Final = 48_000
"""Bytes of a field that is kept as it is where the whole object cannot be."""


def decode_or_cut(body: bytes, *, depth: int, brackets: int) -> dict[str, object]:
    """Decode an object; of one that is beyond these limits, the beginnings of large fields.

    It then has `CUT_FIELD`.

    :raises HostError: as for `decode`.
    """
    try:
        return decode(body, dict[str, object], depth=depth, brackets=brackets)
    except HostError as error:
        if "limit" not in error.details:
            raise
        with suppress(ValueError, RecursionError):
            fields = msgspec.json.decode(well_formed(body), type=dict[str, Raw])
            cut = {name: _beginning(value, depth) for name, value in fields.items()}
            return {**cut, CUT_FIELD: len(body)}
        raise


def _beginning(field: Raw, depth: int) -> object:
    text = bytes(field)
    if len(text) <= FIELD_MOST and not _nests_deeper(text, depth):
        return msgspec.json.decode(text)
    return f"{text[:FIELD_MOST].decode(errors='ignore')}… ({len(text)} bytes)"


def decode_lines(
    body: bytes,
    kind: type[T],
    *,
    depth: int = 64,
    brackets: int = 200_000,
    most: int = 10_000,
    line_size: int = 1024 * 1024,
) -> list[T]:
    """Decode an NDJSON body of at most `most` lines (blank ones count), split on LF alone.

    :raises HostError: as for `decode`, with the number of the bad line in ``line``.
    """
    bounds = LineBounds(depth, brackets, most, line_size)
    return [value for values in iter_decoded_lines(body, kind, bounds) for value in values]


class LineBounds(NamedTuple):
    """Limits of an NDJSON body: nesting, brackets, lines, and bytes of a line."""

    depth: int
    brackets: int
    most: int
    line_size: int


def iter_decoded_lines(body: bytes, kind: type[T], bounds: LineBounds) -> Iterator[list[T]]:
    """Do the same slice by slice, so that a large body can be spread over reactor turns."""
    if body.count(b"\n") > bounds.most:
        message = f"The body has more than {bounds.most} lines; send it in parts."
        raise BadRequest(message, limit=bounds.most)
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
        yield _decode_slice(piece, kind, first, bounds.depth)
        first, start = first + piece.count(b"\n"), end


def _end_of_slice(body: bytes, start: int) -> int:
    """Return where a slice of whole lines ends: within `SLICE` bytes, or after its one line."""
    end = body.rfind(b"\n", start, start + SLICE) + 1 or body.find(b"\n", start + SLICE) + 1
    return end if end and start + SLICE < len(body) else len(body)


def _decode_slice(piece: bytes, kind: type[T], first: int, depth: int) -> list[T]:
    lines = piece.split(b"\n")
    if max(map(_opening_brackets, lines)) <= SHALLOW and not _may_overflow(piece):
        with suppress(UnicodeDecodeError, msgspec.DecodeError):
            piece.decode()
            values: list[T] = _decoder_of(cast("Any", kind)).decode_lines(piece)
            return values
    # A line is wrong or nests deep: decode one by one, to name it.
    numbered = ((number, line) for number, line in enumerate(lines, first) if line.strip())
    return [_decode_numbered(number, line, kind, depth) for number, line in numbered]


def convert(fields: dict[str, str], kind: type[T]) -> T:
    """Convert the strings of a query into `kind`, numbers and booleans included.

    :raises BadField: a parameter is missing, malformed or out of bounds.
    """
    try:
        return msgspec.convert(fields, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _decode_numbered(number: int, line: bytes, kind: type[T], depth: int) -> T:
    try:
        return decode(line, kind, depth=depth)
    except HostError as error:
        raise _at_line(error, number) from None


def _at_line(error: HostError, number: int) -> HostError:
    error.details["line"] = number
    error.message = f"Line {number}: {error.message}"
    return error


def _decode_integral(body: bytes, kind: type[T], error: msgspec.ValidationError) -> T:
    """Decode a body with each 7.0 that msgspec refuses as a 7: JSON Schema takes both."""
    while found := _FLOAT_FOR_INT.match(str(error)):
        path = _STEP.findall(found["path"])
        try:
            repaired = bytes(_with_integers(Raw(body), path))
            if repaired == body:
                break
            body = repaired
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as another:
            error = another
    raise _invalid(str(error)) from None


def _with_integers(part: Raw, path: Sequence[str]) -> Raw:
    """Return a part of a body with integers at a path, those of every item of a list."""
    if not path:
        value = msgspec.json.decode(part)
        integral = isinstance(value, float) and value.is_integer()
        return Raw(encode(int(value))) if integral else part
    step, *rest = path
    with suppress(msgspec.ValidationError):  # this item is no object: the next error is its
        if step.startswith("["):
            items = msgspec.json.decode(part, type=list[Raw])
            return Raw(encode([_with_integers(item, rest) for item in items]))
        fields = msgspec.json.decode(part, type=dict[str, Raw])
        if step in fields:
            fields[step] = _with_integers(fields[step], rest)
        return Raw(encode(fields))
    return part


def _invalid(text: str) -> HostError:
    """Turn a message of msgspec into an error with a sentence and the field's name."""
    missing, found = _MISSING.search(text), _ERROR_PATH.search(text)
    path = found["path"] if found else ""
    reason = text[: found.start()] if found else text
    if missing:
        name = f"{path}.{missing['name']}" if path else missing["name"]
        return BadField(name, f"The field `{name}` is missing.")
    if path:
        return BadField(path, f"The field `{path}` is wrong: {_in_plain_english(reason)}.")
    return BadRequest(f"The body is wrong: {_in_plain_english(reason)}.")


def _in_plain_english(text: str) -> str:
    text = text.removeprefix("JSON is malformed: ")
    for pattern, meaning in GRAMMARS.items():
        text = text.replace(f"Expected `str` matching regex {pattern!r}", f"expected {meaning}")
    return text[:1].lower() + text[1:]


@cache
def _decoder_of(kind: Any) -> Any:
    return msgspec.json.Decoder(kind)


def _opening_brackets(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _may_overflow(body: bytes) -> bool:
    """Tell whether a body may have a number that is too large for whoever decodes it.

    msgspec does not look at the numbers of a part that it keeps as JSON.
    """
    numbers = body.translate(_DIGITS, b"+")
    return b"e000" in numbers or _MANY_DIGITS in numbers


def _check_numbers(body: bytes) -> None:
    """Check that the numbers of a body can be decoded.

    :raises msgspec.ValidationError: those of a field cannot, which it names.
    """
    if not body.lstrip().startswith(b"{"):
        msgspec.json.decode(body)
        return
    for name, value in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items():
        try:
            msgspec.json.decode(value)
        except msgspec.ValidationError as error:
            reason = str(error).partition(" - at ")[0]
            raise msgspec.ValidationError(f"{reason} - at `$.{name}`") from None


def _check_brackets(body: bytes, most: int) -> None:
    """Check that decoding a body does not take many times its own memory.

    :raises BadJSON: it might: an empty array takes twenty times its bytes.
    """
    _refuse_brackets(sum(map(body.count, (b"[", b"]", b"{", b"}"))), most)


def _refuse_brackets(count: int, most: int) -> None:
    if count > most:
        message = f"The body has more than {most} brackets, in texts or not; send it in parts."
        raise BadJSON(message, limit=most)


def _nests_deeper(body: bytes, depth: int) -> bool:
    """Tell whether arrays and objects nest deeper than `depth`, if the body is JSON at all.

    Each round removes the innermost pairs of brackets; `bytes.replace` does it fast.
    """
    brackets = _outside_strings(body)
    for _ in range(depth):
        before, brackets = brackets, brackets.replace(b"[]", b"")
        if len(brackets) == len(before):
            break
    return b"[]" in brackets or brackets.count(b"[") > depth


def _outside_strings(body: bytes) -> bytes:
    """Return the brackets outside of JSON strings, all as square ones.

    Once all else is removed, two quotes side by side are a string without brackets, and go
    first: fewer strings are left to split at.
    """
    plain = body.replace(rb"\\", b"").replace(rb"\"", b"").translate(_TO_SQUARE, _NO_BRACKETS)
    return b"".join(plain.replace(b'""', b"").split(b'"')[::2])
