"""A client: what it subscribes to, and what happens when it is behind."""

from __future__ import annotations

import pytest

from sxhost.model.event import EventDraft
from sxhost.model.event_types import MessageDeltaEvent
from sxhost.testing import HostInMemory, result_of, started
from tests.support.multiplexer_in_memory import Peer


@pytest.fixture
def lab() -> HostInMemory:
    lab = HostInMemory(events=3, retain=3)
    fire(lab, "s", 1)
    return lab


@pytest.fixture
def peer(lab: HostInMemory) -> Peer:
    return Peer(lab)


def fire(lab: HostInMemory, session: str, number: int) -> None:
    draft = EventDraft.of("message", {"text": f"{number}"})
    result_of(lab.service.fire(session, draft))
    for _ in range(3):
        lab.clock.advance(0.005)


def seqs(peer: Peer) -> list[int]:
    """Return the numbers of the events, each of which is some frames."""
    return list(dict.fromkeys(one["seq"] for one in peer.frames if one["type"] == "event"))


def test_subscription_from_now(lab: HostInMemory, peer: Peer) -> None:
    cursor = peer.ask("switch_session", "s")["data"]["cursor"]
    fire(lab, "s", 2)
    fire(lab, "other", 1)
    assert seqs(peer) == [2]
    again = Peer(lab)
    again.ask("switch_session", "s", after=cursor)
    assert seqs(again) == [2], "and it goes on exactly there"


def test_subscription_from_a_cursor(lab: HostInMemory, peer: Peer) -> None:
    fire(lab, "s", 2)
    peer.ask("switch_session", "s", after="0")
    assert seqs(peer) == [1, 2]
    peer.ask("switch_session", "s")
    fire(lab, "s", 3)
    assert seqs(peer) == [1, 2, 3], "a second time changes nothing"
    last = [one for one in peer.frames if one["type"] == "event" and one["seq"] == 2][-1][
        "cursor"
    ]
    peer.forget()
    peer.ask("switch_session", "s", after=last)
    assert seqs(peer) == [3], "but another place does"


def test_event_cut_by_a_disconnect_is_sent_again(lab: HostInMemory, peer: Peer) -> None:
    peer.ask("switch_session", "s", after="0")
    start, end = [one for one in peer.frames if one["type"] == "event"]
    assert [one["event"]["type"] for one in (start, end)] == ["message_start", "message_end"]
    again = Peer(lab)
    again.ask("switch_session", "s", after=start["cursor"])
    assert [one for one in again.frames if one["type"] == "event"] == [start, end]


def test_unsubscribed_session_sends_nothing(lab: HostInMemory, peer: Peer) -> None:
    peer.ask("switch_session", "s")
    assert peer.ask("unsubscribe", "s")["data"] == {"unsubscribed": True}
    fire(lab, "s", 2)
    assert seqs(peer) == []
    assert peer.ask("unsubscribe", "nobody")["error"] == "Session nobody not found"


def test_paused_client_continues_later(lab: HostInMemory, peer: Peer) -> None:
    peer.ask("switch_session", "s")
    peer.paused = True
    peer.client.pause_subscriptions()
    peer.forget()
    fire(lab, "s", 2)
    Peer(lab).ask("health_check")
    assert peer.frames == []
    peer.paused = False
    peer.client.resume_subscriptions()
    assert peer.frames[0] == {"type": "gap", "reason": "slow", "missed": 3}
    assert seqs(peer) == [2]


def test_retention_gap_is_reported(lab: HostInMemory, peer: Peer) -> None:
    peer.ask("switch_session", "s")
    peer.paused = True
    peer.client.pause_subscriptions()
    for number in range(2, 9):
        fire(lab, "s", number)
    peer.paused = False
    peer.forget()
    peer.client.resume_subscriptions()
    gap = next(one for one in peer.frames if one["type"] == "gap")
    assert (gap["sessionId"], gap["reason"]) == ("s", "retention")
    assert seqs(peer)[-1] == 8


