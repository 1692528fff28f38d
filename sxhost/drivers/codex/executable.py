"""Which program speaks the app server's language."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

__all__ = ["app_server", "native"]

NAME: Final = "codex"
WRAPPER: Final = Path("bin") / "codex.js"


def app_server(path: str | None = None) -> tuple[str, ...]:
    """Return the command that starts an app server, looked up in `path` (None: PATH)."""
    found = shutil.which(NAME, path=path)
    return (native(Path(found)) if found else None) or NAME, "app-server"


def native(found: Path) -> str | None:
    """Return the program that npm's wrapper script would run: the script costs 41 MB.

    None if `found` is no such script, or if it is not plain which program that is.
    """
    script = found.resolve()
    package = script.parent.parent
    if script != package / WRAPPER:
        return None
    beside = (package.parent, package / "node_modules" / "@openai")
    programs = {program for place in beside for program in _programs(place)}
    return str(programs.pop()) if len(programs) == 1 else None


def _programs(place: Path) -> list[Path]:
    """Return what can be run of the packages for platforms that are installed there."""
    known = place.glob(f"{NAME}-*/vendor/*/bin/{NAME}")
    return [program for program in known if os.access(program, os.X_OK)]
