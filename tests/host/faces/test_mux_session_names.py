"""Sessions whose clients call them what is no id of the host, from one face to another."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.faces.pi.session_names import id_of
from sxhost.model.caller import Caller
from sxhost.model.event_types import MessageEvent
from sxhost.testing import HostInMemory, result_of
from tests.support.multiplexer_in_memory import Peer

NAMES = [".", "..", ".a", "-a", "_a", "." * 126, "a" * 129, "_" + "b" * 255]


@pytest.fixture
def lab() -> HostInMemory:
    return HostInMemory()


def named_in(value: Any) -> set[str]:
    """Return the ids of sessions that are anywhere in frames."""
    if isinstance(value, list):
        return {name for each in value for name in named_in(each)}
    if not isinstance(value, dict):
        return set()
    here = {value["sessionId"]} if "sessionId" in value else set()
    return here | named_in(list(value.values()))


def done(lab: HostInMemory, *request: Any) -> None:
    """Have another face do what takes some turns of the reactor."""
    work = lab.begin(*request)
    for _ in range(20):
        lab.clock.advance(0)
        lab.treq.flush()
    assert result_of(work).status < 300


@pytest.mark.parametrize("name", NAMES, ids=len)
def test_a_session_has_its_name_in_every_frame(lab: HostInMemory, name: str) -> None:
    peer, other = Peer(lab), Peer(lab)
    assert peer.ask("create_session", name, agent="fake")["success"]
    assert other.ask("switch_session", name)["success"]
    peer.say("switch_session", name)
    peer.say("prompt", name, message="hello")
    lab.drivers.last.reports.report_event(MessageEvent(item="1", text="hi"))
    lab.drivers.last.reports.turn_ended("completed")
    peer.settle()
    for kind in ("list_sessions", "list_stored_sessions", "get_state"):
        peer.ask(kind, None if kind.startswith("list") else name)
    assert peer.ask("set_session_name", name, name="a title")["sessionVersion"] == 2
    again = peer.ask("create_session", name, agent="fake")
    assert again["error"] == f"Session {name} already exists"
    assert peer.ask("delete_session", name)["success"]
    assert peer.ask("get_state", name)["error"] == f"Session {name} not found"
    assert "agent_end" in {each["type"] for each in other.events}
    assert named_in(peer.frames) == named_in(other.frames) == {name}
    assert [each["type"] for each in other.frames].count("session_deleted") == 1


@pytest.mark.parametrize("name", NAMES, ids=len)
def test_a_session_keeps_its_name_in_the_next_life(lab: HostInMemory, name: str) -> None:
    Peer(lab).say("create_session", name, agent="fake")
    lab.restart()
    peer = Peer(lab)
    assert peer.ask("switch_session", name)["data"]["sessionInfo"]["sessionId"] == name
    (info,) = peer.ask("list_sessions")["data"]["sessions"]
    assert info["sessionId"] == name


@pytest.mark.parametrize("name", NAMES, ids=len)
def test_other_faces_see_an_id_and_the_name(lab: HostInMemory, name: str) -> None:
    peer = Peer(lab)
    peer.say("create_session", name, agent="fake")
    (summary,) = lab.request("GET", "/sessions").json()
    assert summary["id"] == id_of(name) != name
    detail = lab.request("GET", f"/sessions/{summary['id']}").json()
    assert detail["metadata"] == {"pi_session_id": name}
    peer.say("switch_session", name)
    peer.forget()
    done(lab, "DELETE", f"/sessions/{summary['id']}")
    peer.settle()
    assert peer.frames[-1] == {"type": "session_deleted", "data": {"sessionId": name}}
    assert named_in(peer.frames) == {name}


def test_all_subscribers_are_told_the_name_of_what_another_face_deletes(
    lab: HostInMemory,
) -> None:
    name = "a" * 200
    peers = [Peer(lab), Peer(lab)]
    peers[0].say("create_session", name, agent="fake")
    for peer in peers:
        peer.say("switch_session", name)
        peer.forget()
    done(lab, "DELETE", f"/sessions/{id_of(name)}")
    for peer in peers:
        peer.settle()
        assert peer.frames[-1] == {"type": "session_deleted", "data": {"sessionId": name}}
        assert named_in(peer.frames) == {name}


def test_names_that_are_alike_are_of_sessions_apart(lab: HostInMemory) -> None:
    peer = Peer(lab)
    names = ["a" * 200, "a" * 201, "." + "a" * 199, ".a", "a", "-a", "pi-a"]
    for name in names:
        assert peer.ask("create_session", name, agent="fake")["success"]
    shown = peer.ask("list_sessions")["data"]["sessions"]
    assert sorted(each["sessionId"] for each in shown) == sorted(names)


def test_a_session_of_another_face_has_the_name_that_its_id_says(lab: HostInMemory) -> None:
    for session_id in ("pi:.a", "pi:a"):
        done(lab, "POST", "/sessions", {"agent": "fake", "id": session_id})
    peer = Peer(lab)
    shown = peer.ask("list_sessions")["data"]["sessions"]
    assert {each["sessionId"] for each in shown} == {".a", "pi:a"}
    assert peer.ask("switch_session", ".a")["success"]
    assert peer.ask("switch_session", "pi:a")["success"]


def test_a_token_for_one_session_reaches_it_by_its_name(lab: HostInMemory) -> None:
    Peer(lab).say("create_session", ".a", agent="fake")
    Peer(lab).say("create_session", ".b", agent="fake")
    peer = Peer(lab, Caller(frozenset({"read", "send"}), "pi:.a"))
    assert peer.ask("switch_session", ".a")["success"]
    assert not peer.ask("switch_session", ".b")["success"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a" * 257, "Session ID too long (max 256 characters)"),
        ("a:b", "Session ID must contain only alphanumeric"),
        ("pi:.a", "Session ID must contain only alphanumeric"),
        ("a\n", "Session ID must contain only alphanumeric"),
        ("\u00e4", "Session ID must contain only alphanumeric"),
    ],
)
def test_other_names_cannot_be_chosen(lab: HostInMemory, name: str, why: str) -> None:
    assert Peer(lab).ask("create_session", name, agent="fake")["error"].startswith(why)


def test_the_hosts_sentences_have_the_name() -> None:
    lab = HostInMemory(messages=1)
    lab.request("POST", "/sessions/pi:.a/register", {"model": "m"})
    peer = Peer(lab)
    assert peer.ask("steer", ".a", message="x")["success"]
    assert "already wait for '.a'" in peer.ask("steer", ".a", message="x")["error"]
