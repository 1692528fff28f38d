"""Lines of transcripts decoded: only the fields that are asked for, whatever else is there."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from sxhost.codec.well_formed import decode_from_program

__all__ = ["decode_record", "text_of"]

T = TypeVar("T")


def decode_record(line: bytes, kind: type[T]) -> T | None:
    """Return a line as a `kind`; None if it is none."""
    try:
        return decode_from_program(
            line, lambda text: msgspec.json.decode(text, type=kind)
        ).value
    except (ValueError, RecursionError):
        return None


def text_of(content: Any) -> str:
    """Return the text of a content that is one, or a list of parts some of which are."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))
