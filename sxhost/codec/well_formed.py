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
BACKSLASH: Final = 0x5C
SPACES: Final = {b"\t": rb"\t", b"\n": rb"\n", b"\r": rb"\r"}
"""Control characters that are spaces between values, but have to be escaped in a string."""

_LONE = re.compile(
    rb"((?:[^\\\x00-\x08\x0b\x0c\x0e-\x1f]++"
    rb"|\\(?:[^u\x00-\x1f]|u(?![dD][89a-fA-F]))"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})++)"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|[\x00-\x1f]"
)
"""What may stay (group 1), or half a surrogate pair, or a control character as it is."""

_SPACED = re.compile(
    rb'((?:[^"]++|"(?:[^"\\\t\n\r]++|\\.)*+")++)|("(?:[^"\\]++|\\.)*+(?:"|\\?\Z))', re.DOTALL
)
"""What may stay (group 1), or a string with a tab or a line break as it is."""


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
    return _SPACED.sub(_without_spaces, _LONE.sub(_without_lone, text))


def _without_lone(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        return found[1]
    return rb"\ufffd" if found[0][0] == BACKSLASH else rb"\u%04x" % found[0][0]


def _without_spaces(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        return found[1]
    text = found[2]
    for space, escape in SPACES.items():
        text = text.replace(space, escape)
    return text


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
