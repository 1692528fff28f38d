"""The host's end of a dialogue in lines: messages, strange lines, the start and the end."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from sxhost.drivers.kit.line_client import STRANGE_LINES, LineClient
from sxhost.errors import AgentFailed, BadField
from sxhost.process.contracts import ChildExit, Command
from sxhost.testing import is_done, result_of, started
from tests.support.fake_children import FakeChild, FakeSpawn


class NumberClient(LineClient[int]):
    """A protocol of numbers, a line each."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        super().__init__("The abacus", Clock(), self.received.append)

    def decode(self, line: bytes) -> int:
        return int(line)

    def message_received(self, message: int, line: bytes) -> None:
        self.received.append((message, line))


class Bench:
    def __init__(self) -> None:
        self.client = NumberClient()
        self.spawn = FakeSpawn()

    @property
    def child(self) -> FakeChild:
        return self.spawn.child

    def run(self) -> None:
        self.client.run(self.spawn, Command(argv=["abacus"], cwd="/"))


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.run()
    return bench


def test_lines_are_messages_and_blank_ones_are_none(bench: Bench) -> None:
    bench.child.say(b"7", b"", b"  ", b"8")
    assert bench.client.received == [(7, b"7"), (8, b"8")]


def test_strange_lines_do_not_fill_the_log(bench: Bench) -> None:
    with capturedLogs() as events:
        bench.child.say(*[b"rubbish"] * (STRANGE_LINES + 50))
    assert len(events) == STRANGE_LINES
    assert (events[0]["program"], events[0]["line"]) == ("The abacus", b"rubbish")
    assert bench.client.received == []


def test_it_is_running_from_its_start_to_its_end() -> None:
    bench = Bench()
    bench.client.send(b"1")
    assert not bench.client.running
    bench.run()
    running = [bench.client.running]
    bench.client.send(b"2")
    how = ChildExit(code=3)
    bench.child.die(how)
    assert [*running, bench.client.running] == [True, False]
    assert (bench.child.said, bench.client.exit, bench.client.received) == ([2], how, [how])


def test_pending_calls_have_failed_when_the_end_is_reported(bench: Bench) -> None:
    _, result = bench.client.calls.open("add")
    result.addErrback(lambda failure: bench.client.received.append(str(failure.value)))
    bench.child.die(ChildExit(code=3))
    text = "No answer to add: the agent ended with code 3."
    assert bench.client.received == [text, ChildExit(code=3)]


async def ready(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


def test_a_program_that_is_ready_goes_on(bench: Bench) -> None:
    assert result_of(bench.client.shake_hands(ready(5))) == 5
    assert bench.client.running


@pytest.mark.parametrize("error", [AgentFailed("It refuses."), BadField("model", "Unknown.")])
def test_a_program_that_does_not_become_ready_is_ended(bench: Bench, error: Any) -> None:
    with pytest.raises(AgentFailed, match=error.message):
        result_of(bench.client.shake_hands(ready(error)))
    assert not bench.client.running


def test_the_reason_has_what_the_program_printed_last(bench: Bench) -> None:
    work = started(bench.client.shake_hands(bench.client.calls.open("hello")[1]))
    assert not is_done(work)
    bench.child.die(ChildExit(code=1, stderr="Error: no disk\nbye\n"))
    with pytest.raises(AgentFailed, match=r"ended with code 1: Error: no disk\. .*: bye"):
        result_of(work)


def test_a_defect_is_raised_as_it_is(bench: Bench) -> None:
    with pytest.raises(KeyError):
        result_of(bench.client.shake_hands(ready(KeyError("x"))))
    assert not bench.client.running
