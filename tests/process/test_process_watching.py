"""Processes that are no children of ours: when they end, and how."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from sxhost.model.turn import OSProcess
from sxhost.os_process import identify
from sxhost.process.table import Processes
from sxhost.process.watching import ProcessWatcher
from tests.support.programs import in_reactor, reactor, until

PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
if sys.argv[1:] == ["wait"]:
    child.wait()
sys.stdin.read()
"""
"""A shell between us and an agent, which may leave it a zombie."""


def named(pid: int) -> OSProcess:
    return msgspec.convert(identify(pid), OSProcess)


@pytest.fixture
def grandchild(request: Any) -> Iterator[int]:
    command = [sys.executable, "-I", "-S", "-c", PARENT, getattr(request, "param", "wait")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        yield pid
        if Processes().see(pid) is not None:
            os.kill(pid, signal.SIGKILL)


def watcher(most: int) -> ProcessWatcher:
    return ProcessWatcher(reactor, most)


@pytest.mark.parametrize("most", [8, 0], ids=["descriptor", "polled"])
@in_reactor
async def test_end_of_a_grandchild_is_told_once(grandchild: int, most: int) -> None:
    told: list[str] = []
    watched = watcher(most).watch(named(grandchild), lambda: told.append("ended"))
    assert watched is not None
    os.kill(grandchild, signal.SIGSTOP)
    await until(lambda: Processes().see(grandchild).state == "T")  # type: ignore[union-attr]
    assert told == []
    os.kill(grandchild, signal.SIGKILL)
    await until(lambda: told)
    assert told == ["ended"]
    watched.cancel()


@pytest.mark.parametrize("grandchild", ["leave"], indirect=True)
@pytest.mark.parametrize("most", [8, 0], ids=["descriptor", "polled"])
@in_reactor
async def test_a_zombie_has_ended(grandchild: int, most: int) -> None:
    told: list[str] = []
    watched = watcher(most).watch(named(grandchild), lambda: told.append("ended"))
    os.kill(grandchild, signal.SIGKILL)
    await until(lambda: told)
    assert watched is not None
    assert watched.status == signal.SIGKILL
    watched.cancel()


@in_reactor
async def test_how_it_ended_is_known_where_the_system_says(grandchild: int) -> None:
    told: list[str] = []
    watched = watcher(8).watch(named(grandchild), lambda: told.append("ended"))
    assert watched is not None
    os.kill(grandchild, signal.SIGKILL)
    await until(lambda: told and Processes().see(grandchild) is None)
    assert watched.status in (None, signal.SIGKILL)
    watched.cancel()
    assert watched.status is None


@pytest.mark.parametrize("most", [8, 0], ids=["descriptor", "polled"])
@in_reactor
async def test_a_later_process_of_its_number_is_not_taken_for_it(
    grandchild: int, most: int
) -> None:
    told: list[str] = []
    another = replace(named(grandchild), started=1)
    watched = watcher(most).watch(another, lambda: told.append("ended"))
    await until(lambda: told)
    assert watched is not None
    watched.cancel()


@in_reactor
async def test_what_is_gone_already_is_told_later(grandchild: int) -> None:
    process, told = named(grandchild), list[str]()
    os.kill(grandchild, signal.SIGKILL)
    await until(lambda: Processes().see(grandchild) is None)
    watched = watcher(8).watch(process, lambda: told.append("ended"))
    assert (watched is not None, told) == (True, [])
    await until(lambda: told)
    watched.cancel()  # type: ignore[union-attr]


@pytest.mark.parametrize("field", ["boot", "namespace"])
def test_processes_of_elsewhere_are_not_watched(field: str) -> None:
    elsewhere = replace(named(os.getpid()), **{field: "another"})
    assert watcher(8).watch(elsewhere, lambda: None) is None


@in_reactor
async def test_what_is_watched_no_longer_is_not_told(grandchild: int) -> None:
    told: list[str] = []
    first, second = (
        watcher(most).watch(named(grandchild), lambda: told.append("ended")) for most in (8, 0)
    )
    other = watcher(8).watch(named(grandchild), lambda: told.append("other"))
    assert first is not None
    assert second is not None
    first.cancel()
    second.cancel()
    os.kill(grandchild, signal.SIGKILL)
    await until(lambda: told)
    assert told == ["other"]
    assert other is not None
    other.cancel()


def test_beyond_the_bound_processes_are_polled() -> None:
    many = watcher(1)
    watched = [many.watch(named(os.getpid()), lambda: None) for _ in range(3)]
    assert (len(many._with_handle), len(many._without)) == (1, 2)
    for one in watched:
        assert one is not None
        one.cancel()
    assert not many._looking.running
