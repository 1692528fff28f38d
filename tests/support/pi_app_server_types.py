"""The types of pi-app-server's frames, and what in a frame of ours does not fit them.

They are its own, as JSON Schema (`TYPES`), and allow more fields than it has.  Where its source
is, ``ts-json-schema-generator --additional-properties`` makes the like of it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs

from tests.support.places import RECORDINGS

Object = dict[str, Any]

TYPES = RECORDINGS / "pi-app-server-2.2.1-types.json"


@cache
def _types() -> Object:
    types: Object = json.loads(TYPES.read_text(encoding="utf-8"))
    return types


@cache
def _validator(kind: str) -> Any:
    types = _types()
    return jsonschema_rs.validator_for(
        {**types["kinds"][kind], "definitions": types["definitions"]}
    )


def kind_of(frame: Object) -> str:
    """Return what the types of a frame are found under."""
    if frame["type"] == "response":
        return f"={frame['command']}" if frame["success"] else "=error"
    return str(frame["type"])


def problems(frame: Object) -> Iterator[str]:
    """Yield what does not fit in a frame; nothing of a kind that is not known there."""
    yield from _problems(kind_of(frame), frame)
    if frame["type"] == "event":
        yield from _problems(f"event {frame['event']['type']}", frame["event"])


def _problems(kind: str, value: Object) -> Iterator[str]:
    if kind in _types()["kinds"]:
        for error in _validator(kind).iter_errors(value):
            place = "/".join(map(str, error.instance_path))
            yield f"{kind} {place}: {str(error.message)[:200]}"


def is_known(frame: Object) -> bool:
    """Tell whether pi-app-server has types for a frame of this kind."""
    kinds = _types()["kinds"]
    inner = frame["type"] != "event" or f"event {frame['event']['type']}" in kinds
    return inner and kind_of(frame) in kinds
