"""An approval for a person to decide on: whole, line by line, with whose words are whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sxhost.codec.json import encode
from sxhost.model.approval import Approval
from sxhost.visible import escape_hidden

__all__ = ["approval_details"]

WORDS: Final = frozenset({"description", "reason", "message", "title"})
"""Fields of a detail that the agent fills with words of its own."""

LINES_SHOWN, CHARACTERS_SHOWN = 200, 16_000
"""Of one text; of a longer one its length is said."""


def approval_details(approval: Approval) -> list[str]:
    """Return the lines below an approval's own: what it is about, whole.

    Each line of a text stands behind a bar of its own, so that none passes for another field;
    hidden characters are escaped.
    """
    lines = (line for name, value in _texts(approval.detail) for line in _lines(name, value))
    return [escape_hidden(line) for line in lines]


def _texts(detail: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of a detail: what would be done first, then the words."""
    for name in sorted(detail, key=lambda name: name in WORDS):
        value = detail[name]
        if name == "diff" and detail.get("changes"):
            continue  # the same once more
        if name in WORDS:
            yield f"the agent's {name}", _text(value)
        elif name == "changes" and isinstance(value, list):
            for change in value:
                yield _change(change)
        elif value not in ("", None, [], {}):
            yield name, _text(value)


def _change(change: object) -> tuple[str, str]:
    if not isinstance(change, dict):
        return "change", _text(change)
    kind = change.get("kind")
    kind = kind.get("type") if isinstance(kind, dict) else kind
    return f"{kind or 'change'} {change.get('path', '')}", _text(change.get("diff", ""))


def _text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    return value if isinstance(value, str) else encode(value).decode()


def _lines(name: str, text: str) -> Iterator[str]:
    lines = text.split("\n")
    if len(lines) == 1 and len(text) <= CHARACTERS_SHOWN:
        yield f"    {name}: {text}"
        return
    yield f"    {name} ({len(lines)} lines, {len(text)} characters):"
    shown = text[:CHARACTERS_SHOWN].split("\n")[:LINES_SHOWN]
    yield from (f"    | {line}" for line in shown)
    left = len(text) - len("\n".join(shown))
    if left:
        yield f"    … {left} characters more are not shown; --json has all"
