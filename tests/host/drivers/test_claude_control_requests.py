"""Control requests: each is answered, refused, late, or outlived."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw
from twisted.internet.task import Clock

from sxhost.drivers.claude.control_requests import ControlRequests
from sxhost.drivers.claude.messages import ControlResult
from sxhost.errors import AgentFailed
from sxhost.process.contracts import ChildExit
from sxhost.testing import result_of, started

ASK = {"subtype": "interrupt"}


class Asking:
    """A control and what it says."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.clock = Clock()
        self.control = ControlRequests(self.said.append, self.clock)


def test_answers_find_their_requests() -> None:
    asking = Asking()
    first, second = (started(asking.control.send_request(ASK, 1)) for _ in range(2))
    assert asking.said[0] == {"type": "control_request", "request_id": "req_1", "request": ASK}
    assert asking.control.response_received(ControlResult("req_2", "success", Raw(b"2")))
    assert asking.control.response_received(ControlResult("req_1", "success", Raw(b"1")))
    assert [bytes(result_of(work)) for work in (first, second)] == [b"1", b"2"]
    assert not asking.control.response_received(ControlResult("req_1", "success"))
    assert asking.clock.getDelayedCalls() == []


def test_a_refusal() -> None:
    asking = Asking()
    work = started(asking.control.send_request(ASK, 1))
    asking.control.response_received(ControlResult("req_1", "error"))
    with pytest.raises(AgentFailed, match="Claude refused interrupt: no reason is given"):
        result_of(work)


def test_an_answer_that_comes_too_late() -> None:
    asking = Asking()
    work = started(asking.control.send_request(ASK, 2))
    asking.clock.advance(2)
    with pytest.raises(AgentFailed, match="did not answer interrupt within 2 s"):
        result_of(work)
    assert not asking.control.response_received(ControlResult("req_1", "success"))


def test_the_end() -> None:
    asking = Asking()
    works = [started(asking.control.send_request(ASK, 2)) for _ in range(2)]
    asking.control.process_exited(ChildExit(code=1, stderr="oops\n"))
    for work in [*works, started(asking.control.send_request(ASK, 2))]:
        with pytest.raises(AgentFailed, match="the agent ended with code 1: oops"):
            result_of(work)
    assert len(asking.said) == 2
    assert asking.clock.getDelayedCalls() == []
