"""A conversation in JSON-RPC with a child that may be rude."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw, json
from twisted.internet.task import Clock

from sxhost.codec.jsonrpc import METHOD_NOT_FOUND, Id
from sxhost.drivers.kit.jsonrpc_peer import CallRefused, Peer
from sxhost.errors import AgentFailed
from sxhost.process.contracts import ChildExit, Command
from sxhost.testing import is_done, result_of, started
from tests.support.fake_children import FakeChild, FakeSpawn


class Side:
    """A driver that keeps what it hears; it answers only what is called ``known``."""

    def __init__(self) -> None:
        self.received: list[tuple[Any, ...]] = []

    def notification_received(self, method: str, params: Raw) -> None:
        self.received.append(("noticed", method, json.decode(params)))

    def request_received(self, number: Id, method: str, params: Raw) -> bool:
        self.received.append(("asked", number, method))
        return method == "known"

    def process_exited(self, how: ChildExit) -> None:
        self.received.append(("gone", how.sentence))


class Rig:
    def __init__(self, **more: str) -> None:
        self.side = Side()
        self.peer = Peer(self.side, Clock(), more)
        spawn = FakeSpawn()
        self.peer.run(spawn, Command(argv=["x"], cwd="/"))
        self.child: FakeChild = spawn.child


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_call_waits_for_its_own_answer(rig: Rig) -> None:
    one, two = (started(rig.peer.call("add", {"n": n}, int)) for n in (1, 2))
    assert rig.child.said == [
        {"id": 1, "method": "add", "params": {"n": 1}},
        {"id": 2, "method": "add", "params": {"n": 2}},
    ]
    rig.child.say({"id": 2, "result": 20})
    assert not is_done(one)
    rig.child.say({"id": 1, "result": 10})
    assert (result_of(one), result_of(two)) == (10, 20)


def test_every_message_has_the_fields_that_all_have() -> None:
    rig = Rig(jsonrpc="2.0")
    started(rig.peer.call("a", {})).addErrback(lambda _: None)
    rig.peer.notify("b")
    rig.peer.notify("b", [1])
    rig.peer.respond(7, "seven")
    rig.peer.respond_error("x", -1, "no")
    assert all(message.pop("jsonrpc") == "2.0" for message in rig.child.said)
    assert rig.child.said[1:] == [
        {"method": "b"},
        {"method": "b", "params": [1]},
        {"id": 7, "result": "seven"},
        {"id": "x", "error": {"code": -1, "message": "no"}},
    ]


def test_a_refusal_is_raised_with_its_number(rig: Rig) -> None:
    call = started(rig.peer.call("turn/start", {}))
    rig.child.say({"id": 1, "error": {"code": -32001, "message": "too busy."}})
    with pytest.raises(
        CallRefused, match=r"^The agent refused turn/start: too busy\.$"
    ) as caught:
        result_of(call)
    assert (caught.value.number, caught.value.refusal.message) == (-32001, "too busy.")


def test_an_answer_of_another_type_is_the_agent_s_failure(rig: Rig) -> None:
    call = started(rig.peer.call("add", {}, int))
    rig.child.say({"id": 1, "result": "ten"})
    with pytest.raises(AgentFailed, match="answer to add is wrong"):
        result_of(call)


@pytest.mark.parametrize(
    "lines",
    [
        [{"id": 1, "result": 1}, {"id": 1, "result": 2}],
        [{"id": 99, "result": 0}, {"id": "1", "result": 0}, {"id": 1, "result": 1}],
        [b"rubbish", b"", b"  ", b"[]", b"\xff", {"id": 1, "result": 1}],
        [{"id": None, "error": {"code": -32700, "message": "?"}}, {"id": 1, "result": 1}],
    ],
)
def test_what_is_said_beside_does_no_harm(rig: Rig, lines: list[Any]) -> None:
    call = started(rig.peer.call("one", {}, int))
    rig.child.say(*lines)
    assert result_of(call) == 1


def test_what_is_asked_is_answered_or_refused(rig: Rig) -> None:
    rig.child.say({"id": "q", "method": "known"}, {"id": 0, "method": "item/nobody/knows"})
    assert rig.side.received == [
        ("asked", "q", "known"),
        ("asked", 0, "item/nobody/knows"),
    ]
    (refused,) = rig.child.said
    assert (refused["id"], refused["error"]["code"]) == (0, METHOD_NOT_FOUND)


def test_what_is_told_is_passed_on(rig: Rig) -> None:
    rig.child.say({"method": "turn/started", "params": {"turn": 1}})
    assert rig.side.received == [("noticed", "turn/started", {"turn": 1})]


def test_the_end_is_passed_on(rig: Rig) -> None:
    rig.child.die(ChildExit(code=3, stderr="no disk\n"))
    assert rig.side.received == [("gone", "the agent ended with code 3: no disk")]
    with pytest.raises(AgentFailed, match="nobody to ask"):
        result_of(rig.peer.call("c", {}))


def test_an_answer_that_nobody_waits_for_any_more(rig: Rig) -> None:
    call = started(rig.peer.call("slow", {}))
    call.addErrback(lambda _: None)
    call.cancel()
    rig.child.say({"id": 1, "result": 1})
    assert is_done(call)
