"""JSON of which only both ends are there: what it was about is read nevertheless."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sxhost.codec.json import encode
from sxhost.codec.lines import LongLine
from sxhost.codec.partial_json import decode_partial

__all__ = ["mended"]

_HALF_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)\Z")
_CLEAN: Final = re.compile(rb"(?<=[^\\]{6})[\x20-\x7e]|(?<=[^\\])\\u[0-9a-fA-F]{4}")
"""Where a text can be begun in its middle: no escape reaches there, or one begins there."""


def mended(line: LongLine) -> Iterator[bytes]:
    """Yield what a long line may have been, as JSON, the likeliest first.

    Mostly one huge text makes a line long: without its middle, and with a mark in place of
    that, all the rest is whole.  Else its beginning is closed.
    """
    head = _without_half_escape(line.head)
    clean = _CLEAN.search(line.tail, 1)
    if clean is not None:
        tail = line.tail[clean.start() :]
        yield head + _mark(line.size - len(head) - len(tail)).encode() + tail
    begun = head.decode("utf-8", "ignore")
    for text in (begun + _mark(line.size - len(head)), begun):
        if found := decode_partial(text):
            yield encode(found)


def _mark(missing: int) -> str:
    return f"… ({missing} bytes are missing) …"


def _without_half_escape(head: bytes) -> bytes:
    head = head.decode("utf-8", "ignore").encode()
    found = _HALF_ESCAPE.search(head[-16:])
    return head[: len(head) - len(found[1])] if found else head
