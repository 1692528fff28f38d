r"""JSON as programs write it: half a character, or bytes that are no UTF-8, cost no line.

JavaScript cuts texts between the halves of a surrogate pair (``"x\ud83d"``), and commands print
any bytes.  Whatever a program says is decoded through `decode_from_program`: as it came, and
only if the decoder refuses it, once more after `well_formed`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

__all__ = ["Decoded", "decode_from_program", "well_formed"]

T = TypeVar("T")

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_LONE = re.compile(
    rb"((?:[^\\]++"
    rb"|\\(?:[^u]|u(?![dD][89a-fA-F]))"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})++)"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}",
    re.DOTALL,
)
"""What may stay (group 1), or half a surrogate pair."""

_BARE_CONTROL = re.compile(rb"[\x00-\x1f]")
_MALFORMED_ESCAPE = re.compile(rb"\\[\x00-\x1f]")

_BACKSLASH, _QUOTE, _BETWEEN = b"\xff", b"\xfe", b"\xfd"
"""Bytes that stand for two others for a while: no UTF-8 has them."""


class Decoded(NamedTuple, Generic[T]):
    """What a program said, and the JSON of it, repaired where that was needed."""

    value: T
    text: bytes


def well_formed(text: bytes) -> bytes:
    r"""Return JSON with U+FFFD for lone surrogates and for bytes that are no UTF-8.

    Control characters that stand in a string as they are become escapes, so they stay data; a
    byte order mark goes.  Pairs, and ``\\ud83d`` (a backslash and five letters), stay.  What is
    no JSON for another reason still is none afterwards.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    if not text.isascii():
        text = text.decode("utf-8", "replace").encode()
    if _BARE_CONTROL.search(text):
        text = _escape_controls(text)
    return _LONE.sub(_without_lone, text)


def _without_lone(found: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if found[1] is None else found[1]


def _escape_controls(text: bytes) -> bytes:
    """Escape the control characters in strings; between values they are spaces, or no JSON.

    Everything is done by a few passes over the whole text: no byte of it costs a step of
    Python, so a hostile body takes no longer than another.
    """
    masked = text.replace(b"\\\\", _BACKSLASH).replace(b'\\"', _QUOTE)
    parts = masked.split(b'"')
    if len(parts) == 1 or _MALFORMED_ESCAPE.search(masked):
        return text
    strings = _BETWEEN.join(parts[1::2])
    for control in {*_BARE_CONTROL.findall(strings)}:
        strings = strings.replace(control, rb"\u%04x" % control[0])
    parts[1::2] = strings.split(_BETWEEN)
    return b'"'.join(parts).replace(_QUOTE, b'\\"').replace(_BACKSLASH, b"\\\\")


def decode_from_program(text: bytes, decode: Callable[[bytes], T]) -> Decoded[T]:
    """Decode JSON that a program wrote; the texts of the result can be encoded again.

    :param decode: decodes all of the text; it may skip parts, but has to notice bad escapes.
    :raises Exception: what `decode` raises for text that is no JSON, repaired or not.
    """
    try:
        if not text.isascii():
            text.decode()  # msgspec looks only at the texts that it keeps
        return Decoded(decode(text), text)
    except ValueError:
        repaired = well_formed(text)
        if repaired == text:
            raise
        return Decoded(decode(repaired), repaired)
