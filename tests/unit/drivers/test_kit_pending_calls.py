"""Each call ends once: answered, refused, too late, or with the program."""

from __future__ import annotations

import pytest
from msgspec import Raw
from twisted.internet.task import Clock

from sxhost.drivers.kit.pending_calls import PendingCalls, decode_answer
from sxhost.errors import AgentFailed
from sxhost.process.contracts import ChildExit
from sxhost.testing import is_done, result_of


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.calls = PendingCalls("The agent", self.clock)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_answer_finds_its_call(bench: Bench) -> None:
    (one, first), (two, second) = bench.calls.open("a"), bench.calls.open("b", prefix="r")
    assert (one, two) == (1, "r2")
    assert (bench.calls.name_of(1), bench.calls.name_of("r2")) == ("a", "b")
    bench.calls.succeed("r2", Raw(b"2"))
    assert not is_done(first)
    bench.calls.succeed(1, Raw(b"1"))
    assert (result_of(first), result_of(second)) == (Raw(b"1"), Raw(b"2"))


def test_a_call_that_ended_waits_no_more(bench: Bench) -> None:
    number, result = bench.calls.open("a", 5)
    bench.calls.refuse(number, AgentFailed("No."))
    with pytest.raises(AgentFailed, match=r"No\."):
        result_of(result)
    assert bench.calls.name_of(number) is None
    assert bench.calls.name_of(None) is None
    assert bench.clock.getDelayedCalls() == []


def test_the_oldest_call_of_a_name_is_found(bench: Bench) -> None:
    for name in ("a", "b", "b"):
        bench.calls.open(name)
    assert (bench.calls.first_named("b"), bench.calls.first_named("c")) == (2, None)


def test_a_call_is_given_up_after_its_limit(bench: Bench) -> None:
    number, result = bench.calls.open("a", 5)
    bench.clock.advance(5)
    with pytest.raises(AgentFailed, match="The agent has not answered a within 5 s"):
        result_of(result)
    assert bench.calls.name_of(number) is None


def test_a_call_that_is_cancelled_is_forgotten(bench: Bench) -> None:
    number, result = bench.calls.open("a")
    result.addErrback(lambda _: None).cancel()
    assert bench.calls.name_of(number) is None


def test_calls_fail_when_the_program_ends_and_afterwards(bench: Bench) -> None:
    results = [bench.calls.open(name, 5)[1] for name in "ab"]
    bench.calls.process_exited(ChildExit(code=3, stderr="no disk\n"))
    for name, result in zip("ab", results, strict=True):
        with pytest.raises(AgentFailed, match=f"No answer to {name}: .*no disk"):
            result_of(result)
    with pytest.raises(AgentFailed, match="nobody to ask: the agent ended with code 3"):
        result_of(bench.calls.open("c", 5)[1])
    assert bench.clock.getDelayedCalls() == []


def test_a_call_may_be_cancelled_by_another_that_fails(bench: Bench) -> None:
    first, second = (bench.calls.open(name)[1] for name in "ab")
    second.addErrback(lambda _: None)
    first.addErrback(lambda _: second.cancel())
    bench.calls.process_exited(ChildExit(code=0))
    assert is_done(second)


def test_an_answer_is_decoded_or_the_agent_s_failure() -> None:
    assert decode_answer("add", Raw(b"7"), int) == 7
    for answer in (b'"seven"', b"rubbish", b"[" * 100_000):
        with pytest.raises(AgentFailed, match="answer to add is wrong"):
            decode_answer("add", Raw(answer), int)
