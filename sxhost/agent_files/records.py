"""Lines of transcripts decoded: only the fields that are asked for, whatever else is there."""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeVar

import msgspec

__all__ = ["decode_record", "text_of"]

T = TypeVar("T")

LONE: Final = re.compile("[\ud800-\udfff]")


def decode_record(line: bytes, kind: type[T]) -> T | None:
    """Return a line as a `kind`; None if it is none.

    JavaScript programs cut texts within surrogate pairs, and commands print what is no UTF-8:
    such pieces become U+FFFD.
    """
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        value = json.loads(line.decode("utf-8", "replace"))
        mended = LONE.sub("\ufffd", json.dumps(value, ensure_ascii=False))
        return msgspec.json.decode(mended.encode(), type=kind)
    except (ValueError, RecursionError):
        return None


def text_of(content: Any) -> str:
    """Return the text of a content that is one, or a list of parts some of which are."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))
