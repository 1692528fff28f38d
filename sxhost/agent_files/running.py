"""Agents that run for a user and have told nobody: found by their processes and their files.

Each is found once, by the transcript that it writes: Claude Code says in its status file which
session it has, Codex holds its rollout open, and pi's is the newest one of its directory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from sxhost.agent_files.places import ENDS, transcript_path
from sxhost.agent_files.status import read_statuses
from sxhost.files import UnsafeFile

__all__ = ["RunningAgent", "find_running"]

HOSTED: Final = b"SXHOST_AGENT"
"""The variable that agents have which a host runs: it knows them already."""

MOST_DESCRIPTORS: Final = 1024
MOST_ENVIRON: Final = 1 << 20


class RunningAgent(Struct, frozen=True, kw_only=True):
    """An agent's process, the session that it has, and the transcript of that."""

    agent: str
    session_id: str
    pid: int
    cwd: str
    transcript: str


class _Process(Struct, frozen=True):
    """A process: its entry in ``/proc``, its directory, what its environment says."""

    entry: Path
    cwd: str
    environ: Mapping[bytes, bytes]

    def place(self, variable: str, usual: str) -> Path:
        """Return an agent's own directory, by its variable or below the user's home."""
        named = self.environ.get(variable.encode())
        home = Path(os.fsdecode(self.environ.get(b"HOME", b"/")))
        return Path(os.fsdecode(named)) if named else home / usual


def find_running(uid: int, proc: Path = Path("/proc")) -> list[RunningAgent]:
    """Return the agents that run for a user and that no host runs; none where there is no
    ``/proc``.
    """
    found: dict[tuple[str, str], RunningAgent] = {}
    with suppress(OSError):
        for entry in proc.iterdir():
            for one in _agents_of(entry, uid) if entry.name.isdecimal() else ():
                found.setdefault((one.agent, one.session_id), one)
    return list(found.values())


def _agents_of(entry: Path, uid: int) -> Iterator[RunningAgent]:
    """Yield the agent of a process, if it is one; processes end while they are looked at."""
    with suppress(OSError):
        if entry.stat().st_uid != uid:
            return
        agent = (entry / "comm").read_text(encoding="utf-8", errors="replace").strip()
        if agent not in TRANSCRIPTS:
            return
        process = _Process(entry, str((entry / "cwd").readlink()), _environ(entry))
        if HOSTED in process.environ:
            return
        for path in TRANSCRIPTS[agent](process):
            named = ENDS[agent].search(path)
            if named is None:
                continue
            with suppress(UnsafeFile):
                yield RunningAgent(
                    agent=agent,
                    session_id=named["id"],
                    pid=int(entry.name),
                    cwd=process.cwd,
                    transcript=transcript_path(agent, named["id"], path),
                )


def _environ(entry: Path) -> dict[bytes, bytes]:
    with (entry / "environ").open("rb") as file:
        pairs = file.read(MOST_ENVIRON).split(b"\0")
    return {name: value for name, _, value in (pair.partition(b"=") for pair in pairs)}


def _of_claude(process: _Process) -> Iterator[str]:
    place = process.place("CLAUDE_CONFIG_DIR", ".claude")
    for status in read_statuses(str(place / "sessions")):
        if str(status.pid) == process.entry.name and "/" not in status.session_id:
            yield from _newest(place / "projects", f"*/{status.session_id}.jsonl")


def _of_codex(process: _Process) -> Iterator[str]:
    with os.scandir(process.entry / "fd") as links:
        for _, link in zip(range(MOST_DESCRIPTORS), links, strict=False):
            with suppress(OSError):
                yield str(Path(link.path).readlink())


def _of_pi(process: _Process) -> Iterator[str]:
    place = process.place("PI_CODING_AGENT_DIR", ".pi/agent") / "sessions"
    began = process.entry.stat().st_ctime
    directory = f"--{process.cwd.strip('/').replace('/', '-')}--"
    yield from _newest(place / directory, "*.jsonl", began)


def _newest(place: Path, pattern: str, after: float = 0.0) -> list[str]:
    """Return the path below a place that was written last, if it was so after a time."""
    found = [(path.stat().st_mtime, str(path)) for path in place.glob(pattern)]
    return [path for at, path in sorted(found)[-1:] if at >= after]


TRANSCRIPTS: Final[Mapping[str, Callable[[_Process], Iterator[str]]]] = {
    "claude": _of_claude,
    "codex": _of_codex,
    "pi": _of_pi,
}
"""What finds the transcripts of a process, by the name of its program."""
