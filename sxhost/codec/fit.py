"""Data that have to fit into an event: what is too long is cut, and says so."""

from __future__ import annotations

from typing import Any, Final

from sxhost.codec.json import encode

__all__ = ["fitted"]

TEXT_MOST: Final = 48_000
"""Characters of one text in an event; an event has room for 256 KiB."""

EVENT_MOST: Final = 200_000
"""Bytes of JSON up to which nothing is cut."""


def fitted(data: dict[str, Any]) -> dict[str, Any]:
    """Return data that an event has room for: long texts are cut, and say so."""
    if len(encode(data)) <= EVENT_MOST:
        return data
    short = {name: _shortened(value) for name, value in data.items()}
    whole = encode(short)
    if len(whole) <= EVENT_MOST:
        return short
    return {"text": whole[:TEXT_MOST].decode("utf-8", "replace"), "cut": len(whole)}


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > TEXT_MOST:
        return f"{value[:TEXT_MOST]}… ({len(value) - TEXT_MOST} characters more)"
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    return value
