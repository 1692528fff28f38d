"""Cuts data to the size that an event may have; what is cut says so."""

from __future__ import annotations

from typing import Any, Final

from sxhost.codec.json import encode

__all__ = ["fitted"]

TEXT_MOST: Final = 48_000
"""Characters of one text, once anything has to be cut."""

EVENT_MOST: Final = 200_000
"""Bytes of JSON up to which nothing is cut; the host takes 256 KiB (`event_size`)."""


def fitted(data: dict[str, Any], most: int = EVENT_MOST) -> dict[str, Any]:
    """Return data of at most `most` bytes of JSON: long texts are cut and say by how much.

    If that is not enough, what is left is the beginning of the JSON as one text.
    """
    if len(encode(data)) <= most:
        return data
    length = min(TEXT_MOST, most // 4)  # a character has four bytes at the most
    short = {name: _shortened(value, length) for name, value in data.items()}
    whole = encode(short)
    if len(whole) <= most:
        return short
    return {"text": whole[:length].decode("utf-8", "replace"), "cut": len(whole)}


def _shortened(value: Any, most: int) -> Any:
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]}… ({len(value) - most} characters more)"
    if isinstance(value, dict):
        return {name: _shortened(each, most) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each, most) for each in value]
    return value
