"""Commands to pi, and whose its answers are."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from sxhost.drivers.pi.decoder import DecodedLine
from sxhost.drivers.pi.messages import PiState
from sxhost.drivers.pi.rpc import RpcClient
from sxhost.errors import AgentFailed, CommandRefused
from sxhost.process.contracts import ChildExit, Command
from sxhost.testing import is_done, result_of, started
from tests.support.agents.recorded_pi import plain, printed
from tests.support.fake_children import FakeChild, FakeSpawn


class Ends:
    """Both ends of a conversation."""

    def __init__(self) -> None:
        self.heard: list[DecodedLine] = []
        self.gone: list[ChildExit] = []
        self.calls = RpcClient(Clock(), self.heard.append, self.gone.append)
        spawn = FakeSpawn()
        self.calls.run(spawn, Command(argv=["pi"], cwd="/"))
        self.child: FakeChild = spawn.child

    def say(self, **message: Any) -> None:
        self.child.say(printed({"type": "response", **message}))


def test_answers_find_their_commands() -> None:
    ends = Ends()
    first, second = ends.calls.send_command("one"), ends.calls.send_command("two", {"x": 1})
    assert ends.child.said == [{"id": "r1", "type": "one"}, {"x": 1, "id": "r2", "type": "two"}]
    ends.say(id="r2", command="two", success=True, data={"y": 2})
    ends.say(id="r1", command="one", success=True)
    assert (plain(result_of(first)), plain(result_of(second))) == (None, {"y": 2})


def test_a_refusal() -> None:
    ends = Ends()
    work = ends.calls.send_command("one")
    ends.say(id="r1", command="one", success=False, error="No model.")
    with pytest.raises(CommandRefused, match="pi refused one: No model") as refused:
        result_of(work)
    assert refused.value.reason == "No model."


def test_a_refusal_without_a_name_is_that_of_its_command() -> None:
    ends = Ends()
    other, first, second = (
        ends.calls.send_command("a"),
        ends.calls.send_command("b"),
        ends.calls.send_command("b"),
    )
    ends.say(command="b", success=False, error="Unknown command: b")
    with pytest.raises(CommandRefused):
        result_of(first)
    assert not is_done(other)
    assert not is_done(second)
    ends.say(command="parse", success=False, error="no JSON")
    assert not is_done(other)
    assert not is_done(second)


def test_an_answer_of_another_shape() -> None:
    ends = Ends()
    work = started(ends.calls.query("get_state", PiState))
    ends.say(id="r1", command="get_state", success=True, data=[])
    with pytest.raises(AgentFailed, match="answer to get_state is wrong"):
        result_of(work)
