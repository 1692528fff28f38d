"""The hosted sessions of one kind of agent, and what they said last."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.faces.codexd.directory import MOST_SESSIONS, TAILS, CodexDirectory
from sxhost.model.event import EventDraft
from sxhost.model.session import Registration
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


def latest(directory: CodexDirectory, most: int = 50, **how: Any) -> list[tuple[str, str]]:
    events = result_of(directory.latest(most, how.pop("until", directory.end.position), **how))
    return [(event.session, event.event) for event in events]


def test_directory_has_hosted_codex_sessions_only(host: HostInMemory) -> None:
    directory = CodexDirectory(host.service)
    begin(host, "b")
    host.clock.advance(1)
    begin(host, "a")
    begin(host, "p", "pi")
    result_of(host.service.register("attached", Registration(agent="codex")))
    assert [session.id for session in directory.sessions()] == ["b", "a"]
    assert [bool(directory.get(name)) for name in ("a", "p", "attached", "none")] == [
        True, False, False, False,
    ]  # fmt: skip


def test_conversation_is_found_by_its_native_id(host: HostInMemory) -> None:
    directory = CodexDirectory(host.service)
    begin(host, "a")
    begin(host, "b", resume="thread")
    for name, expected in (("native-1", "a"), ("thread", "b"), ("other", None)):
        found = directory.find_thread(name)
        assert (found and found.id) == expected


def test_latest_events_of_all_sessions(host: HostInMemory) -> None:
    directory = CodexDirectory(host.service)
    begin(host, "a")
    begin(host, "b")
    begin(host, "p", "pi")
    fire(host, "a", "x", "delta", "y")
    until = directory.end.position
    fire(host, "p", *["flood"] * 300)
    fire(host, "b", "z", "delta")
    assert latest(directory, 3, without=frozenset({"delta"})) == [
        ("a", "x"), ("a", "y"), ("b", "z"),
    ]  # fmt: skip
    assert latest(directory, 2, until=until) == [("a", "delta"), ("a", "y")]
    a = directory.get("a")
    assert latest(directory, 2, session=a) == [("a", "delta"), ("a", "y")]


def test_flood_of_deltas_hides_no_recent_event() -> None:
    host = HostInMemory(drivers=FakeDrivers(codex=FakeDriver()), events=4096)
    directory = CodexDirectory(host.service)
    begin(host, "a")
    fire(host, "a", "x", *["delta"] * TAILS[0])
    assert latest(directory, without=frozenset({"delta"})) == [("a", "started"), ("a", "x")]
    fire(host, "a", *["delta"] * TAILS[1])
    assert latest(directory, without=frozenset({"delta"})) == []


def test_most_recently_active_sessions_are_searched(host: HostInMemory) -> None:
    directory = CodexDirectory(host.service)
    for number in range(MOST_SESSIONS + 1):
        begin(host, f"s{number}")
        host.clock.advance(1)
    fire(host, "s0", "x")
    sessions = {session for session, _ in latest(directory)}
    assert sessions == {f"s{number}" for number in range(MOST_SESSIONS + 1)} - {"s1"}


def test_session_forgotten_meanwhile_has_no_events(host: HostInMemory) -> None:
    directory = CodexDirectory(host.service)
    begin(host, "a")
    session = directory.get("a")
    forgetting = started(host.service.forget("a"))
    settle(host)
    result_of(forgetting)
    assert latest(directory, session=session) == []
