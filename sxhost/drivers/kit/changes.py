"""Changes of files as questions have them: whole, so that what is approved can be read."""

from __future__ import annotations

from difflib import unified_diff
from typing import Any, Final

__all__ = ["file_change"]

COMPARED: Final = 200_000
"""Characters, old and new together, up to which two texts are compared line by line."""


def file_change(path: str, old: str | None, new: str) -> dict[str, Any]:
    """Return a change of a file, in the form that codex has for it.

    `old` is what `new` replaces, a whole file or a part; None if there was nothing: then the
    ``diff`` is the new text itself.
    """
    if old is None:
        return {"path": path, "kind": {"type": "add"}, "diff": new}
    return {"path": path, "kind": {"type": "update"}, "diff": _diff(old, new)}


def _diff(old: str, new: str) -> str:
    if old.endswith("\n") and new.endswith("\n"):  # what follows is no line
        old, new = old[:-1], new[:-1]
    before, after = old.split("\n"), new.split("\n")
    if len(old) + len(new) > COMPARED:
        return "\n".join([*(f"-{line}" for line in before), *(f"+{line}" for line in after)])
    return "\n".join([*unified_diff(before, after, lineterm="")][2:])
