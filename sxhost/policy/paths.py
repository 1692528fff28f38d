"""Which files a question is about, and whether they lie where a policy says.

A path counts where it really leads: ``..`` and symbolic links are followed, as they are at the
moment of the decision.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any, Final, NamedTuple

from sxhost.policy.pattern import BadPattern, path_glob

__all__ = ["MAX_PATHS", "PathPattern", "ResolvedPath", "paths_of", "resolve"]

MAX_PATHS: Final = 1000
"""Paths of one question that are looked at."""

NAMES: Final = ("paths", "path", "grant_root")
"""Where a question's detail has paths."""

MOVES: Final = frozenset({"move_path", "movePath"})
"""Where changes say what a file is to be called."""

ELSEWHERE = re.compile(r"~|[A-Za-z][A-Za-z0-9+.-]*:")
"""What an agent may read otherwise than as a path: a home directory, an address."""


class ResolvedPath(NamedTuple):
    """A path without its ``..``, as written and as it leads through links; both absolute."""

    written: str
    real: str


def resolve(path: Any, cwd: str | None) -> ResolvedPath | None:
    """Return where a path leads from a directory; None if that cannot be told."""
    if not isinstance(path, str) or not path or ELSEWHERE.match(path):
        return None
    whole = os.path.join(cwd or "", path)  # noqa: PTH118 - pathlib reads paths otherwise
    if not whole.startswith("/"):
        return None
    try:
        return ResolvedPath(os.path.normpath(whole), os.path.realpath(whole))
    except ValueError:
        return None


def paths_of(detail: Mapping[str, Any]) -> list[Any]:
    """Return the paths that a question names, whatever they are; at most one too many."""
    found: list[Any] = []
    for name in NAMES:
        given = detail.get(name)
        found += given if isinstance(given, list) else [] if given is None else [given]
    for path in _moves(detail.get("changes")):
        found.append(path)
        if len(found) > MAX_PATHS:
            break
    return found[: MAX_PATHS + 1]


def _moves(changes: Any) -> Iterator[Any]:
    """Yield the new names in a description of changes, however it is built."""
    waiting = [changes]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from (one[name] for name in one.keys() & MOVES if one[name] is not None)
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


class PathPattern:
    """The paths that a glob covers: absolute, or from ``~``, or from ``**``.

    :raises BadPattern: it is none.
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

    def certainly_contains(self, seen: ResolvedPath) -> bool:
        """Tell whether a path certainly leads into it."""
        return self._has(seen.real, self._real_root())

    def possibly_contains(self, seen: ResolvedPath) -> bool:
        """Tell whether a path leads into it, or says so."""
        real = self._real_root()
        return (
            self._has(seen.real, real)
            or self._has(seen.real, self._root)
            or self._has(seen.written, self._root)
        )

    def _real_root(self) -> str:
        return os.path.realpath(self._root).rstrip("/") if self._root else ""

    def _has(self, path: str, root: str) -> bool:
        rest = path.removeprefix(root)
        inside = path.startswith(root) and (rest.startswith("/") or not rest)
        return inside and self._rest.matches("" if rest == "/" else rest)
