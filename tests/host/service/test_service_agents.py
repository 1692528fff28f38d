"""The verbs on hosted agents: what is done is in the audit, who did it too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec import Raw

from sxhost.errors import AgentFailed, ForbiddenScope, NotHosted, UnknownSession, Unsupported
from sxhost.model.approval import Answer
from sxhost.model.auth import AuditQuery
from sxhost.model.caller import Caller, current_caller
from sxhost.model.event_types import MessageEvent
from sxhost.model.session import Registration
from sxhost.model.turn import AgentStatus, Launch, SteerDraft, TurnDraft
from sxhost.testing import (
    FakeAgent,
    FakeDriver,
    HostInMemory,
    is_done,
    question,
    result_of,
    started,
)
from tests.host.client.test_client_agents import do


class PlainAgent(FakeAgent):
    """An agent that takes no commands of its own protocol."""

    native_command = None  # type: ignore[assignment]


class PlainDriver(FakeDriver):
    def agent(self, launch: Launch, reports: Any) -> PlainAgent:
        return PlainAgent(launch, reports, self)


@contextmanager
def acting(caller: Caller) -> Iterator[None]:
    """Call verbs as this caller."""
    token = current_caller.set(caller)
    try:
        yield
    finally:
        current_caller.reset(token)


def test_turns_and_decisions_are_audited(lab: HostInMemory) -> None:
    service = lab.service
    do(lab, service.start(Launch(agent="fake", id="a")))
    do(lab, service.submit("a", TurnDraft(input="a secret")))
    do(lab, service.steer("a", SteerDraft(input="a secret")))
    lab.drivers.last.reports.approval_requested(question())
    lab.clock.advance(0)
    do(lab, service.answer("a", 1, Answer(decision="deny", reason="a secret")))
    do(lab, service.interrupt("a"))
    deeds = result_of(lab.service.audit(AuditQuery()))
    assert [(entry.what, entry.session, entry.detail) for entry in deeds] == [
        ("start", "a", "fake"),
        ("turn", "a", "turn 1"),
        ("steer", "a", ""),
        ("answer", "a", "approval 1: deny"),
        ("interrupt", "a", ""),
    ]
    assert "a secret" not in str(deeds)


# What faces have besides: values of agents, no agents.


@pytest.fixture
def host(lab: HostInMemory) -> HostInMemory:
    """A host with a hosted session, `a`."""
    do(lab, lab.service.start(Launch(agent="fake", id="a", effort="low")))
    return lab


def status(host: HostInMemory) -> AgentStatus | None:
    return result_of(host.service.agent_status("a"))


def test_status_of_an_agent_is_a_value(host: HostInMemory) -> None:
    assert status(host) == AgentStatus(state="idle", effort="low")
    do(host, host.service.submit("a", TurnDraft(input="x")))
    now = status(host)
    assert now is not None
    assert (now.is_ready, now.is_busy, now.turn and now.turn.id) == (True, True, 1)
    assert result_of(host.service.agent_status("unknown")) is None
    host.restart()
    assert status(host) is None


def test_native_command_reaches_the_agent_and_returns_json(host: HostInMemory) -> None:
    result = do(host, host.service.native_command("a", "get_state", {"x": 1}))
    assert result == Raw(b"{}")
    assert host.drivers.last.did[-1] == ("native_command", "get_state", {"x": 1})


def test_native_command_wakes_an_agent_for_callers_who_may_send(host: HostInMemory) -> None:
    host.restart()
    reader = Caller(scopes=frozenset({"read"}), token="t")
    with acting(reader), pytest.raises(ForbiddenScope):
        result_of(host.service.native_command("a", "get_state", {}))
    assert status(host) is None
    do(host, host.service.native_command("a", "get_state", {}))
    assert status(host) == AgentStatus(state="idle", effort="low")
    with acting(reader):
        do(host, host.service.native_command("a", "get_state", {}))


def test_native_command_of_an_agent_without_is_unsupported(lab: HostInMemory) -> None:
    lab.drivers.by_agent["fake"] = PlainDriver()
    do(lab, lab.service.start(Launch(agent="fake", id="a")))
    with pytest.raises(Unsupported, match="fake takes no commands of its own protocol"):
        result_of(lab.service.native_command("a", "get_state", {}))


def test_native_command_is_for_hosted_sessions(lab: HostInMemory) -> None:
    result_of(lab.service.register("a", Registration()))
    with pytest.raises(NotHosted):
        result_of(lab.service.native_command("a", "get_state", {}))
    with pytest.raises(UnknownSession):
        result_of(lab.service.wake("unknown"))


def test_end_of_a_turn_can_be_waited_for(host: HostInMemory) -> None:
    do(host, host.service.submit("a", TurnDraft(input="x")))
    waiting = started(host.service.wait_for_turn("a", 1))
    assert not is_done(waiting)
    host.drivers.last.reports.turn_ended("completed")
    host.clock.advance(0)
    turn = result_of(waiting)
    assert turn is not None
    assert turn.status == "completed"


def test_wait_for_a_turn_fails_when_the_session_is_forgotten(
    host: HostInMemory,
) -> None:
    do(host, host.service.submit("a", TurnDraft(input="x")))
    waiting = started(host.service.wait_for_turn("a", 1))
    do(host, host.service.forget("a"))
    with pytest.raises(AgentFailed, match="was ended"):
        result_of(waiting)


def test_flushed_events_are_in_the_log(host: HostInMemory) -> None:
    host.drivers.last.reports.report_event(MessageEvent(item="i", text="hi"))
    do(host, host.service.flush_events("a"))
    assert result_of(host.service.session("a")).last_event == "message"
