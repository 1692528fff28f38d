"""Agents' programs as they really run: their lines, their ends, and all that they start."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs

from sxhost.codec.lines import LongLine
from sxhost.errors import AgentFailed, BadField
from sxhost.model.limits import Limits
from sxhost.model.turn import Process
from sxhost.process.child import ProcessChild
from sxhost.process.contracts import ChildExit, Command
from sxhost.process.table import ProcessEntry, Processes
from sxhost.testing import started
from tests.support.programs import (
    HURRY,
    PATIENT,
    Listener,
    Stage,
    find_orphans,
    in_reactor,
    python,
    reactor,
    stage,
    until,
)

__all__ = ["stage"]

MIB = 1 << 20

STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""
"""Ignores the end of its input and SIGTERM."""

BROOD = """
import os, signal, subprocess, sys
STUBBORN = sys.argv[1]
command = [sys.executable, "-I", "-S", "-c", STUBBORN]
for _ in range(2):
    subprocess.Popen(command, start_new_session=True)
if os.fork() == 0:  # a daemon: forked twice, its parents gone
    os.setsid()
    if os.fork() == 0:
        os.execv(command[0], command)
    os._exit(0)
os.wait()
"""
"""Starts three that ignore SIGTERM, in sessions of their own, one of them a daemon."""

DETACHES = """
echo $(env -i setsid /bin/sh -c '(trap "" TERM; echo $$; exec >&- 2>&- <&-; exec sleep 600) &')
"""
"""Starts one without parents, session, environment, pipes: forked twice by those who end."""

WAITS = "\nsys.stdin.read()\n"
"""Goes on until its input ends."""


# Lines.


@in_reactor
async def test_child_gets_lines_and_answers_them(stage: Stage) -> None:
    child, listener = stage.run("/bin/cat")
    child.send(b'{"a":1}')
    child.send("a\u2028b\u0085c\r".encode())
    child.send(b"\xff\xfe\x00")
    assert await listener.first_lines(3) == [
        b'{"a":1}',
        "a\u2028b\u0085c\r".encode(),
        b"\xff\xfe\x00",
    ]
    await child.end_family()
    assert listener.exits == [ChildExit(code=0, asked=True)]


@in_reactor
async def test_unterminated_last_line_is_delivered_at_the_end(stage: Stage) -> None:
    _, listener = stage.shell("printf 'one\\n\\ntwo'")
    assert await listener.exit() == ChildExit(code=0)
    assert listener.lines == [b"one", b"", b"two"]


@in_reactor
async def test_flood_of_lines_arrives_whole_and_in_order(stage: Stage) -> None:
    _, listener = stage.python("for n in range(100_000): print(n)")
    await listener.exit()
    assert listener.lines == [b"%d" % n for n in range(100_000)]


@in_reactor
async def test_long_line_arrives_whole(stage: Stage) -> None:
    _, listener = stage.python("print('x' * (16 << 20))")
    await listener.exit()
    assert [len(line) for line in listener.lines] == [16 * MIB]


@in_reactor
async def test_child_that_prints_a_too_long_line_is_ended(stage: Stage) -> None:
    _, listener = stage.python("print('fine'); print('x' * (20 << 20)); print('more')")
    how = await listener.exit()
    assert listener.lines == [b"fine"]
    assert (how.asked, how.why) == (
        False,
        "it printed nonsense: a line is longer than 16777216 bytes",
    )
    assert how.sentence == f"the agent was ended: {how.why}"


class BothEnds(Listener):
    """One that reads lines of which the middle is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.long: list[LongLine] = []

    def long_line_received(self, line: LongLine) -> bool:
        self.long.append(line)
        return True


@in_reactor
async def test_long_line_without_its_middle_costs_no_other_line(stage: Stage) -> None:
    listener = BothEnds()
    code = "print('one'); print('x' * 20_000_000 + 'end'); print('two')"
    command = Command(argv=python(code), cwd="/")
    stage.spawn()(command, listener)
    how = await listener.exit()
    assert how.code == 0
    assert listener.lines == [b"one", b"two"]
    ((head, tail, size),) = listener.long
    assert (len(head), len(tail), tail[-3:], size) == (MIB, MIB, b"end", 20_000_003)


