"""Find codex's program: the native one behind npm's wrapper script, where there is one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

__all__ = ["app_server", "native"]

NAME: Final = "codex"
WRAPPER: Final = Path("bin") / "codex.js"


def app_server(path: str | None = None) -> tuple[str, ...]:
    """Return the command of an app server; codex is looked up in `path` (None: the PATH)."""
    found = shutil.which(NAME, path=path)
    return (native(Path(found)) if found else None) or NAME, "app-server"


def native(found: Path) -> str | None:
    """Return the native program that npm's wrapper script `found` would run.

    Run directly it saves a Node process of 41 MB.  None if `found` is no such script, or if
    programs for several platforms are installed.
    """
    script = found.resolve()
    package = script.parent.parent
    if script != package / WRAPPER:
        return None
    directories = (package.parent, package / "node_modules" / "@openai")
    programs = {program for directory in directories for program in _programs_in(directory)}
    return str(programs.pop()) if len(programs) == 1 else None


def _programs_in(directory: Path) -> list[Path]:
    """Return the executable files of codex's platform packages in a directory."""
    known = directory.glob(f"{NAME}-*/vendor/*/bin/{NAME}")
    return [program for program in known if os.access(program, os.X_OK)]
