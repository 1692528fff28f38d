"""The mark of an agent's processes: in their environment, and in a limit of theirs."""

from __future__ import annotations

import os
import resource
import subprocess

import pytest

from sxhost.process.marks import MARK_VARIABLE, RLIMIT_LOCKS, ProcessMark, limits_marked
from sxhost.process.table import Processes
from tests.process.test_process_table import limits

EVERYBODY = resource.RLIM_INFINITY


def locks() -> tuple[int, int]:
    return resource.getrlimit(RLIMIT_LOCKS)


def test_marks_differ_by_agent_and_share_the_hosts_part() -> None:
    mark, other, host = ProcessMark("h", "1"), ProcessMark("h", "2"), ProcessMark("h")
    assert mark.number != other.number
    for one in (mark, other):
        assert host.in_limits(limits(one.number))
        assert host.in_environ(f"A=b\0{MARK_VARIABLE}={one.value}\0".encode())
        assert not ProcessMark("i").in_limits(limits(one.number))
        assert 0 < one.number < 1 << 63
    assert mark.in_limits(limits(mark.number))
    assert not mark.in_limits(limits(other.number))
    assert not any(one.in_limits(limits(None)) for one in (mark, other, host))
    assert not any(one.in_limits(b"") for one in (mark, other, host))


def test_started_child_carries_the_mark_and_its_parent_does_not() -> None:
    mark, before = ProcessMark("h", "1"), locks()
    with (
        limits_marked(mark),
        subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, env={}) as one,
    ):
        pass_on = one.pid
        assert Processes().carries(pass_on, mark)
    assert locks() == before == (EVERYBODY, EVERYBODY)
    assert not Processes().carries(os.getpid(), mark)


def test_mark_that_cannot_be_set_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "prlimit", refuse)
    with limits_marked(ProcessMark("h", "1")):
        assert locks() == (EVERYBODY, EVERYBODY)
    monkeypatch.setattr("sys.platform", "darwin")
    with limits_marked(ProcessMark("h", "1")):
        assert locks() == (EVERYBODY, EVERYBODY)
