"""When a turn of pi's is over, and how: the old line, the newer one, and those between."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.agents.recorded_pi import Pi

RETRY = {"type": "auto_retry_start", "attempt": 1, "maxAttempts": 3, "delayMs": 2000}
GIVES_UP = {"type": "auto_retry_end", "success": False, "attempt": 1}
COMPACTS = {"type": "compaction_start", "reason": "threshold"}
COMPACTED = {"type": "compaction_end", "reason": "threshold", "result": {}}
BEGINS = {"type": "agent_start"}


@pytest.fixture
def running() -> Pi:
    """A pi in the middle of a turn."""
    host = Pi()
    host.start()
    host.submit()
    return host


def looks(host: Pi) -> int:
    return sum(m["type"] == "get_state" for m in host.child.said)


@pytest.mark.parametrize(
    ("stop", "error", "told"),
    [
        ("stop", None, ("completed", "")),
        ("length", None, ("completed", "")),
        ("error", "400 no", ("failed", "400 no")),
        ("error", None, ("failed", "pi does not say why")),
        ("aborted", "Request was aborted", ("interrupted", "Request was aborted")),
    ],
)
def test_the_last_answer_tells_how(
    running: Pi, stop: str, error: str | None, told: Any
) -> None:
    running.end(stop, error)
    assert running.ended() == [told]


def test_old_pi_is_asked_whether_it_is_over(running: Pi) -> None:
    before = looks(running)
    running.end()
    assert looks(running) == before + 1
    assert running.ended() == [("completed", "")]


def test_newer_pi_says_it_itself(running: Pi) -> None:
    before = looks(running)
    running.end(willRetry=False)
    assert running.ended() == []
    running.say({"type": "agent_settled"})
    assert running.ended() == [("completed", "")]
    assert looks(running) == before
    assert not running.clock.getDelayedCalls()


def test_pi_between_both_is_asked_a_little_later(running: Pi) -> None:
    running.end(willRetry=False)
    running.clock.advance(1)
    assert running.ended() == [("completed", "")]


def test_old_pi_tries_again(running: Pi) -> None:
    running.mute.add("get_state")
    running.end("error", "overloaded")
    running.say(RETRY)
    running.reply("get_state", running.state)
    assert running.ended() == []
    running.clock.advance(2)
    running.say(BEGINS)
    running.clock.advance(60)
    running.mute.discard("get_state")
    running.end()
    assert running.ended() == [("completed", "")]


def test_newer_pi_tries_again(running: Pi) -> None:
    running.end("error", "overloaded", willRetry=True)
    running.say(RETRY)
    running.clock.advance(2)
    running.say(BEGINS)
    running.end(willRetry=False)
    running.say({"type": "agent_settled", "aborted": False})
    assert running.ended() == [("completed", "")]


def test_a_retry_that_is_given_up(running: Pi) -> None:
    running.mute.add("get_state")
    running.end("error", "overloaded")
    running.mute.discard("get_state")
    running.say(RETRY, GIVES_UP)
    assert running.ended() == [("failed", "overloaded")]


def test_a_retry_that_is_interrupted(running: Pi) -> None:
    running.mute.add("get_state")
    running.end("error", "overloaded")
    running.mute -= {"get_state", "abort"}
    running.say(RETRY)
    running.pi._turns.interrupt_requested()
    running.say(GIVES_UP)
    assert running.ended() == [("interrupted", "overloaded")]


def test_a_retry_that_never_comes(running: Pi) -> None:
    running.mute.add("get_state")
    running.end("error", "overloaded")
    running.mute.discard("get_state")
    running.say(RETRY)
    running.reply("get_state", running.state)
    running.clock.advance(12)
    assert running.ended() == [("failed", "overloaded")]


def test_a_compaction_after_a_run_belongs_to_its_turn(running: Pi) -> None:
    running.mute.add("get_state")
    running.end()
    running.say(COMPACTS)
    running.reply("get_state", running.state)
    running.clock.advance(60)
    assert running.ended() == []
    running.mute.discard("get_state")
    running.say(COMPACTED)
    assert running.ended() == [("completed", "")]


def test_after_an_overflow_the_run_goes_on(running: Pi) -> None:
    running.mute.add("get_state")
    running.end("error", "too long")
    running.say(COMPACTS)
    running.mute.discard("get_state")
    running.say({**COMPACTED, "willRetry": True})
    assert running.ended() == []
    running.say(BEGINS)
    running.end()
    assert running.ended() == [("completed", "")]


def test_a_busy_pi_is_asked_again(running: Pi) -> None:
    running.end(willRetry=False)
    running.state["isStreaming"] = True
    running.clock.advance(1)
    running.clock.advance(1)
    assert running.ended() == []
    running.state["isStreaming"] = False
    running.clock.advance(1)
    assert running.ended() == [("completed", "")]


def test_nonsense_is_asked_again(running: Pi) -> None:
    good = running.state
    running.state = {"sessionId": 7}
    running.say(
        {"type": "agent_end", "messages": [{"role": "assistant", "stopReason": "stop"}]}
    )
    assert running.ended() == []
    running.state = {**good, "isStreaming": False}
    running.clock.advance(1)
    assert running.ended() == [("completed", "")]


@pytest.mark.parametrize("name", ["compaction", "auto_compaction"])
def test_a_compaction_is_a_turn(name: str) -> None:
    host = Pi()
    host.start()
    host.say({"type": f"{name}_start"}, {"type": f"{name}_end", "result": {}})
    assert host.ended() == [("completed", "")]
    host.say({"type": f"{name}_start"}, {"type": f"{name}_end", "errorMessage": "no"})
    host.say({"type": f"{name}_start"}, {"type": f"{name}_end", "aborted": True})
    assert host.ended()[1:] == [("failed", "no"), ("interrupted", "")]


def test_a_late_settling_ends_no_later_turn(running: Pi) -> None:
    running.end()
    running.submit()
    assert len(running.ended()) == 1
    running.end()
    running.say({"type": "agent_settled"})
    assert len(running.ended()) == 2


def test_an_interruption_that_came_too_late(running: Pi) -> None:
    running.pi._turns.interrupt_requested()
    running.end()
    assert running.ended() == [("completed", "")]


def test_an_abort_that_newer_pi_tells(running: Pi) -> None:
    running.end("toolUse", willRetry=False)
    running.say({"type": "agent_settled", "aborted": True})
    assert running.ended() == [("interrupted", "")]


def test_a_run_that_fails_before_it_begins() -> None:
    host = Pi()
    host.start()
    host.say({"type": "agent_end", "messages": []}, {"type": "agent_settled"})
    assert host.ended() == []
