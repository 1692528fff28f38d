"""Who runs on this machine: a made-up /proc, and real processes."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.model.turn import Process
from sxhost.process.marks import ProcessMark
from sxhost.process.table import Family, Group, ProcessEntry, Processes, family, parse_stat

MARK = ProcessMark("h", "1")
WORD = b"SXHOST_AGENT=h.1\0"


def stat(
    pid: int, parent: int, session: int, started: int, *, state: str = "S", flags: int = 0
) -> bytes:
    """Return what ``/proc/PID/stat`` says of a process with an awkward name."""
    before = f"{pid} (a) S 1 (b) {state} {parent} {session} {session} 0 -1 {flags} "
    return (before + "0 " * 12 + f"{started} 0 0\n").encode()


def limits(locks: int | None) -> bytes:
    """Return what ``/proc/PID/limits`` says, in part."""
    text = "unlimited" if locks is None else str(locks)
    return (
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max address space         17179869184          unlimited            bytes     \n"
        f"Max file locks            {text:<21}unlimited            locks     \n"
    ).encode()


class FakeProc:
    """A directory that looks like /proc."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.processes = Processes(str(place))
        self.add(os.getpid(), 1, started=5)

    def add(
        self,
        pid: int,
        parent: int,
        *,
        session: int = 1,
        started: int = 100,
        state: str = "S",
        environ: bytes = b"A=b\0",
        command: bytes = b"program\0",
        locks: int | None = None,
    ) -> None:
        home = self.place / str(pid)
        home.mkdir(exist_ok=True)
        (home / "stat").write_bytes(stat(pid, parent, session, started, state=state))
        (home / "environ").write_bytes(environ)
        (home / "cmdline").write_bytes(command)
        (home / "limits").write_bytes(limits(locks))

    def remove(self, pid: int) -> None:
        for file in (self.place / str(pid)).iterdir():
            file.unlink()
        (self.place / str(pid)).rmdir()


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path)


# Reading.


def test_process_name_may_hold_anything() -> None:
    assert parse_stat(stat(7, 3, 5, 99, state="R")) == ProcessEntry(7, 3, 5, 99, "R")


def test_kernel_threads_are_ignored() -> None:
    assert parse_stat(stat(7, 2, 0, 99, flags=0x00208040)) is None
    assert parse_stat(stat(7, 2, 0, 99, flags=0x00008040)) is not None


@given(st.binary(max_size=100))
def test_malformed_stat_is_ignored(data: bytes) -> None:
    assert parse_stat(data) is None or b")" in data


def test_ended_process_is_ignored(proc: FakeProc) -> None:
    assert proc.processes.see(4242) is None
    assert proc.processes.environ(4242) == b""
    assert not proc.processes.runs(Process(4242, 1))
    assert Processes("/nowhere").all() == {}
    assert not Processes("/nowhere").known
    assert proc.processes.known


def test_table_lists_every_process(proc: FakeProc) -> None:
    (proc.place / "self").mkdir()
    (proc.place / "99").mkdir()  # it ends just now
    proc.add(50, 1)
    assert proc.processes.all().keys() == {os.getpid(), 50}


# Families.


def test_family_has_descendants_and_members_of_their_sessions() -> None:
    table = {
        one.pid: one
        for one in (
            ProcessEntry(10, 1, 10, 0, "S"),
            ProcessEntry(11, 10, 11, 0, "S"),
            ProcessEntry(12, 1, 11, 0, "S"),  # its parent has gone, its session has not
            ProcessEntry(13, 12, 13, 0, "S"),
            ProcessEntry(20, 1, 1, 0, "S"),
            ProcessEntry(30, 11, 30, 0, "S"),
            ProcessEntry(31, 30, 30, 0, "S"),
        )
    }
    assert family(table, [10], []) == {10, 11, 12, 13, 30, 31}
    assert family(table, [10, 99], [30]) == {10, 11, 12, 13}


def test_family_with_a_parent_cycle_is_finite() -> None:
    table = {1: ProcessEntry(1, 2, 0, 0, "S"), 2: ProcessEntry(2, 1, 0, 0, "S")}
    assert family(table, [1], []) == {1, 2}


def pids(found: list[ProcessEntry]) -> list[int]:
    return [one.pid for one in found]


def test_process_seen_once_stays_in_the_family_without_parents(proc: FakeProc) -> None:
    for pid, parent in ((60, os.getpid()), (61, 60), (62, 61)):
        proc.add(pid, parent, session=pid, started=pid)
    found = Family(proc.processes, MARK, Process(60, 60))
    assert pids(found.look()) == [60, 61, 62]
    proc.remove(60)
    proc.remove(61)
    proc.add(62, 1, session=62, started=62)
    proc.add(63, 62, session=62, started=63)
    assert pids(found.look()) == [62, 63]


def test_reused_pid_is_not_in_the_family(proc: FakeProc) -> None:
    proc.add(60, os.getpid(), started=60)
    proc.add(61, 60, started=61)
    found = Family(proc.processes, MARK, Process(60, 60))
    assert pids(found.look()) == [60, 61]
    proc.add(60, 1, started=70)
    proc.add(61, 1, started=71)
    proc.add(62, 60, started=72)
    assert found.look() == []


