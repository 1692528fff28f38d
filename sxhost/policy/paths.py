"""The files that a question is about, resolved, and the patterns that policies match them with.

A path is where it really leads: ``..`` and symbolic links are followed, as they are at the
moment of the decision.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Final, NamedTuple

from sxhost.policy.pattern import BadPattern, path_glob

__all__ = ["MAX_PATHS", "PathPattern", "ResolvedPath", "paths_of", "resolve"]

MAX_PATHS: Final = 1000
"""Paths of one question that are matched; a question with more is never allowed."""

PATH_FIELDS: Final = ("paths", "path", "grant_root")
"""Fields of a question's detail that hold paths."""

MOVE_FIELDS: Final = frozenset({"move_path", "movePath"})
"""Fields of a description of changes that hold a file's new path."""

ELSEWHERE = re.compile(r"~|[A-Za-z][A-Za-z0-9+.-]*:")
"""Texts that an agent may take for something else than a path: ``~``, a URL."""


class ResolvedPath(NamedTuple):
    """A path without ``..``: as `written`, and `real` with links followed; both absolute."""

    written: str
    real: str


def resolve(path: object, cwd: str | None) -> ResolvedPath | None:
    """Resolve a path, seen from a directory; None if it cannot be known where it leads."""
    if not isinstance(path, str) or not path or ELSEWHERE.match(path):
        return None
    whole = os.path.join(cwd or "", path)  # noqa: PTH118 - pathlib reads paths otherwise
    if not whole.startswith("/"):
        return None
    try:
        return ResolvedPath(os.path.normpath(whole), os.path.realpath(whole))
    except ValueError:
        return None


def paths_of(detail: Mapping[str, object]) -> list[object]:
    """Return the paths in a question's detail, unchecked; at most one more than `MAX_PATHS`."""
    found: list[object] = []
    for name in PATH_FIELDS:
        value = detail.get(name)
        found += value if isinstance(value, list) else [] if value is None else [value]
    for path in _new_paths(detail.get("changes")):
        found.append(path)
        if len(found) > MAX_PATHS:
            break
    return found[: MAX_PATHS + 1]


def _new_paths(changes: object) -> Iterator[object]:
    """Yield the new paths of moved files in a description of changes, however it is nested."""
    to_visit = [changes]
    while to_visit:
        node = to_visit.pop()
        if isinstance(node, dict):
            fields = node.keys() & MOVE_FIELDS
            yield from (node[name] for name in fields if node[name] is not None)
            to_visit.extend(node.values())
        elif isinstance(node, list):
            to_visit.extend(node)


class PathPattern:
    """A glob over paths: absolute, or beginning with ``~/`` or ``**/``.

    :raises BadPattern: it begins otherwise, or is malformed.
    """

    def __init__(self, text: str) -> None:
        whole = os.path.expanduser(text)  # noqa: PTH111
        names = whole.split("/")
        if not whole.startswith(("/", "**/")):
            raise BadPattern("a path begins with `/`, `~/` or `**/`")
        if {"..", "."} & set(names) or "" in names[1:-1]:
            raise BadPattern("a path has neither `.` nor `..` nor empty names")
        fixed = list(takewhile(lambda name: not set(name) & set("*?"), names))
        rest = names[len(fixed) :]
        self._root = "/".join(fixed).rstrip("/")
        self._rest = path_glob("".join(f"/{name}" for name in rest))

    def certainly_contains(self, path: ResolvedPath) -> bool:
        """Tell whether a path matches where it really leads."""
        return self._matches(path.real, self._real_root())

    def possibly_contains(self, path: ResolvedPath) -> bool:
        """Tell whether a path matches where it leads or as it is written."""
        real_root = self._real_root()
        return (
            self._matches(path.real, real_root)
            or self._matches(path.real, self._root)
            or self._matches(path.written, self._root)
        )

    def _real_root(self) -> str:
        return os.path.realpath(self._root).rstrip("/") if self._root else ""

    def _matches(self, path: str, root: str) -> bool:
        rest = path.removeprefix(root)
        inside = path.startswith(root) and (rest.startswith("/") or not rest)
        return inside and self._rest.matches("" if rest == "/" else rest)
