"""Agents that run for a user and have told nobody: found by their processes and their files.

Each is found once, by the transcript that it writes: Claude Code says in its status file which
session it has, Codex holds its rollout open, and pi's is the newest one of its directory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from sxhost.agent_files.places import ENDS, transcript_path
from sxhost.agent_files.records import decode_record
from sxhost.agent_files.status import read_statuses
from sxhost.files import UnsafeFile, open_unlinked
from sxhost.model.turn import OSProcess
from sxhost.os_process import boot_id, pid_namespace
from sxhost.process.table import Processes

__all__ = ["RunningAgent", "find_running"]

HOSTED: Final = b"SXHOST_AGENT"
"""The variable that agents have which a host runs: it knows them already."""

MOST_DESCRIPTORS: Final = 1024
MOST_ENVIRON: Final = 1 << 20
MOST_FIRST_LINE: Final = 1 << 20
"""Bytes of a rollout's first line, which has Codex's whole instructions."""

CLOCK_SLACK_S: Final = 2.0
"""Seconds by which a process's start is known too late: the boot time has whole seconds."""


NO_LETTER: Final = re.compile(r"[^A-Za-z0-9]")
"""What Claude has a dash for, in the name of a directory's transcripts."""

TERMINALS: Final = ("/dev/pts/", "/dev/tty")


class RunningAgent(Struct, frozen=True, kw_only=True):
    """An agent's process, the session that it has, and the transcript of that.

    A Codex or pi at a terminal has neither before its first prompt.
    """

    agent: str
    session_id: str
    pid: int
    started: int = 0
    """When its process began, in clock ticks since the machine's start."""
    cwd: str
    transcript: str

    @property
    def process(self) -> OSProcess:
        """Its process, as others can name it."""
        here = {"boot": boot_id(), "namespace": pid_namespace()}
        return OSProcess(pid=self.pid, started=self.started, **here)


class _Place(Struct, frozen=True):
    cwd: str | None = None


class _RolloutMeta(Struct, frozen=True):
    """The first line of a rollout."""

    payload: _Place = _Place()


class _Process(Struct, frozen=True):
    """An agent's process: its entry in ``/proc``, its directory, what its environment says."""

    entry: Path
    agent: str
    cwd: str
    environ: Mapping[bytes, bytes]
    ticks: int
    """When it was started, in clock ticks since the machine's start."""
    began: float
    """The same in Unix seconds."""

    @property
    def is_at_terminal(self) -> bool:
        """Whether its user types to it, as far as we may know."""
        with suppress(OSError):
            return str((self.entry / "fd" / "0").readlink()).startswith(TERMINALS)
        return False

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
    processes = list(_processes(uid, proc))
    for process in processes:
        peers = [one for one in processes if one.agent == process.agent]
        with suppress(OSError):  # processes end while they are looked at
            for one in _agents_of(process, peers):
                found.setdefault((one.agent, one.session_id or process.entry.name), one)
    return list(found.values())


def _processes(uid: int, proc: Path) -> Iterator[_Process]:
    """Yield the agents' processes."""
    table, boot = Processes(str(proc)), _boot_time(proc)
    with suppress(OSError):
        for entry in proc.iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    yield from _process(entry, uid, table, boot)


def _process(entry: Path, uid: int, table: Processes, boot: float) -> Iterator[_Process]:
    """Yield what is known of a process, if it is an agent's."""
    if entry.stat().st_uid != uid:
        return
    agent = (entry / "comm").read_text(encoding="utf-8", errors="replace").strip()
    seen = table.see(int(entry.name)) if agent in TRANSCRIPTS else None
    if seen is None or not seen.lives:
        return
    environ = _environ(entry)
    if HOSTED not in environ:
        # The times of an entry are those of the first look at it.
        began = boot + seen.started / os.sysconf("SC_CLK_TCK")
        cwd = str((entry / "cwd").readlink())
        yield _Process(entry, agent, cwd, environ, seen.started, began)


