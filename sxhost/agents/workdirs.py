"""Where agents may work: directories that were named, or any."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sxhost.errors import BadField

__all__ = ["WorkDirs", "started_in"]


class WorkDirs:
    """The directories below which agents may work; none given means everywhere.

    Symbolic links are followed before it is decided.

    :param default: where an agent works that is told nothing, if it may; None is the home.
    """

    def __init__(self, roots: Sequence[Path] = (), default: Path | None = None) -> None:
        self._roots = [root.resolve() for root in roots]
        self._default = default

    def place(self, cwd: str | None) -> str:
        """Return the directory that is meant; without one the default, or the first root.

        :raises BadField: it is none, or is not allowed.
        """
        if cwd is None:
            return str(self._of_none())
        wanted = Path(cwd)
        if "\0" in cwd or not wanted.is_absolute():
            raise BadField("cwd", "The field `cwd` is wrong: expected an absolute path.")
        real = _real(wanted)
        if self._roots and not any(real.is_relative_to(root) for root in self._roots):
            raise BadField("cwd", f"Agents may not work in {cwd}; see --agent-root.")
        if not os.path.isdir(real):  # noqa: PTH112 - it is False for names that are too long
            raise BadField("cwd", f"There is no directory {cwd}.")
        return str(real)

    def _of_none(self) -> Path:
        default = self._default or Path.home()
        if not self._roots or any(default.is_relative_to(root) for root in self._roots):
            return default
        return self._roots[0]


def started_in() -> Path | None:
    """Return the directory in which this program was started; None if that says nothing.

    The root directory says nothing: it is where services are started.
    """
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        return None
    return here if here != Path("/") else None


def _real(wanted: Path) -> Path:
    try:
        return wanted.resolve()
    except (OSError, RuntimeError):  # RuntimeError: a loop, up to Python 3.12
        raise BadField("cwd", f"There is no directory {wanted}.") from None
