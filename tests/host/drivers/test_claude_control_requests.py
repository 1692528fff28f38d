"""Claude's lines, and the host's control requests beside them."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from sxhost.drivers.claude.control_requests import ClaudeClient
from sxhost.errors import AgentFailed
from sxhost.process.contracts import ChildExit, Command
from sxhost.testing import result_of, started
from tests.support.fake_children import FakeChild, FakeSpawn

ASK = {"subtype": "interrupt"}


class Ends:
    """Both ends of a dialogue."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.exits: list[ChildExit] = []
        self.client = ClaudeClient(
            Clock(), lambda message, _line: self.lines.append(message), self.exits.append
        )
        spawn = FakeSpawn()
        self.client.run(spawn, Command(argv=["claude"], cwd="/"))
        self.child: FakeChild = spawn.child

    def respond(self, request_id: str, subtype: str, **more: Any) -> None:
        response = {"request_id": request_id, "subtype": subtype, **more}
        self.child.say({"type": "control_response", "response": response})


def test_responses_find_their_requests() -> None:
    ends = Ends()
    first, second = (started(ends.client.request(1, "interrupt")) for _ in range(2))
    assert ends.child.said[0] == {
        "type": "control_request",
        "request_id": "req_1",
        "request": ASK,
    }
    ends.respond("req_2", "success", response=2)
    ends.respond("req_1", "success", response=1)
    assert [bytes(result_of(work)) for work in (first, second)] == [b"1", b"2"]
    assert ends.lines == []


def test_a_refusal() -> None:
    ends = Ends()
    work = started(ends.client.request(1, "interrupt"))
    ends.respond("req_1", "error")
    with pytest.raises(AgentFailed, match="Claude refused interrupt: no reason is given"):
        result_of(work)


def test_a_response_that_nobody_waits_for_is_logged() -> None:
    ends = Ends()
    with capturedLogs() as events:
        ends.respond("req_1", "success")
    assert "nobody asked" in events[0]["why"]
    assert ends.lines == []


def test_other_lines_are_passed_on() -> None:
    ends = Ends()
    ends.child.say({"type": "surprise"}, b"rubbish")
    assert [line.type for line in ends.lines] == ["surprise"]
    how = ChildExit(code=1)
    ends.child.die(how)
    assert ends.exits == [how]
