"""What can be checked on this machine without a host; each check returns what it has found."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from sxhost import __version__, files
from sxhost.config import state_dir

__all__ = ["Finding", "file_system", "local_findings"]

ROOM: Final = 100_000_000
"""Bytes that must be free for the host's log."""

REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "fuse.sshfs"})
"""File systems on which SQLite's write-ahead log, which is shared memory, does not work."""

MOUNT_POINT: Final = 4
"""Which field of a mount says where it is, counted from 0."""

OCTAL: Final = re.compile(r"\\([0-7]{3})")

MOUNTS: Final = Path("/proc/self/mountinfo")

TRANSCRIPTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "claude": ("CLAUDE_CONFIG_DIR", ".claude", "projects"),
    "codex": ("CODEX_HOME", ".codex", "sessions"),
    "pi": ("PI_CODING_AGENT_DIR", ".pi/agent", "sessions"),
}
"""By agent: the variable that names its directory, that below the home, and what is in it."""


class Finding(Struct, frozen=True):
    """What a check has found: whether it is good, and if not, what to do about it."""

    about: str
    state: Literal["ok", "note", "fault"]
    """A note is about what one can do without."""
    says: str
    todo: str = ""


def local_findings(environ: Mapping[str, str], ours: str, encoding: str) -> Iterator[Finding]:
    """Check this machine.

    :param ours: the program that hooks should run.
    :param encoding: of what is printed.
    """
    yield _program(environ, ours)
    if not environ.get("HOME"):
        yield Finding("home", "fault", "HOME is not set.", "export HOME=~")
    if encoding.lower().replace("-", "") not in ("utf8", "utf8sig"):
        says = f"Texts are printed in {encoding}: what it has not is escaped."
        yield Finding("locale", "note", says, "export LANG=C.UTF-8")
    yield _state(state_dir(environ))
    yield from _hooks(environ, ours)
    yield from _transcripts(environ)


def _program(environ: Mapping[str, str], ours: str) -> Finding:
    says = f"sxhost {__version__}, Python {'.'.join(map(str, sys.version_info[:3]))}, {ours}"
    found = shutil.which("sxhost", path=environ.get("PATH", ""))
    if found is None:
        todo = f"PATH={shlex.quote(str(Path(ours).parent))}:$PATH"
        return Finding("program", "note", f"{says}; it is not on your PATH.", todo)
    if Path(ours).exists() and not Path(found).samefile(ours):
        return Finding("program", "note", f"{says}; your PATH has another one, {found}.")
    return Finding("program", "ok", f"{says}.")


def _state(place: Path) -> Finding:
    """Look whether a host can keep its files there."""
    there = next(path for path in (place, *place.parents) if path.exists())
    try:
        if there == place:
            files.check_directory(place, os.geteuid())
        room = os.statvfs(there)
        kind = file_system(
            there.resolve(), MOUNTS.read_text(encoding="utf-8", errors="replace")
        )
    except files.UnsafeFile as error:
        return Finding("state", "fault", f"{str(error).rstrip('.')}.")
    except OSError as error:
        return Finding("state", "fault", f"{place}: {(error.strerror or str(error)).lower()}.")
    free = room.f_bavail * room.f_frsize
    if room.f_flag & os.ST_RDONLY or not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "state", "fault", f"{there} cannot be written.", "sxhost --state-dir DIR"
        )
    if kind in REMOTE:
        says = f"{place} is on {kind}, where the log's file does not work."
        return Finding(
            "state", "fault", says, "sxhost --state-dir DIR, on a disk of this machine"
        )
    if free < ROOM:
        says = f"{place} has {free / 1e6:,.0f} MB of room."
        return Finding("state", "fault", says, "make room there, or sxhost --state-dir DIR")
    made = "" if there == place else ", made at the first start"
    return Finding("state", "ok", f"{place}{made}: {free / 1e9:,.1f} GB of room.")


def file_system(path: Path, mounts: str) -> str:
    """Return the kind of file system that a path is on; "" if that is not known.

    :param mounts: what ``/proc/self/mountinfo`` says.
    """
    best, kind = "", ""
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        if not dash:
            continue
        # Blanks, tabs, line breaks and backslashes are written in octal.
        point = OCTAL.sub(lambda found: chr(int(found[1], 8)), before.split()[MOUNT_POINT])
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind


def _hooks(environ: Mapping[str, str], ours: str) -> Iterator[Finding]:
    from sxhost.hooks.installation import hook_settings

    for found in hook_settings(environ):
        about = f"{found.agent} hooks"
        again = f"sxhost hook install {found.agent}"
        if found.error:
            yield Finding(about, "fault", f"{found.file}: {found.error}")
        elif found.absent:
            says = f"{found.file} runs {', '.join(found.absent)}, which is not there any more."
            yield Finding(about, "fault", says, again)
        elif found.missing:
            says = f"{found.file} is of an older sxhost, without {', '.join(found.missing)}."
            yield Finding(about, "note", says, again)
        elif found.hooks and not _runs(Path(found.file), ours):
            says = f"{found.file} runs another sxhost than {ours}."
            yield Finding(about, "note", says, again)
        elif found.hooks:
            yield Finding(about, "ok", f"{len(found.hooks)} in {found.file}.")
        elif found.file.endswith("config.toml"):
            pass  # Codex has a file for hooks besides
        else:
            yield Finding(about, "note", "Not installed: it reports nothing.", again)


def _runs(settings: Path, ours: str) -> bool:
    """Return whether a settings file names a program, or a host by its URL."""
    text = settings.read_text(encoding="utf-8", errors="replace")
    quoted = shlex.quote(ours)
    named = (ours, quoted, json.dumps(quoted)[1:-1])
    return any(name in text for name in named) or "/hooks/" in text


def _transcripts(environ: Mapping[str, str]) -> Iterator[Finding]:
    readable: list[str] = []
    for agent, (variable, below, name) in TRANSCRIPTS.items():
        home = Path(environ.get("HOME") or "/", below)
        place = Path(environ.get(variable) or home, name)
        if not place.exists():
            continue
        if os.access(place, os.R_OK | os.X_OK):
            readable.append(f"{agent} in {place}")
        else:
            says = f"{place} cannot be read: what {agent} writes there is not seen."
            yield Finding("transcripts", "fault", says, f"chmod u+rx {shlex.quote(str(place))}")
    yield Finding("transcripts", "ok", f"{_listed(readable)}.")


def _listed(names: Sequence[str]) -> str:
    return "; ".join(names) or "No agent has written any yet"
