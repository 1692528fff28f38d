"""What is over is said so: sessions whose agents' processes are gone have ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import to_builtins

from sxhost.agents.attached_processes import GONE, LAST_WORDS_S
from sxhost.attach import AgentSession
from sxhost.model.turn import OSProcess
from sxhost.os_process import identify
from sxhost.testing import HostInMemory
from tests.host.client.test_client_agents import do

KILLED = 9
"""The wait status of a process that SIGKILL has ended."""


def process(pid: int = 7, started: int = 1) -> OSProcess:
    return OSProcess(pid=pid, started=started, boot="b", namespace="n")


@pytest.fixture
def lab(lab: HostInMemory) -> Iterator[HostInMemory]:
    yield lab
    lab.hook_handler.close()


def hook(lab: HostInMemory, name: str, *, session: str = "a", **fields: Any) -> Any:
    body = {"hook_event_name": name, "session_id": session, "cwd": "/w"}
    body |= {"sxhost_process": to_builtins(process()), **fields}
    return lab.begin("POST", f"/hooks/{fields.get('agent', 'claude')}?wait=3000", body)


def working(lab: HostInMemory, **fields: Any) -> None:
    hook(lab, "SessionStart", source="startup", **fields)
    hook(lab, "UserPromptSubmit", prompt="go", **fields)
    assert state(lab)[0] == "working"


def state(lab: HostInMemory, session: str = "a") -> tuple[str, str]:
    found = lab.request("GET", f"/sessions/{session}").json()
    return found["detail_state"], found["reason"]


def ends(lab: HostInMemory, session: str = "a") -> list[Any]:
    events = lab.request("GET", f"/sessions/{session}/events").lines()
    return [event["data"] for event in events if event["event"] == "ended"]


def settle(lab: HostInMemory) -> None:
    lab.clock.advance(LAST_WORDS_S)
    lab.clock.advance(0)
    lab.treq.flush()


def test_killed_agent_has_ended_and_how_is_said(lab: HostInMemory) -> None:
    working(lab)
    lab.processes.end(7, KILLED)
    settle(lab)
    reason = "its process was killed by SIGKILL"
    assert ends(lab) == [{"code": None, "signal": "SIGKILL", "reason": reason}]
    assert state(lab) == ("ended", "ended")
    assert lab.processes.watched == []


def test_where_the_system_does_not_say_how_it_is_gone(lab: HostInMemory) -> None:
    working(lab)
    lab.processes.end(7)
    settle(lab)
    assert ends(lab) == [{"reason": GONE}]


def test_what_it_asks_is_asked_no_longer(lab: HostInMemory) -> None:
    working(lab)
    waiting = hook(lab, "PermissionRequest", tool_name="Bash", tool_input={"command": "ls"})
    assert state(lab)[0] == "waiting"
    lab.processes.end(7)
    settle(lab)
    assert state(lab)[0] == "ended"
    assert waiting.called
    (asked,) = lab.request("GET", "/approvals?all=1").json()
    assert (asked["state"], asked["resolution"]["reason"]) == ("withdrawn", GONE)


def test_an_end_that_its_hook_tells_is_told_once(lab: HostInMemory) -> None:
    working(lab)
    lab.processes.end(7, 0)
    hook(lab, "SessionEnd", reason="prompt_input_exit")
    settle(lab)
    assert [data["reason"] for data in ends(lab)] == ["prompt_input_exit"]


def test_a_resumed_agent_is_the_same_session_again(lab: HostInMemory) -> None:
    working(lab)
    lab.processes.end(7)
    settle(lab)
    again = to_builtins(process(8))
    hook(lab, "SessionStart", source="resume", sxhost_process=again)
    assert state(lab) == ("idle", "started")
    lab.processes.end(8)
    settle(lab)
    assert len(ends(lab)) == 2


def test_an_agent_that_is_resumed_at_once_has_not_ended(lab: HostInMemory) -> None:
    working(lab)
    lab.processes.end(7)
    hook(lab, "SessionStart", source="resume", sxhost_process=to_builtins(process(8)))
    settle(lab)
    assert ends(lab) == []
    assert [one.process.pid for one in lab.processes.watched] == [8]


def test_a_number_that_is_used_again_is_another_process(lab: HostInMemory) -> None:
    working(lab)
    hook(lab, "SessionStart", source="resume", sxhost_process=to_builtins(process(7, 99)))
    assert [one.process.started for one in lab.processes.watched] == [99]


def test_all_conversations_of_a_process_end_with_it(lab: HostInMemory) -> None:
    """Codex has several in one process."""
    for session in ("a", "b"):
        hook(lab, "SessionStart", session=session, source="startup")
    lab.processes.end(7)
    settle(lab)
    assert (state(lab, "a")[0], state(lab, "b")[0]) == ("ended", "ended")


def test_each_hook_of_a_process_is_the_same_watch(lab: HostInMemory) -> None:
    working(lab)
    for _ in range(3):
        hook(lab, "PostToolUse", tool_name="Bash", tool_use_id="t")
    assert len(lab.processes.watched) == 1


UNUSABLE = [None, {}, {"pid": 7}, "7", {**to_builtins(process()), "pid": 0}]


@pytest.mark.parametrize("given", UNUSABLE)
def test_a_hook_that_names_no_process_is_taken_and_not_watched(
    lab: HostInMemory, given: Any
) -> None:
    working(lab, sxhost_process=given)
    assert lab.processes.watched == []
    events = lab.request("GET", "/sessions/a/events").body
    assert b"sxhost_process" not in events


def test_a_deleted_session_is_not_made_again_by_its_end(lab: HostInMemory) -> None:
    working(lab)
    note = lab.request("DELETE", "/sessions/a").json()["note"]
    assert note.startswith("its agent runs on")
    lab.processes.end(7)
    settle(lab)
    assert lab.request("GET", "/sessions").json() == []


def test_after_a_restart_it_is_watched_again(lab: HostInMemory) -> None:
    working(lab)
    lab.processes.watched.clear()
    lab.restart()
    lab.service.startService()
    lab.processes.end(7)
    settle(lab)
    assert state(lab)[0] == "ended"
    do(lab, lab.service.close())


def test_after_a_restart_the_dead_are_found(lab: HostInMemory) -> None:
    hook(lab, "SessionStart", source="startup")
    lab.processes.watched.clear()
    lab.processes.over[process()] = None
    lab.restart()
    lab.service.startService()
    settle(lab)
    assert (state(lab)[0], ends(lab)) == ("ended", [{"reason": GONE}])
    lab.restart()
    lab.service.startService()
    settle(lab)
    assert len(ends(lab)) == 1
    do(lab, lab.service.close())


def test_a_host_that_stops_tells_of_no_end(lab: HostInMemory) -> None:
    working(lab)
    lab.processes.end(7)
    do(lab, lab.service.close())
    lab.clock.advance(LAST_WORDS_S)
    assert lab.processes.watched == []


def test_words_that_were_broken_off_are_told_as_cut(lab: HostInMemory) -> None:
    working(lab)
    for text in ("half ", "a word"):
        piece = {"event": "message-delta", "data": {"item": "m", "text": text}}
        lab.request("POST", "/sessions/a/events", piece)
    hook(lab, "PreToolUse", tool_name="Bash", tool_use_id="t", tool_input={})
    lab.processes.end(7)
    settle(lab)
    lines = lab.request("GET", "/sessions/a/events").lines()
    told = {line["event"]: line["data"] for line in lines[-3:]}
    assert told["message"] == {"item": "m", "text": "half a word", "cut": True}
    assert (told["tool-done"]["item"], told["tool-done"]["status"]) == ("t", "cut")
    assert list(told)[-1] == "ended"
    assert "message-delta" not in [line["event"] for line in lines]


def test_a_program_names_its_own_process(lab: HostInMemory) -> None:
    session = AgentSession(lab.clock, session_id="p", cwd="/", find=lambda: lab.client)
    session.start()
    lab.treq.flush()
    (watched,) = lab.processes.watched
    assert to_builtins(watched.process) == identify(watched.process.pid)
    session.fire("thinking")
    lab.treq.flush()
    lab.processes.end(watched.process.pid, 1 << 8)
    settle(lab)
    assert [data["reason"] for data in ends(lab, "p")] == ["its process ended with code 1"]
    lab.clock.advance(5)
