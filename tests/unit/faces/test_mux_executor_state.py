"""What the multiplexer's executor keeps: versions of sessions, and counts."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from twisted.internet.task import Clock

from sxhost.faces.pi import commands
from sxhost.faces.pi.executor_state import ExecutorState
from sxhost.faces.pi.lanes import Ride
from sxhost.model.limits import Limits


def state() -> ExecutorState:
    return ExecutorState(Clock(), Limits())


def test_a_version_counts_what_changes_a_session() -> None:
    kept = state()
    create = commands.CreateSession(session_id="s")
    assert kept.next_version(create, {"sessionId": "s"}) == 0
    steps = [
        commands.SetSessionName(session_id="s", name="x"),
        commands.GetState(session_id="s"),
        commands.Abort(session_id="s"),
    ]
    assert [kept.next_version(command, None) for command in steps] == [1, 1, 2]
    assert kept.versions["s"] == 2
    assert kept.next_version(commands.DeleteSession(session_id="s"), None) is UNSET
    assert kept.versions["s"] == 0


def test_the_server_has_no_version() -> None:
    assert state().next_version(commands.HealthCheck(), {}) is UNSET


def test_counts_are_those_of_get_metrics() -> None:
    kept = state()
    kept.rates.refusal_of("s", answers=False)
    kept.lanes.enter("session:s", Ride("prompt", "in_order", None))
    counts: Any = kept.statistics()
    assert counts["rateLimitUsage"]["globalCount"] == 1
    assert counts["stores"]["execution"] == {"laneCount": 1}
    assert counts["stores"]["version"] == {"sessionCount": 0}
