"""A process named so that nobody takes another one for it: number, start, machine, namespace.

A number alone is used again, means another process in a container, and says nothing on another
machine.  Agents wait for the hooks that ask this, so nothing but the standard library is used,
and not much of that.
"""

from __future__ import annotations

import os

__all__ = [
    "STARTED",
    "agent_above",
    "boot_id",
    "how_ended",
    "identify",
    "pid_namespace",
    "read_process",
    "signal_name",
    "stat_fields",
]

COMMAND_SIZE = 4096
MOST_ANCESTORS = 16
PARENT, STARTED = 1, 19
"""Where these stand in `stat_fields`."""
RUNTIMES = frozenset({"node", "bun", "deno"})
"""What runs an agent's program, where that has not given itself a name."""


def boot_id() -> str:
    """Return the name of this life of the machine; empty where the system has none."""
    return _read("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()


def pid_namespace() -> str:
    """Return which numbering of processes we live in; empty where the system has none."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - pathlib takes its time
    except OSError:
        return ""


def stat_fields(data: bytes) -> list[bytes]:
    """Return the fields of ``/proc/PID/stat`` behind the name, which may hold anything."""
    return data.rpartition(b")")[2].split()


def identify(pid: int) -> dict[str, int | str] | None:
    """Return the fields of `sxhost.model.turn.OSProcess`; None where that cannot be known."""
    fields = stat_fields(read_process(pid, "stat"))
    boot, namespace = boot_id(), pid_namespace()
    if len(fields) <= STARTED or not (boot and namespace):
        return None
    return {"pid": pid, "started": int(fields[STARTED]), "boot": boot, "namespace": namespace}


def agent_above(agent: str, pid: int) -> int | None:
    """Return the nearest process above `pid`, or that itself, which is an agent's program.

    Between a hook and its agent there are shells, and whatever else its user has put there.
    """
    for _ in range(MOST_ANCESTORS):
        if pid <= 1:
            return None
        name = read_process(pid, "comm").decode("utf-8", "replace").strip()
        if name == agent or (name in RUNTIMES and agent in _program(pid)):
            return pid
        fields = stat_fields(read_process(pid, "stat"))
        pid = int(fields[PARENT]) if len(fields) > PARENT else 0
    return None


def how_ended(exit_code: int, what: str) -> dict[str, object]:
    """Return the data of an `ended` event: `what` ended with a code, or by a signal (-9)."""
    if exit_code >= 0:
        reason = f"{what} ended with code {exit_code}"
        return {"code": exit_code, "signal": None, "reason": reason}
    name = signal_name(-exit_code)
    return {"code": None, "signal": name, "reason": f"{what} was killed by {name}"}


def signal_name(number: int) -> str:
    """Return a signal's name; real-time signals have none."""
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _program(pid: int) -> str:
    """Return the path of the program that a runtime runs."""
    words = read_process(pid, "cmdline").split(b"\0")
    return words[1].decode("utf-8", "replace") if len(words) > 1 else ""


def read_process(pid: int, name: str) -> bytes:
    """Return the beginning of a file of a process; empty if it cannot be read."""
    return _read(f"/proc/{pid}/{name}")


def _read(path: str) -> bytes:
    """Return the beginning of a small file of the kernel; empty if it cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(file, COMMAND_SIZE)
    except OSError:
        return b""
    finally:
        os.close(file)