def test_mark_in_the_environment_finds_a_detached_process(proc: FakeProc) -> None:
    found = Family(proc.processes, MARK, Process(60, 60))
    proc.add(70, 1, started=70, environ=b"A=b\0" + WORD)
    proc.add(71, 70, started=71, environ=b"")
    proc.add(72, 1, started=72, environ=b"SXHOST_AGENT=h.12\0")
    proc.add(73, 1, started=50, environ=WORD)  # elder than the agent: cannot be
    assert pids(found.look()) == [70, 71]


def test_mark_of_a_host_finds_all_its_agents(proc: FakeProc) -> None:
    for pid, value in ((70, b"h.12"), (71, b"h.7"), (72, b"other.7")):
        proc.add(pid, 1, environ=b"SXHOST_AGENT=" + value + b"\0")
    assert sorted(pids(Family(proc.processes, ProcessMark("h")).look())) == [70, 71]


def test_mark_in_the_limits_finds_a_process_without_environment(proc: FakeProc) -> None:
    found = Family(proc.processes, MARK, Process(60, 60))
    proc.add(70, 1, locks=MARK.number)
    proc.add(71, 70)
    for pid, mark in ((72, ProcessMark("h", "12")), (73, ProcessMark("other", "1"))):
        proc.add(pid, 1, locks=mark.number)
    proc.add(74, 1, locks=17_179_869_184)
    assert (pids(found.look()), found.unsure) == ([70, 71], False)
    assert sorted(pids(Family(proc.processes, ProcessMark("h")).look())) == [70, 71, 72]


def test_ended_processes_are_skipped_but_their_sessions_count(proc: FakeProc) -> None:
    proc.add(60, os.getpid(), session=60, started=60, state="Z")
    proc.add(61, 1, session=60, started=61)
    assert pids(Family(proc.processes, MARK, Process(60, 60)).look()) == [61]


def test_host_is_never_in_a_family(proc: FakeProc) -> None:
    proc.add(40, 1, started=1, environ=WORD)  # an agent's shell that started this host
    proc.add(os.getpid(), 40, started=5, environ=WORD)
    proc.add(80, os.getpid(), started=80)
    proc.add(81, 40, started=81, environ=WORD)
    assert pids(Family(proc.processes, MARK).look()) == [81]


def test_process_caught_in_exec_is_read_again(proc: FakeProc) -> None:
    found = Family(proc.processes, MARK, Process(60, 60))
    proc.add(70, 1, environ=b"", command=b"")
    assert (found.look(), found.unsure) == ([], True)
    proc.add(70, 1, environ=WORD)
    assert (pids(found.look()), found.unsure) == ([70], False)


def test_process_without_command_and_environment_is_no_member(
    proc: FakeProc,
) -> None:
    found = Family(proc.processes, MARK, Process(60, 60))
    proc.add(70, 1, environ=b"", command=b"")
    proc.add(71, 1, environ=b"")
    doubts = [found.look() or found.unsure for _ in range(5)]
    assert doubts == [True, True, True, False, False]


def test_environment_of_a_process_is_read_once(proc: FakeProc) -> None:
    found = Family(proc.processes, MARK, Process(60, 60))
    proc.add(70, 1, started=70)
    assert found.look() == []
    proc.add(70, 1, started=70, environ=WORD)
    assert found.look() == []
    proc.add(70, 1, started=71, environ=WORD)
    assert pids(found.look()) == [70]


# Signals.


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "600"], start_new_session=True) as child:
        while not Processes().command(process_of(child)):
            time.sleep(0.001)  # it has not begun its program yet
        yield child
        child.kill()


def process_of(child: subprocess.Popen[bytes]) -> Process:
    seen = Processes().see(child.pid)
    assert seen is not None
    assert (seen.parent, seen.session) == (os.getpid(), child.pid)
    return seen.process


def test_process_is_signalled(child: subprocess.Popen[bytes]) -> None:
    assert Processes().command(process_of(child)) == "/bin/sleep 600"
    assert Processes().send(process_of(child), signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM


@pytest.mark.parametrize("handles", [True, False])
def test_process_with_a_reused_pid_is_not_signalled(
    child: subprocess.Popen[bytes], handles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not handles:
        monkeypatch.delattr(os, "pidfd_open")
    process = process_of(child)
    for started in (process.started - 1, process.started + 1, 0):
        assert not Processes().send(Process(child.pid, started), signal.SIGKILL)
    assert child.poll() is None
    assert Processes().send(process, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


def test_ended_process_is_not_signalled(child: subprocess.Popen[bytes]) -> None:
    process = process_of(child)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not Processes().send(process, signal.SIGTERM), "a zombie"
    child.wait()
    assert not Processes().send(process, signal.SIGTERM), "nobody"
    assert Processes().command(process) == ""


def test_process_began_before_now_and_a_dead_one_never(child: subprocess.Popen[bytes]) -> None:
    assert Processes().began(os.getpid()) <= Processes().began(child.pid) < time.time() + 1
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert Processes().began(child.pid) == math.inf, "a zombie"
    child.wait()
    assert Processes().began(child.pid) == math.inf, "nobody"


def test_group_exists_while_it_has_a_member(child: subprocess.Popen[bytes]) -> None:
    group = Group(Process(child.pid))
    (one,) = group.look()
    assert (one.pid, group.command(one.process)) == (child.pid, f"process group {child.pid}")
    assert group.send(one.process, signal.SIGTERM)
    child.wait()
    assert group.look() == []
    assert not group.send(one.process, signal.SIGTERM)