def _boot_time(proc: Path) -> float:
    """Return when the machine was started, in Unix seconds; 0 if that is unknown."""
    with suppress(OSError, ValueError):
        for line in (proc / "stat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "btime":
                return float(value)
    return 0.0


def _agents_of(process: _Process, peers: Sequence[_Process]) -> Iterator[RunningAgent]:
    """Yield the agents of a process: Codex has one for each of its conversations."""
    paths = list(TRANSCRIPTS[process.agent](process, peers))
    if not any(map(ENDS[process.agent].search, paths)) and process.is_at_terminal:
        yield RunningAgent(
            agent=process.agent,
            session_id="",
            pid=int(process.entry.name),
            started=process.ticks,
            cwd=process.cwd,
            transcript="",
        )
    for path in paths:
        named = ENDS[process.agent].search(path)
        if named is None:
            continue
        with suppress(UnsafeFile):
            transcript = transcript_path(process.agent, named["id"], path)
            yield RunningAgent(
                agent=process.agent,
                session_id=named["id"],
                pid=int(process.entry.name),
                started=process.ticks,
                cwd=_rollout_cwd(process, transcript) or process.cwd,
                transcript=transcript,
            )


def _rollout_cwd(process: _Process, transcript: str) -> str | None:
    """Return where a conversation of Codex is held: one process may have several."""
    if process.agent != "codex":
        return None
    with os.fdopen(open_unlinked(transcript, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        meta = decode_record(file.readline(MOST_FIRST_LINE), _RolloutMeta)
    return None if meta is None else meta.payload.cwd


def _environ(entry: Path) -> dict[bytes, bytes]:
    with (entry / "environ").open("rb") as file:
        pairs = file.read(MOST_ENVIRON).split(b"\0")
    return {name: value for name, _, value in (pair.partition(b"=") for pair in pairs)}


def _of_claude(process: _Process, _peers: Sequence[_Process]) -> Iterator[str]:
    place = process.place("CLAUDE_CONFIG_DIR", ".claude")
    for status in read_statuses(str(place / "sessions")):
        if str(status.pid) == process.entry.name and "/" not in status.session_id:
            written = _newest(place / "projects", f"*/{status.session_id}.jsonl")
            directory = NO_LETTER.sub("-", status.cwd or process.cwd)
            first = place / "projects" / directory / f"{status.session_id}.jsonl"
            yield written[0] if written else str(first)  # before its first prompt


def _of_codex(process: _Process, _peers: Sequence[_Process]) -> Iterator[str]:
    with os.scandir(process.entry / "fd") as links:
        for _, link in zip(range(MOST_DESCRIPTORS), links, strict=False):
            with suppress(OSError):
                yield str(Path(link.path).readlink())


def _of_pi(process: _Process, peers: Sequence[_Process]) -> Iterator[str]:
    """Yield a process's file: those in one directory have the newest ones, as many as they are.

    Which is whose is told by the time of a file's beginning, which its name has.
    """
    place = _pi_place(process)
    sharing = [peer for peer in peers if _pi_place(peer) == place]
    earliest = min(peer.began for peer in sharing)
    files = _newest(place, "*.jsonl", earliest - CLOCK_SLACK_S)[: len(sharing)]
    distances = sorted(
        (abs(_made_at(path) - peer.began), peer.entry.name, path)
        for peer in sharing
        for path in files
    )
    owners: dict[str, str] = {}
    for _, pid, path in distances:
        if pid not in owners and path not in owners.values():
            owners[pid] = path
    if process.entry.name in owners:
        yield owners[process.entry.name]


def _pi_place(process: _Process) -> Path:
    directory = f"--{process.cwd.strip('/').replace('/', '-')}--"
    return process.place("PI_CODING_AGENT_DIR", ".pi/agent") / "sessions" / directory


def _made_at(path: str) -> float:
    """Return when pi began a file, by its name, in Unix seconds; 0 if it does not say."""
    written = Path(path).name.partition("_")[0]
    with suppress(ValueError):
        made = datetime.strptime(written, "%Y-%m-%dT%H-%M-%S-%fZ")
        return made.replace(tzinfo=UTC).timestamp()
    return 0.0


def _newest(place: Path, pattern: str, after: float = 0.0) -> list[str]:
    """Return the paths below a place that were written after a time, the newest first."""
    found = [(path.stat().st_mtime, str(path)) for path in place.glob(pattern)]
    return [path for at, path in sorted(found, reverse=True) if at >= after]


TRANSCRIPTS: Final[Mapping[str, Callable[[_Process, Sequence[_Process]], Iterator[str]]]] = {
    "claude": _of_claude,
    "codex": _of_codex,
    "pi": _of_pi,
}
"""What finds the transcripts of a process, by the name of its program."""