def test_deleted_session_is_reported(lab: HostInMemory, peer: Peer) -> None:
    peer.ask("switch_session", "s")
    result_of(lab.service.forget("s"))
    peer.settle()
    assert peer.client.subscriptions == {}
    assert peer.frames[-1] == {"type": "session_deleted", "data": {"sessionId": "s"}}
    assert peer.ask("switch_session", "s")["error"] == "Session s not found"


def test_attached_sessions_are_subscribed(lab: HostInMemory, peer: Peer) -> None:
    peer.ask("switch_session", "s")
    (info,) = peer.ask("list_sessions")["data"]["sessions"]
    assert (info["sessionId"], info["kind"], info["messageCount"]) == ("s", "attached", 1)
    assert peer.ask("prompt", "s", message="do it")["success"]
    assert peer.ask("steer", "s", message="now")["success"]
    (first, second) = lab.request("GET", "/sessions/s/messages").json()
    assert [first["content"], first["mode"]] == ["do it", "auto"]
    assert [second["content"], second["mode"]] == ["now", "interrupt"]
    assert peer.ask("get_last_assistant_text", "s")["data"] == {"text": "1"}
    why = peer.ask("compact", "s")["error"]
    assert why == "compact is not supported by attached sessions"


def test_first_prompt_of_a_session_is_no_name_of_it(lab: HostInMemory, peer: Peer) -> None:
    lab.request("POST", "/sessions/s/events", {"event": "user-message", "data": {"text": "go"}})
    assert lab.request("GET", "/sessions/s").json()["title"] == "go"
    assert "sessionName" not in peer.ask("list_sessions")["data"]["sessions"][0]
    lab.request("POST", "/sessions/s/register", {"title": "Mine"})
    assert peer.ask("list_sessions")["data"]["sessions"][0]["sessionName"] == "Mine"


def test_disconnected_client_is_forgotten(lab: HostInMemory, peer: Peer) -> None:
    peer.ask("switch_session", "s")
    peer.client.connection_closed()
    peer.forget()
    fire(lab, "s", 2)
    assert peer.frames == []
    assert (lab.mux.clients.connected, lab.notifier.subscribers) == ({}, 0)


def grown(peer: Peer) -> list[object]:
    """Return what each piece says that the message is."""
    updates = [one for one in peer.events if one["type"] == "message_update"]
    return [one["message"]["content"] for one in updates if "message" in one]


def says(lab: HostInMemory, text: str) -> None:
    """Let an agent say a piece, and have it in the log."""
    lab.drivers.last.reports.report_event(MessageDeltaEvent(item="1", text=text))
    for _ in range(6):
        lab.clock.advance(0.02)


def test_late_subscriber_gets_the_start_of_the_run() -> None:
    lab = HostInMemory()
    peer = Peer(lab)
    peer.ask("create_session", "h", agent="fake")
    peer.say("prompt", "h", message="go")
    for text in ("so ", "it "):
        says(lab, text)
    peers = [Peer(lab), Peer(lab), Peer(lab)]
    peers[0].ask("switch_session", "h")
    peers[1].ask("switch_session", "h", snapshots=False)
    peers[2].ask("switch_session", "h", after="0")
    says(lab, "goes")
    whole = [{"type": "text", "text": "so it goes"}]
    assert grown(peers[0]) == [whole]
    assert [one["type"] for one in peers[1].events] == ["message_update"]
    assert grown(peers[1]) == []
    assert grown(peers[2])[-1] == whole


def test_session_of_the_same_id_begins_anew() -> None:
    lab = HostInMemory()
    peer = Peer(lab)
    for text in ("old", "new"):
        peer.ask("create_session", "h", agent="fake")
        peer.ask("switch_session", "h")
        peer.say("prompt", "h", message="go")
        peer.forget()
        says(lab, text)
        assert grown(peer)[-1] == [{"type": "text", "text": text}]
        lab.drivers.last.reports.turn_ended("completed")
        peer.settle()
        started(lab.service.forget("h"))
        peer.settle()
