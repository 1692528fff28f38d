"""Agents that run and have told nobody, found in a ``/proc`` that the test has made."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sxhost.agent_files.running import find_running

UID = os.geteuid()
PID = os.getpid()
CODEX = "01a22c4c-91c8-7f92-b258-93218cda7b46"


class Machine:
    """A home, and processes."""

    def __init__(self, place: Path) -> None:
        self.proc = place / "proc"
        self.home = place / "home"
        self.cwd = place / "work"
        for directory in (self.proc, self.home, self.cwd):
            directory.mkdir()

    def process(
        self, name: str, *files: Path, pid: int = PID, environ: bytes = b"", began: float = 0
    ) -> None:
        ticks = int(began * os.sysconf("SC_CLK_TCK"))
        entry = self.proc / str(pid)
        (entry / "fd").mkdir(parents=True)
        (entry / "comm").write_text(f"{name}\n")
        stat = f"{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0"
        (entry / "stat").write_text(stat)
        (entry / "cwd").symlink_to(self.cwd)
        home = b"HOME=" + os.fsencode(self.home) + b"\0"
        (entry / "environ").write_bytes(home + environ)
        for number, file in enumerate(files):
            (entry / "fd" / str(number)).symlink_to(file)

    def file(self, path: str, text: str = "") -> Path:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def found(self, uid: int = UID) -> list[tuple[str, str, str]]:
        found = find_running(uid, self.proc)
        return [(one.agent, one.session_id, one.transcript) for one in found]

    def pids(self) -> dict[str, int]:
        return {one.session_id: one.pid for one in find_running(UID, self.proc)}

    def pi(self, name: str, written: float) -> Path:
        slug = str(self.cwd).strip("/").replace("/", "-")
        file = self.file(f".pi/agent/sessions/--{slug}--/{name}.jsonl")
        os.utime(file, (written, written))
        return file

    def claude(self) -> Path:
        status = {"pid": PID, "sessionId": "a-1", "status": "busy"}
        self.file(".claude/sessions/1.json", json.dumps(status))
        return self.file(".claude/projects/-work/a-1.jsonl")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path.resolve())


def test_claude_is_found_by_its_status(machine: Machine) -> None:
    transcript = machine.claude()
    machine.process("claude")
    assert machine.found() == [("claude", "a-1", str(transcript))]


def test_a_claude_that_was_told_nothing_yet_has_its_session(machine: Machine) -> None:
    status = {"pid": PID, "sessionId": "a-1", "status": "idle", "cwd": "/my work/x_y"}
    machine.file(".claude/sessions/1.json", json.dumps(status))
    machine.process("claude")
    path = machine.home / ".claude/projects/-my-work-x-y/a-1.jsonl"
    assert machine.found() == [("claude", "a-1", str(path))]


@pytest.mark.parametrize("agent", ["codex", "pi"])
def test_who_was_told_nothing_yet_is_found_at_a_terminal(machine: Machine, agent: str) -> None:
    machine.process(agent, Path("/dev/pts/3"))
    machine.process(agent, Path("/dev/pts/4"), pid=os.getppid())
    machine.process(agent, Path("/dev/null"), pid=1)
    assert machine.found() == [(agent, "", "")] * 2


def test_codex_is_found_by_the_rollout_that_it_holds_open(machine: Machine) -> None:
    place = f".codex/sessions/2026/11/30/rollout-2026-{CODEX}.jsonl"
    rollout = machine.file(place)
    machine.process("codex", machine.home / "other", rollout)
    assert machine.found() == [("codex", CODEX, str(rollout))]


def test_pi_is_found_by_the_newest_session_of_its_directory(machine: Machine) -> None:
    machine.process("pi", began=1000)
    machine.pi("1_old", 900)
    new = machine.pi("2_new", 1100)
    assert machine.found() == [("pi", "new", str(new))]
    new.unlink()
    assert machine.found() == []


def test_pis_of_one_directory_have_a_session_each(machine: Machine) -> None:
    for pid, began in ((7, 1000), (8, 2000), (9, 3000)):
        machine.process("pi", pid=pid, began=began)
    machine.pi("1970-01-01T00-16-41-000Z_first", 5000)
    machine.pi("1970-01-01T00-33-22-500Z_second", 4000)
    assert machine.pids() == {"first": 7, "second": 8}
    machine.pi("1970-01-01T00-00-09-000Z_resumed", 4500)
    assert machine.pids() == {"first": 7, "second": 8, "resumed": 9}


def test_a_pi_that_has_begun_again_has_its_newest_session(machine: Machine) -> None:
    machine.process("pi", began=1000)
    machine.pi("1970-01-01T00-16-41-000Z_first", 4000)
    machine.pi("1970-01-01T00-33-22-500Z_second", 5000)
    assert machine.pids() == {"second": PID}


def test_codex_says_where_each_of_its_conversations_is_held(machine: Machine) -> None:
    meta = json.dumps({"type": "session_meta", "payload": {"cwd": "/elsewhere"}})
    place = f".codex/sessions/2026/11/30/rollout-2026-{CODEX}.jsonl"
    rollout = machine.file(place, f"{meta}\n")
    machine.process("codex", rollout)
    assert [one.cwd for one in find_running(UID, machine.proc)] == ["/elsewhere"]
    rollout.write_text("no JSON\n")
    assert [one.cwd for one in find_running(UID, machine.proc)] == [str(machine.cwd)]


def test_a_process_that_has_ended_is_not_found(machine: Machine) -> None:
    machine.claude()
    machine.process("claude")
    stat = machine.proc / str(PID) / "stat"
    stat.write_text(stat.read_text().replace(" S ", " Z "))
    assert machine.found() == []


def test_each_is_found_once(machine: Machine) -> None:
    rollout = machine.file(f".codex/sessions/2026/11/30/rollout-2026-{CODEX}.jsonl")
    machine.process("codex", rollout, rollout)
    machine.process("codex", rollout, pid=7)
    assert len(machine.found()) == 1


def test_what_a_host_runs_is_not_found(machine: Machine) -> None:
    machine.claude()
    machine.process("claude", environ=b"SXHOST_AGENT=a\0")
    assert machine.found() == []


def test_what_others_run_is_not_found(machine: Machine) -> None:
    machine.claude()
    machine.process("claude")
    assert machine.found(UID + 1) == []


def test_other_programs_and_machines_without_proc_have_none(machine: Machine) -> None:
    machine.claude()
    machine.process("bash")
    (machine.proc / "7").mkdir()
    (machine.proc / "self").mkdir()
    assert machine.found() == []
    assert find_running(UID, machine.proc / "nowhere") == []