@in_reactor
async def test_too_long_line_of_an_ended_child_is_an_error_too(stage: Stage) -> None:
    limits = Limits(agent_line=50_000)
    code = "echo one; read x; head -c 60000 /dev/zero"
    child, listener = stage.shell(code, limits=limits)
    await listener.first_lines(1)
    child.pause()
    child.send(b"go")
    how = await listener.exit()
    assert (how.code, how.why) == (0, "it printed nonsense: a line is longer than 50000 bytes")


@in_reactor
async def test_child_that_closes_its_output_is_ended(stage: Stage) -> None:
    limits = Limits(agent_eof=0.1, agent_term=0.1)
    code = "import os, time; print('fine', flush=True); os.close(1); time.sleep(600)"
    _, listener = stage.python(code, limits=limits)
    how = await listener.exit()
    assert listener.lines == [b"fine"]
    assert how.why == "it closed its output, and lived on"


@in_reactor
async def test_tail_of_standard_error_is_kept(stage: Stage) -> None:
    code = """
import os
os.write(2, b"\\xe2\\x82" + b"x" * (10 << 20) + b"\\nlost: \\xff\\n")
print("still there")
"""
    _, listener = stage.python(code)
    how = await listener.exit()
    assert listener.lines == [b"still there"]
    assert how.stderr.endswith("x\nlost: \ufffd\n")
    assert len(how.stderr) == 64 * 1024
    assert how.sentence == "the agent ended with code 0: lost: \ufffd"


@in_reactor
async def test_paused_child_loses_no_output(stage: Stage) -> None:
    child, listener = stage.python(
        "for n in range(100_000): print(n)\nprint('end', flush=True)"
    )
    await listener.first_lines(1)
    child.pause()
    await deferLater(reactor, 0)  # what was read with the first line is still told
    before = len(listener.lines)
    _, shown = stage.shell("echo; echo")
    await shown.exit()
    assert len(listener.lines) == before, "it was told in spite of the pause"
    child.resume()
    await listener.exit()
    assert len(listener.lines) == 100_001


@in_reactor
async def test_paused_child_can_be_ended(stage: Stage) -> None:
    child, listener = stage.python("while True: print('x' * 100)", limits=HURRY)
    await listener.first_lines(1)
    child.pause()
    await child.end_family()
    assert listener.exits[0].asked


@in_reactor
async def test_output_of_a_child_that_dies_paused_is_delivered(stage: Stage) -> None:
    child, listener = stage.shell("echo one; read x; echo two")
    await listener.first_lines(1)
    child.pause()
    child.send(b"go")
    await listener.exit()
    assert listener.lines == [b"one", b"two"]


# Writing.


@in_reactor
async def test_write_to_an_ended_child_is_ignored(stage: Stage) -> None:
    child, listener = stage.shell("exit 3")
    assert (await listener.exit()).code == 3
    child.send(b"hello")
    child.pause()
    child.resume()
    await child.end_family()
    assert len(listener.exits) == 1


@in_reactor
async def test_child_that_closes_its_input_is_not_ended(stage: Stage) -> None:
    child, listener = stage.shell(
        "exec <&-; trap 'echo bye; exit' TERM; echo deaf; sleep 60 & wait"
    )
    await listener.first_lines(1)
    for _ in range(10):
        child.send(b"x" * MIB)
    os.kill(child.process.pid, signal.SIGTERM)
    assert (await listener.exit()).why == ""
    assert listener.lines == [b"deaf", b"bye"]


@in_reactor
async def test_large_input_reaches_a_reading_child(stage: Stage) -> None:
    child, listener = stage.python("import sys; print(len(sys.stdin.buffer.readline()))")
    child.send(b"x" * (70 * MIB))
    assert await listener.first_lines(1) == [b"%d" % (70 * MIB + 1)]


