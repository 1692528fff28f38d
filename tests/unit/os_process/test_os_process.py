"""Which process this is: for others, who may be elsewhere; and which one a hook belongs to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sxhost.os_process import agent_above, boot_id, how_ended, identify, pid_namespace
from sxhost.process.table import Processes

ASK = "import os, sxhost.os_process as p; print(p.agent_above('claude', os.getppid()))"
HERE = Path(__file__).parents[3]


def test_this_process_is_named_with_its_start_machine_and_namespace() -> None:
    seen = Processes().see(os.getpid())
    assert seen is not None
    assert identify(os.getpid()) == {
        "pid": os.getpid(),
        "started": seen.started,
        "boot": boot_id(),
        "namespace": pid_namespace(),
    }
    assert identify(1 << 22) is None


def test_no_agent_is_found_above_what_none_has_started() -> None:
    assert agent_above("no-such-agent", os.getpid()) is None
    assert agent_above("claude", 1) is None
    assert agent_above("claude", 1 << 22) is None


def started_by(place: Path, name: str, *shells: str) -> tuple[int, str]:
    """Return the number of a program of this name, and what its hook takes for its agent."""
    command = f"'{sys.executable}' -c \"{ASK}\""
    for shell in shells:
        command = f"{shell} '{command}; true'" if "'" not in command else command
    program = place / name
    program.write_text(f"#!/bin/sh\necho $$\n{command}\nexit 0\n")
    program.chmod(0o755)
    environ = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run([program], env=environ, capture_output=True, text=True, check=True)
    number, found = done.stdout.split()
    return int(number), found


def test_agent_is_found_by_its_name(tmp_path: Path) -> None:
    number, found = started_by(tmp_path, "claude")
    assert found == str(number)


def test_other_programs_are_no_agents(tmp_path: Path) -> None:
    assert started_by(tmp_path, "clauded")[1] == "None"


def test_agent_is_found_over_the_shells_of_its_hook(tmp_path: Path) -> None:
    script = tmp_path / "hook.sh"
    script.write_text(f"#!/bin/sh\n'{sys.executable}' -c \"{ASK}\"\nexit 0\n")
    program = tmp_path / "claude"
    program.write_text(f"#!/bin/sh\necho $$\nsh -c 'sh {script}; true'\nexit 0\n")
    for file in (script, program):
        file.chmod(0o755)
    environ = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run([program], env=environ, capture_output=True, text=True, check=True)
    number, found = done.stdout.split()
    assert found == number


def test_agent_that_a_runtime_runs_is_found_by_its_program(tmp_path: Path) -> None:
    """A `node` that has not named itself; another `node` is none."""
    runtime = tmp_path / "node"
    runtime.symlink_to("/bin/sh")
    run = f"'{sys.executable}' -c \"{ASK}\"\nexit 0\n"
    environ = {**os.environ, "PYTHONPATH": str(HERE)}
    for name, is_agent in (("claude-cli.js", True), ("other.js", False)):
        (tmp_path / name).write_text(f"echo $$\n{run}")
        command = [str(runtime), str(tmp_path / name)]
        done = subprocess.run(
            command, env=environ, cwd="/", capture_output=True, text=True, check=True
        )
        number, found = done.stdout.split()
        assert found == (number if is_agent else "None"), name


@pytest.mark.parametrize(
    ("exit_code", "expected"),
    [
        (0, [0, None, "it ended with code 0"]),
        (3, [3, None, "it ended with code 3"]),
        (-9, [None, "SIGKILL", "it was killed by SIGKILL"]),
        (-40, [None, "signal 40", "it was killed by signal 40"]),
    ],
)
def test_how_it_ended(exit_code: int, expected: list[object]) -> None:
    assert list(how_ended(exit_code, "it").values()) == expected


def test_asking_imports_nothing_that_a_hook_would_wait_for() -> None:
    code = "import sys, json; before = set(sys.modules); import sxhost.os_process"
    code += "; print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert set(json.loads(done.stdout)) <= {"__future__", "sxhost", "sxhost.os_process"}
