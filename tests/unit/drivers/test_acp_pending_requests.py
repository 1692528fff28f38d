"""Where questions over ACP wait: each is answered to the agent exactly once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw
from twisted.internet.task import Clock

from sxhost.drivers.acp.events import UpdateTranslator
from sxhost.drivers.acp.pending_requests import PendingRequests
from sxhost.drivers.acp.settings import SessionSettings
from sxhost.drivers.kit.jsonrpc_peer import Peer
from sxhost.errors import AgentFailed
from sxhost.model.approval import Answer
from sxhost.process.contracts import ChildExit, Command
from tests.support.fake_children import FakeReports, FakeSpawn

LEAVE = "session/request_permission"
OPTIONS = [{"optionId": "y", "kind": "allow_once"}, {"optionId": "n", "kind": "reject_once"}]


class Nobody:
    """A side that is never spoken to."""

    def notification_received(self, method: str, params: Raw) -> None: ...

    def request_received(self, number: int | str, method: str, params: Raw) -> bool:
        return False

    def process_exited(self, how: ChildExit) -> None: ...


class Room:
    def __init__(self) -> None:
        self.reports = FakeReports()
        spawn, clock = FakeSpawn(), Clock()
        peer = Peer(Nobody(), clock)
        peer.run(spawn, Command(argv=["x"], cwd="/"))
        self.child = spawn.child
        story = UpdateTranslator(self.reports, SessionSettings(lambda: None))
        self.desk = PendingRequests(peer, story, self.reports, clock)
        self.stops = 0

    def put(self, number: int | str, call: str = "c1") -> bool:
        params = {"toolCall": {"toolCallId": call, "kind": "edit"}, "options": OPTIONS}
        return self.desk.request_received(number, LEAVE, raw(params))

    def answer(self, key: str, decision: str) -> None:
        question = next(q for q in self.reports.questions if q.key == key)
        self.desk.answer(question, Answer(decision=decision), self.stop)

    def stop(self) -> None:
        self.stops += 1

    @property
    def keys(self) -> list[str]:
        return [question.key for question in self.reports.questions]


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


@pytest.fixture
def room() -> Room:
    return Room()


def test_each_request_is_a_question_of_its_own(room: Room) -> None:
    for number in ("a", "b", 0):
        assert room.put(number)
    assert room.keys == ["c1", "c1:2", "c1:3"]
    room.answer("c1:2", "approve")
    room.answer("c1", "deny")
    assert [(m["id"], m["result"]["outcome"]["optionId"]) for m in room.child.said] == [
        ("b", "y"),
        ("a", "n"),
    ]


def test_the_agent_takes_a_question_back(room: Room) -> None:
    room.put(1)
    room.put(2, "c2")
    room.desk.request_cancelled(raw({"requestId": 1}))
    room.desk.request_cancelled(raw({"requestId": 1}))
    room.desk.request_cancelled(raw({"requestId": None}))
    with pytest.raises(AgentFailed):
        room.answer("c1", "approve")
    assert [(m["id"], m["error"]["code"]) for m in room.child.said] == [(1, -32800)]
    assert room.reports.told[-1] == ("settled", "c1", "the agent took it back")


def test_all_are_withdrawn(room: Room) -> None:
    room.put(1)
    form = {"mode": "form", "message": "?", "requestedSchema": {"properties": {"a": {}}}}
    assert room.desk.request_received(2, "elicitation/create", raw(form))
    room.desk.questions.cancel_all("over")
    room.desk.questions.cancel_all("over again")
    assert [m["result"] for m in room.child.said] == [
        {"outcome": {"outcome": "cancelled"}},
        {"action": "cancel"},
    ]
    settled = [told[1:] for told in room.reports.told if told[0] == "settled"]
    assert settled == [("c1", "over"), ("elicitation", "over")]


def test_what_is_no_question(room: Room) -> None:
    assert not room.desk.request_received(1, "fs/read_text_file", raw({}))
    assert room.desk.request_received(2, LEAVE, raw({"options": 1}))
    assert room.desk.request_received(3, "elicitation/create", raw({"mode": "hologram"}))
    refusals = [(m["id"], m["error"]["code"]) for m in room.child.said]
    assert refusals == [(2, -32602), (3, -32602)]
    assert not room.keys