@in_reactor
async def test_child_that_never_reads_is_ended(stage: Stage) -> None:
    child, listener = stage.run(
        "/bin/sleep", "60", limits=Limits(agent_stdin=MIB, agent_eof=0.1)
    )
    for _ in range(20):
        child.send(b"x" * (MIB // 8))
    how = await listener.exit()
    assert how.why.startswith("it does not read; 1")
    assert (how.asked, how.signal) == (False, "SIGTERM")


# Starting.


@in_reactor
async def test_child_leads_a_session_in_its_directory(stage: Stage) -> None:
    child, listener = stage.python("import os; print(os.getsid(0), os.getpgrp(), os.getcwd())")
    pid = child.process.pid
    assert await listener.first_lines(1) == [f"{pid} {pid} {stage.home}".encode()]


@in_reactor
async def test_child_is_identified_by_pid_and_start_time(stage: Stage) -> None:
    child, _ = stage.run("/bin/cat")
    assert Processes().runs(child.process)
    await child.end_family()
    assert not Processes().runs(child.process)


@in_reactor
async def test_child_environment_is_the_users_with_additions(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("SXHOST_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    _, listener = stage.run("/usr/bin/env", env={"ADDED": "yes", "SXHOST_AGENT": "forged"})
    await listener.exit()
    found = dict(line.decode().split("=", 1) for line in listener.lines)
    assert (found["OPENAI_API_KEY"], found["ADDED"]) == ("k", "yes")
    assert found["PWD"] == str(stage.home)
    assert found["SXHOST_AGENT"].startswith(f"{stage.host_id}.")
    assert not found.keys() & {"SXHOST_TOKEN", "PYTHONPATH"}


@in_reactor
async def test_child_inherits_no_descriptors_and_no_ignored_signals(stage: Stage) -> None:
    _, listener = stage.shell("ls /proc/self/fd; grep SigIgn /proc/self/status")
    await listener.exit()
    *descriptors, ignored = listener.lines
    assert descriptors == [b"0", b"1", b"2", b"3"], "3 is the directory that ls reads"
    assert int(ignored.split()[1], 16) & 1 << (signal.SIGPIPE - 1) == 0


def refusal(stage: Stage, *argv: str, env: Mapping[str, str] | None = None) -> str:
    with pytest.raises(AgentFailed) as refused:
        stage.run(*argv, env=env)
    return refused.value.message


@in_reactor
async def test_missing_program_is_an_error_at_once(stage: Stage) -> None:
    shown = refusal(stage, "no-such-agent", env={"PATH": ".::bin:/nowhere:/also/not"})
    assert shown == "There is no program 'no-such-agent' in /nowhere:/also/not."
    assert refusal(stage, "x", env={"PATH": "."}) == "There is no program 'x' in an empty PATH."
    assert refusal(stage, "./x") == f"There is no program '{stage.home}/x'."


def script(home: Path, text: str, mode: int = 0o755) -> str:
    place = home / "agent"
    place.write_text(text)
    place.chmod(mode)
    return str(place)


@in_reactor
async def test_program_that_is_not_executable_is_an_error_at_once(stage: Stage) -> None:
    place = script(stage.home, "#!/bin/sh\n", 0o644)
    assert refusal(stage, "./agent") == f"The program {place!r} is not executable."
    script(stage.home, "#!/no/such/interpreter\n")
    shown = refusal(stage, place)
    assert shown == f"{place} cannot be run: the interpreter in its first line is not there."
    script(stage.home, "echo without a first line\n")
    assert refusal(stage, "agent", env={"PATH": str(stage.home)}) == (
        f"{place} cannot be run: it is no program for this system."
    )
    script(stage.home, "#!/bin/sh\n")
    assert "are too large" in refusal(stage, place, env={"A": "x" * 10 * MIB})
    assert "cannot be run: embedded null byte" in refusal(stage, place, "a\0b")


@in_reactor
async def test_missing_directory_is_an_error_at_once(stage: Stage) -> None:
    with pytest.raises(BadField) as refused:
        stage.spawn()(Command(argv=["cat"], cwd=str(stage.home / "no")), Listener())
    assert refused.value.details == {"field": "cwd"}


@in_reactor
async def test_relative_program_is_found_in_its_directory(stage: Stage) -> None:
    script(stage.home, "#!/bin/sh\necho $0\n")
    _, listener = stage.run("./agent")
    await listener.exit()
    assert listener.lines == [f"{stage.home}/agent".encode()]


# Ending.


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("exit 3", ChildExit(code=3)),
        ("kill -9 $$", ChildExit(signal="SIGKILL")),
        ("kill -40 $$", ChildExit(signal="signal 40")),
    ],
)
@in_reactor
async def test_child_exit_is_reported(stage: Stage, code: str, how: ChildExit) -> None:
    _, listener = stage.shell(code)
    assert await listener.exit() == how


@in_reactor
async def test_child_that_ignores_sigterm_is_killed(stage: Stage) -> None:
    child, listener = stage.python(STUBBORN, limits=HURRY)
    await listener.first_lines(1)
    await child.end_family()
    assert listener.exits == [ChildExit(signal="SIGKILL", asked=True)]


@in_reactor
async def test_child_may_end_in_order_on_sigterm(stage: Stage) -> None:
    code = "trap 'echo saved; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    child, listener = stage.shell(code, limits=Limits(agent_eof=0.1, agent_term=60))
    await listener.first_lines(1)
    await child.end_family()
    assert (listener.lines, listener.exits[0].code) == ([b"ready", b"saved"], 7)


@in_reactor
async def test_every_waiter_gets_the_exit_once(stage: Stage) -> None:
    child, listener = stage.run("/bin/cat")
    first, second = started(child.end_family()), started(child.end_family())
    await first
    await second
    await child.end_family()
    assert listener.exits == [ChildExit(code=0, asked=True)]


@in_reactor
async def test_several_children_can_be_ended_together(stage: Stage) -> None:
    spawn, listeners = stage.spawn(), [Listener() for _ in range(5)]
    for listener in listeners:
        spawn(Command(argv=["cat"], cwd="/"), listener)
    assert len(spawn.children) == 5
    await spawn.close()
    assert [listener.exits for listener in listeners] == [[ChildExit(code=0, asked=True)]] * 5
    assert not spawn.children


class Deaf(Processes):
    """A machine on which no signal ends anything."""

    def send(self, process: Process, number: int) -> bool:
        return True


@in_reactor
async def test_child_that_cannot_be_killed_keeps_nobody_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(agent_eof=0.1, agent_term=0.1, agent_kill=0.1)
    child, listener = stage.python(STUBBORN, limits=limits, processes=Deaf())
    pid = child.process.pid
    await listener.first_lines(1)
    with monkeypatch.context() as machine, capturedLogs() as logged:
        machine.setattr(os, "killpg", lambda *_: None)
        await child.end_family()
    assert listener.exits == [ChildExit(asked=True, why=f"process {pid} could not be ended")]
    assert [event["pid"] for event in logged] == [pid]
    os.kill(pid, signal.SIGKILL)
    await until(lambda: Processes().see(pid) is None)  # nor does it stay a zombie


async def brood(
    stage: Stage, then: str, limits: Limits
) -> tuple[ProcessChild, Listener, list[int]]:
    """Run a child with three stubborn ones of its own."""
    child, listener = stage.python(BROOD + then, STUBBORN, limits=limits)
    return child, listener, [int(line) for line in await listener.first_lines(3)]


def alive(pids: list[int]) -> list[int]:
    seen = [Processes().see(pid) for pid in pids]
    return [one.pid for one in seen if one is not None and one.lives]


@in_reactor
async def test_descendants_end_with_the_child(stage: Stage) -> None:
    child, listener, pids = await brood(stage, WAITS, HURRY)
    assert sorted(alive(pids)) == sorted(pids)
    await child.end_family()
    assert alive(pids) == []
    assert listener.exits == [ChildExit(code=0, asked=True)]


@in_reactor
async def test_descendants_of_a_killed_child_are_ended(stage: Stage) -> None:
    child, listener, pids = await brood(stage, STUBBORN, HURRY)
    await listener.first_lines(4)
    await child.end_family()
    assert alive(pids) == []
    assert listener.exits == [ChildExit(signal="SIGKILL", asked=True)]


@in_reactor
async def test_descendants_of_a_child_killed_from_outside_are_ended(stage: Stage) -> None:
    child, listener, pids = await brood(stage, WAITS, HURRY)
    os.kill(child.process.pid, signal.SIGKILL)
    assert await listener.exit() == ChildExit(signal="SIGKILL")
    assert alive(pids) == []


@in_reactor
async def test_descendant_without_the_mark_is_found_by_its_parents(stage: Stage) -> None:
    code = """
import os, subprocess, sys
subprocess.Popen(sys.argv[1:], start_new_session=True, env={})
"""
    child, listener = stage.python(code + WAITS, *python(STUBBORN), limits=HURRY)
    (pid,) = map(int, await listener.first_lines(1))
    await child.end_family()
    assert alive([pid]) == []


@pytest.mark.parametrize("limits", [HURRY, Limits(agent_look=0.1, agent_term=0.1)])
@in_reactor
async def test_descendant_without_the_mark_is_found_after_its_parents_death(
    stage: Stage, limits: Limits
) -> None:
    code = """
import subprocess, sys
subprocess.Popen(sys.argv[1:], start_new_session=True, env={})
"""
    eyes = Eyes()
    child, listener = stage.python(
        code + WAITS, *python(STUBBORN), limits=limits, processes=eyes
    )
    (pid,) = map(int, await listener.first_lines(1))
    if limits is HURRY:
        stage.spawns[0].look()
    else:
        before = eyes.looks
        await until(lambda: eyes.looks > before)
    os.kill(child.process.pid, signal.SIGKILL)
    await listener.exit()
    assert alive([pid]) == []


@pytest.mark.parametrize("then", ["read x", "exit 3", "kill -9 $$"])
@in_reactor
async def test_descendant_that_dropped_every_trace_is_found(stage: Stage, then: str) -> None:
    child, listener = stage.shell(DETACHES + then, limits=HURRY)
    await listener.first_lines(1)
    await child.end_family()
    await listener.exit()
    assert find_orphans(stage.host_id) == []


@in_reactor
async def test_descendant_is_found_as_one_of_its_own_agent(stage: Stage) -> None:
    spawn, listeners = stage.spawn(HURRY), [Listener(), Listener()]
    command = Command(argv=["/bin/sh", "-c", DETACHES + "read x"], cwd=str(stage.home))
    first, second = (spawn(command, listener) for listener in listeners)
    for listener in listeners:
        await listener.first_lines(1)
    await first.end_family()
    left = find_orphans(stage.host_id)
    assert second.process in left
    assert len(left) == 2
    await spawn.close()
    assert find_orphans(stage.host_id) == []


class Eyes(Processes):
    """Counts its looks."""

    looks = 0

    def all(self) -> dict[int, ProcessEntry]:
        self.looks += 1
        return super().all()


@in_reactor
async def test_process_table_is_not_read_without_children(stage: Stage) -> None:
    before = set(reactor.getDelayedCalls())
    child, _ = stage.run("/bin/cat")
    await child.end_family()
    assert set(reactor.getDelayedCalls()) <= before


@in_reactor
async def test_descendant_holding_the_output_does_not_delay_the_end(stage: Stage) -> None:
    _, listener = stage.shell("setsid sleep 600 & echo started", limits=HURRY)
    assert await listener.exit() == ChildExit(code=0)
    assert listener.lines == [b"started"]


@in_reactor
async def test_without_proc_the_process_group_is_ended(stage: Stage) -> None:
    blind = Processes("/nowhere")
    code = "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.05; done' & read x; exit 5"
    child, listener = stage.shell(code, limits=HURRY, processes=blind)
    (pid,) = map(int, await listener.first_lines(1))
    child.send(b"go")
    assert (await listener.exit()).code == 5
    await until(lambda: not alive([pid]))
    assert child.process.started == 0


@in_reactor
async def test_without_pidfds_the_end_is_polled_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    child, listener, pids = await brood(stage, STUBBORN, HURRY)
    await listener.first_lines(4)
    await child.end_family()
    assert alive(pids) == []
    assert listener.exits == [ChildExit(signal="SIGKILL", asked=True)]


class Faulty(Listener):
    """A driver with defects."""

    def line_received(self, line: bytes) -> None:
        super().line_received(line)
        raise RuntimeError("a defect")

    def child_exited(self, how: ChildExit) -> None:
        super().child_exited(how)
        raise RuntimeError("another")


@in_reactor
async def test_errors_of_a_driver_are_logged(stage: Stage, failure_log: Any) -> None:
    listener = Faulty()
    command = Command(argv=["/bin/sh", "-c", "echo one; echo two"], cwd=str(stage.home))
    child = stage.spawn(PATIENT)(command, listener)
    await child.end_family()
    assert listener.lines == [b"one", b"two"]
    assert len(failure_log.flush()) == 3
