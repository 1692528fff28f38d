"""Data that have to fit into an event: what is too long is cut, and says so."""

from __future__ import annotations

from typing import Any, Final

from sxhost.codec.json import encode

__all__ = ["fitted"]

TEXT_MOST: Final = 48_000
"""Characters of one text in an event; an event has room for 256 KiB."""

EVENT_MOST: Final = 200_000
"""Bytes of JSON up to which nothing is cut."""


def fitted(data: dict[str, Any], most: int = EVENT_MOST) -> dict[str, Any]:
    """Return data of at most so many bytes of JSON: long texts are cut, and say so."""
    if len(encode(data)) <= most:
        return data
    text = min(TEXT_MOST, most // 4)
    short = {name: _shortened(value, text) for name, value in data.items()}
    whole = encode(short)
    if len(whole) <= most:
        return short
    return {"text": whole[:text].decode("utf-8", "replace"), "cut": len(whole)}


def _shortened(value: Any, most: int) -> Any:
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]}… ({len(value) - most} characters more)"
    if isinstance(value, dict):
        return {name: _shortened(each, most) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each, most) for each in value]
    return value
