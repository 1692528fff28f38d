"""The hosted sessions of one kind of agent, and what they said last."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.agents.directory import HEARD, TAILS, AgentDirectory
from sxhost.model.session import EventDraft, Registration
from sxhost.model.turn import Launch
from sxhost.testing import FakeDriver, FakeDrivers, HostInMemory, finished, result_of, started
from tests.host.agents.test_agent_supervisor import settle


@pytest.fixture
def host() -> HostInMemory:
    return HostInMemory(drivers=FakeDrivers(codex=FakeDriver(), pi=FakeDriver()))


def begin(host: HostInMemory, session_id: str, agent: str = "codex", **fields: Any) -> None:
    work = started(host.service.start(Launch(agent=agent, id=session_id, **fields)))
    settle(host)
    result_of(work)


def fire(host: HostInMemory, session_id: str, *names: str) -> None:
    drafts = [EventDraft(event=name) for name in names]
    finished(host.service.fire_batch(session_id, drafts), host.clock)


def latest(roster: AgentDirectory, most: int = 50, **how: Any) -> list[tuple[str, str]]:
    events = result_of(roster.latest(most, how.pop("until", roster.position), **how))
    return [(event.session, event.event) for event in events]


def test_it_has_the_hosted_sessions_of_its_agent(host: HostInMemory) -> None:
    roster = host.service.agent_directory("codex")
    begin(host, "b")
    host.clock.advance(1)
    begin(host, "a")
    begin(host, "p", "pi")
    result_of(host.service.register("attached", Registration(agent="codex")))
    assert [session.id for session in roster.sessions()] == ["b", "a"]
    assert [bool(roster.get(name)) for name in ("a", "p", "attached", "none")] == [
        True, False, False, False,
    ]  # fmt: skip


def test_a_conversation_is_found_by_its_name(host: HostInMemory) -> None:
    roster = host.service.agent_directory("codex")
    begin(host, "a")
    begin(host, "b", resume="thread")
    for name, expected in (("native-1", "a"), ("thread", "b"), ("other", None)):
        found = roster.find_native(name)
        assert (found and found.id) == expected


def test_the_newest_of_all(host: HostInMemory) -> None:
    roster = host.service.agent_directory("codex")
    begin(host, "a")
    begin(host, "b")
    begin(host, "p", "pi")
    fire(host, "a", "x", "delta", "y")
    until = roster.position
    fire(host, "p", *["flood"] * 300)
    fire(host, "b", "z", "delta")
    assert latest(roster, 3, without=frozenset({"delta"})) == [
        ("a", "x"), ("a", "y"), ("b", "z"),
    ]  # fmt: skip
    assert latest(roster, 2, until=until) == [("a", "delta"), ("a", "y")]
    a = roster.get("a")
    assert latest(roster, 2, session=a) == [("a", "delta"), ("a", "y")]


def test_a_flood_of_what_is_not_wanted_hides_nothing_recent() -> None:
    host = HostInMemory(drivers=FakeDrivers(codex=FakeDriver()), events=4096)
    roster = host.service.agent_directory("codex")
    begin(host, "a")
    fire(host, "a", "x", *["delta"] * TAILS[0])
    assert latest(roster, without=frozenset({"delta"})) == [("a", "started"), ("a", "x")]
    fire(host, "a", *["delta"] * TAILS[1])
    assert latest(roster, without=frozenset({"delta"})) == []


def test_sessions_that_were_heard_of_last_are_looked_through(host: HostInMemory) -> None:
    roster = host.service.agent_directory("codex")
    for number in range(HEARD + 1):
        begin(host, f"s{number}")
        host.clock.advance(1)
    fire(host, "s0", "x")
    sessions = {session for session, _ in latest(roster)}
    assert sessions == {f"s{number}" for number in range(HEARD + 1)} - {"s1"}


def test_a_session_that_is_forgotten_meanwhile_has_no_events(host: HostInMemory) -> None:
    roster = host.service.agent_directory("codex")
    begin(host, "a")
    session = roster.get("a")
    forgetting = started(host.service.forget("a"))
    settle(host)
    result_of(forgetting)
    assert latest(roster, session=session) == []
