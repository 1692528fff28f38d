"""What a host that was killed has left running is ended by the next one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from secrets import token_hex

from sxhost.model.turn import Process
from sxhost.process.orphans import end_orphans
from sxhost.process.table import Processes
from sxhost.process.termination import TerminationReport
from tests.process.test_process_child import BROOD, DETACHES, STUBBORN, alive
from tests.support.programs import (
    HURRY,
    find_orphans,
    fixture_in_reactor,
    in_reactor,
    python,
    reactor,
)

HOST = """
import json, os, sys
from twisted.internet import reactor
from sxhost.process.contracts import Command
from sxhost.process.child import ProcessSpawner
from sxhost.model.limits import Limits

class Parrot:
    told = 0
    def line_received(self, line):
        print(line.decode(), flush=True)
    def child_exited(self, how):
        pass

host_id, *argv = sys.argv[1:]
spawn = ProcessSpawner(reactor, Limits(), host_id, environ=os.environ)
child = spawn(Command(argv=argv, cwd=os.getcwd()), Parrot())
print(json.dumps([child.process.pid, child.process.started]), flush=True)
reactor.run()
"""
"""A host with one agent; it prints the agent's process and then what the agent prints."""


@fixture_in_reactor
async def host_id() -> AsyncIterator[str]:
    """A host's name; nothing that carries it is left after the test."""
    host_id = token_hex(8)
    yield host_id
    left = find_orphans(host_id)
    await end_orphans(reactor, HURRY, host_id, [])
    assert not left, "processes were left"


@contextmanager
def host(host_id: str, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """Run a host with an agent; it is killed at the end."""
    command = [sys.executable, "-c", HOST, host_id, *argv]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def said(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline()


def what(fates: list[TerminationReport]) -> dict[int, tuple[str, str]]:
    return {fate.process.pid: (fate.what, fate.why) for fate in fates}


@in_reactor
async def test_orphans_of_a_killed_host_are_ended_by_the_next_one(host_id: str) -> None:
    with host(host_id, *python(BROOD + STUBBORN, STUBBORN)) as running:
        agent = Process(*json.loads(said(running)))
        pids = [int(said(running)) for _ in range(4)]
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert agent.pid in pids
    assert sorted(alive(pids)) == sorted(pids), "kill -9 ends the host alone"
    assert {process.pid for process in find_orphans(host_id)} == set(pids)
    fates = await end_orphans(reactor, HURRY, host_id, [agent])
    assert what(fates) == dict.fromkeys(pids, ("killed", ""))
    assert all(fate.command.startswith(sys.executable) for fate in fates)
    assert alive(pids) == []


@in_reactor
async def test_orphans_without_parent_session_and_environment_are_ended(host_id: str) -> None:
    with host(host_id, "/bin/sh", "-c", DETACHES + "read x") as running:
        agent = Process(*json.loads(said(running)))
        said(running)
        running.send_signal(signal.SIGKILL)
        running.wait()
    fates = await end_orphans(reactor, HURRY, host_id, [agent])
    assert [fate.what for fate in fates if fate.command == "sleep 600"] == ["killed"]
    assert find_orphans(host_id) == []


@in_reactor
async def test_orphans_may_end_on_sigterm(host_id: str) -> None:
    with host(host_id, "/bin/sh", "-c", "echo $$; exec sleep 600") as running:
        agent = Process(*json.loads(said(running)))
        said(running)
        running.send_signal(signal.SIGKILL)
        running.wait()
    fates = await end_orphans(reactor, HURRY, host_id, [agent])
    assert what(fates) == {agent.pid: ("ended", "")}
    assert await end_orphans(reactor, HURRY, host_id, []) == []


@contextmanager
def stranger(**environ: str) -> Iterator[Process]:
    """Run a process that no host has started."""
    with subprocess.Popen(["/bin/sleep", "600"], env=environ) as running:
        seen = Processes().see(running.pid)
        assert seen is not None
        while not Processes().command(seen.process):
            time.sleep(0.001)  # it has not begun its program yet
        yield seen.process
        assert running.poll() is None, "it was ended"
        running.kill()


@in_reactor
async def test_process_with_a_reused_pid_is_left_alone(host_id: str) -> None:
    with stranger() as process:
        recorded = Process(process.pid, process.started - 1)
        fates = await end_orphans(reactor, HURRY, host_id, [recorded])
    assert what(fates) == {process.pid: ("gone", "its number is another process's now")}


@in_reactor
async def test_process_without_the_hosts_mark_is_left_alone(host_id: str) -> None:
    with stranger(SXHOST_AGENT="another.1") as process:
        fates = await end_orphans(reactor, HURRY, host_id, [process])
    (fate,) = fates
    assert (fate.what, fate.command) == ("left", "/bin/sleep 600")
    assert fate.why == "it does not carry this host's mark, or is another user's"


@contextmanager
def zombie() -> Iterator[Process]:
    """Run a process to its end, and do not wait for it before ours."""
    with subprocess.Popen(["/bin/true"]) as running:
        os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
        seen = Processes().see(running.pid)
        assert seen is not None
        yield seen.process


@in_reactor
async def test_orphan_that_has_ended_is_reported_as_ended(host_id: str) -> None:
    with zombie() as process:
        waiting = await end_orphans(reactor, HURRY, host_id, [process])
    gone = await end_orphans(reactor, HURRY, host_id, [process])
    assert what(waiting) == what(gone) == {process.pid: ("gone", "it has ended")}


@in_reactor
async def test_unreadable_process_table_is_reported(host_id: str) -> None:
    blind = Processes("/nowhere")
    fates = await end_orphans(reactor, HURRY, host_id, [Process(7, 0)], blind)
    assert what(fates) == {7: ("left", "processes cannot be seen on this system")}
    assert find_orphans(host_id, blind) == []
