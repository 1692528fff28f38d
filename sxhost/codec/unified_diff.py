"""The changes of files that a question has, as one text in the unified format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from sxhost.codec.json import encode
from sxhost.model.approval import Question

__all__ = ["changes_diff", "with_diff"]

DIFF_MOST: Final = 16_000
"""Characters of a question's diff."""

SPARE: Final = 512
"""Bytes of a question that are left free."""

NOTHING: Final = "/dev/null"


def changes_diff(changes: object, most: int) -> str:
    """Return the unified diff of changes of at most `most` characters, and a line more.

    A line that begins with a backslash says how much is cut; no program takes it for a change.

    :param changes: an array of changes in codex's form: ``path``, ``kind``, ``diff``; of
        another shape they have no diff.
    """
    if not isinstance(changes, list):
        return ""
    text = "\n".join(line for change in changes for line in _lines(change))
    if len(text) <= most:
        return text
    whole = text[:most].rpartition("\n")[0]
    return f"{whole}\n\\ {len(text) - len(whole)} characters more are not shown"


def _lines(change: object) -> Iterator[str]:
    if not isinstance(change, dict):
        return
    path, diff, kind = (change.get(name) for name in ("path", "diff", "kind"))
    if not isinstance(path, str) or not isinstance(diff, str):
        return
    given = kind if isinstance(kind, dict) else {"type": kind}
    moved = given.get("move_path")
    match given.get("type"):
        case "add":
            yield from _file(NOTHING, f"b/{path}")
            yield from _whole("+", diff)
        case "delete":
            yield from _file(f"a/{path}", NOTHING)
            yield from _whole("-", diff)
        case _:
            yield from _file(f"a/{path}", f"b/{moved if isinstance(moved, str) else path}")
            yield from diff.rstrip("\n").split("\n")


def _file(before: str, after: str) -> Sequence[str]:
    """Return the lines that name a file: a line break in a name is none of the diff's."""
    names = (name.replace("\n", "\\n").replace("\r", "\\r") for name in (before, after))
    return [f"{mark} {name}" for mark, name in zip(("---", "+++"), names, strict=True)]


def _whole(sign: str, text: str) -> Iterator[str]:
    """Yield the hunk of a file that is new, or goes."""
    lines = text.removesuffix("\n").split("\n") if text else []
    count = len(lines)
    yield f"@@ -0,0 +1,{count} @@" if sign == "+" else f"@@ -1,{count} +0,0 @@"
    yield from (f"{sign}{line}" for line in lines)
    if text and not text.endswith("\n"):
        yield "\\ No newline at end of file"


def with_diff(question: Question, most: int) -> Question:
    """Return a question whose detail has its changes as one ``diff`` beside them.

    :param most: bytes of JSON that the question may have; where there is no room for a diff,
        the changes are all there is.
    """
    room = min(most - len(encode(question)) - SPARE, 2 * DIFF_MOST)
    if room < SPARE or "diff" in question.detail:
        return question
    diff = changes_diff(question.detail.get("changes"), room // 2)
    detail = {**question.detail, "diff": diff}
    shown = replace(question, detail=detail)
    return shown if diff and len(encode(shown)) <= most else question
