"""Process 1: orphans are reaped, signals and the exit status are the host's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hosts import PATIENCE

UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c")

AS_PROCESS_1 = """
import contextlib, os, signal, subprocess, sys, time
from sxhost.daemon.init import leave_process_1

leave_process_1()
"""

ORPHANS = """
assert os.getpid() != 1
for _ in range(20):
    subprocess.run(["sh", "-c", "(sleep 0.05; exit 3) & exit 0"], check=True)

def states():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            stat = open(f"/proc/{pid}/stat").read()
            found.append(stat.rpartition(")")[2].split()[0])
    return found

while len(states()) > 2:
    time.sleep(0.01)
assert "Z" not in states(), states()
assert subprocess.run(["false"]).returncode == 1
sys.exit(7)
"""

SIGNALS = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("ready", flush=True)
while True:
    signal.pause()
"""

KILLED = "os.kill(os.getpid(), signal.SIGKILL)"


def can_unshare() -> bool:
    probe = [*UNSHARE, "pass"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.fixture(autouse=True)
def _needs_namespaces() -> None:
    if not can_unshare():
        pytest.skip("no new namespaces here")


@pytest.mark.parametrize(("script", "status"), [(ORPHANS, 7), (KILLED, 137)])
def test_process_1_reaps_and_ends_as_the_host_does(script: str, status: int) -> None:
    done = subprocess.run(
        [*UNSHARE, AS_PROCESS_1 + script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == status, done.stderr


def test_process_1_passes_signals_on() -> None:
    with subprocess.Popen(
        [*UNSHARE, AS_PROCESS_1 + SIGNALS], stdout=subprocess.PIPE, text=True
    ) as unshare:
        assert unshare.stdout is not None
        assert unshare.stdout.readline() == "ready\n"
        children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text()
        os.kill(int(children.split()[0]), signal.SIGTERM)
        assert unshare.wait(PATIENCE) == 5
