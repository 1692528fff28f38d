"""Where agents may work: directories that were named, or any."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sxhost.errors import BadField

__all__ = ["WorkDirs"]


class WorkDirs:
    """The directories below which agents may work; none given means everywhere.

    Symbolic links are followed before it is decided.
    """

    def __init__(self, roots: Sequence[Path] = ()) -> None:
        self._roots = [root.resolve() for root in roots]

    def place(self, cwd: str | None) -> str:
        """Return the directory that is meant; without one the first root, or the home.

        :raises BadField: it is none, or is not allowed.
        """
        if cwd is None:
            return str(self._roots[0] if self._roots else Path.home())
        wanted = Path(cwd)
        if "\0" in cwd or not wanted.is_absolute():
            raise BadField("cwd", "The field `cwd` is wrong: expected an absolute path.")
        real = _real(wanted)
        if self._roots and not any(real.is_relative_to(root) for root in self._roots):
            raise BadField("cwd", f"Agents may not work in {cwd}; see --agent-root.")
        if not os.path.isdir(real):  # noqa: PTH112 - it is False for names that are too long
            raise BadField("cwd", f"There is no directory {cwd}.")
        return str(real)


def _real(wanted: Path) -> Path:
    try:
        return wanted.resolve()
    except (OSError, RuntimeError):  # RuntimeError: a loop, up to Python 3.12
        raise BadField("cwd", f"There is no directory {wanted}.") from None
