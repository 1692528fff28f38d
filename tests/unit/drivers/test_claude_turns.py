"""Where turns of Claude Code begin and end."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.drivers.claude.events import ClaudeTranslator
from sxhost.drivers.claude.messages import (
    CommandLifecycle,
    ModelUsage,
    Result,
    TurnOrigin,
    TurnUsage,
)
from sxhost.drivers.claude.turns import ClaudeTurns
from tests.support.fake_children import FakeReports

OURS = Result(subtype="success", user_message_uuids=["a"])
FOREIGN = Result(subtype="success", origin=TurnOrigin("task-notification"))


class Playing:
    """Turns, and what is told of them."""

    def __init__(self) -> None:
        self.reports = FakeReports()
        translator = ClaudeTranslator(self.reports)
        self.carried: list[dict[str, float]] = []
        self.turns = ClaudeTurns(self.reports, translator, self.carried.append)

    def end(self, said: Result = OURS) -> None:
        self.turns.result_received(said, b"{}")

    @property
    def told(self) -> list[Any]:
        return [told[1] for told in self.reports.told if told[0].startswith("turn")]


def test_a_turn() -> None:
    playing = Playing()
    playing.turns.message_sent("a")
    assert playing.turns.running
    playing.turns.activity_seen()
    playing.turns.activity_seen()
    playing.end()
    assert playing.told == ["a", "completed"]
    assert not playing.turns.running


def test_it_is_told_to_have_begun_before_it_ends() -> None:
    playing = Playing()
    playing.turns.message_sent("a")
    playing.end()
    assert playing.told == ["a", "completed"]


def test_a_turn_of_claudes_own() -> None:
    playing = Playing()
    playing.turns.activity_seen()
    playing.end(FOREIGN)
    assert playing.told == [None, "completed"]


def test_a_turn_of_claudes_own_that_was_added_to() -> None:
    playing = Playing()
    playing.turns.activity_seen()
    playing.turns.message_sent("a")
    playing.end(FOREIGN)
    assert playing.turns.running
    playing.end()
    assert playing.told == [None, "completed"]


def test_a_message_that_was_taken_is_begun() -> None:
    playing = Playing()
    playing.turns.message_sent("a")
    playing.turns.lifecycle_received(CommandLifecycle("a", "queued"))
    assert playing.told == []
    playing.turns.lifecycle_received(CommandLifecycle("a", "started"))
    playing.turns.lifecycle_received(CommandLifecycle("a", "completed"))
    assert playing.told == ["a"]


def test_of_two_messages_one_is_dropped() -> None:
    playing = Playing()
    playing.turns.message_sent("a")
    playing.turns.message_sent("b")
    playing.turns.lifecycle_received(CommandLifecycle("b", "cancelled"))
    playing.turns.lifecycle_received(CommandLifecycle("nobody's", "cancelled"))
    assert playing.turns.running
    playing.end()
    playing.turns.lifecycle_received(CommandLifecycle("a", "cancelled"))
    assert playing.told == ["a", "completed"]


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (Result(subtype="success", result="done"), "completed", ""),
        (Result(subtype="success", is_error=True, result="API Error"), "failed", "API Error"),
        (Result(subtype="error_max_turns", is_error=True), "failed", "error max turns"),
        (
            Result(subtype="error_during_execution", is_error=True, errors=["a", "b"]),
            "failed",
            "a; b",
        ),
        (Result(is_error=True), "failed", "Claude gives no reason."),
        (
            Result(subtype="error_during_execution", terminal_reason="aborted_tools"),
            "interrupted",
            "",
        ),
    ],
)
def test_how_turns_end(said: Result, status: str, reason: str) -> None:
    playing = Playing()
    playing.turns.message_sent("a")
    playing.end(said)
    assert playing.reports.told[-1] == ("turn_ended", status, reason)


def test_a_turn_that_the_process_did_not_survive_is_the_host_s_to_tell() -> None:
    playing = Playing()
    playing.turns.message_sent("a")
    playing.turns.process_exited()
    assert playing.told == []
    assert not playing.turns.running


def test_usage_is_the_sum_over_models() -> None:
    playing = Playing()
    playing.turns.message_sent("a")
    large = ModelUsage(
        input_tokens=100,
        output_tokens=10,
        cache_read_input_tokens=1000,
        cache_creation_input_tokens=10_000,
        thinking_tokens=5,
        context_window=200_000,
        cost_usd=0.4,
    )
    small = ModelUsage(input_tokens=1, output_tokens=1, context_window=100_000)
    models = {"large": large, "small": small}
    playing.end(Result(subtype="success", model_usage=models, total_cost_usd=0.5))
    ((_, told),) = playing.reports.events("usage")
    by_model = told.pop("models")
    assert told == {
        "input_tokens": 11_101,
        "cached_tokens": 1000,
        "cache_write_tokens": 10_000,
        "output_tokens": 11,
        "reasoning_tokens": 5,
        "total_tokens": 11_112,
        "context_window": 200_000,
        "cost_usd": 0.5,
    }
    assert by_model["large"] == {
        "input_tokens": 11_100,
        "cached_tokens": 1000,
        "cache_write_tokens": 10_000,
        "output_tokens": 10,
        "reasoning_tokens": 5,
        "total_tokens": 11_110,
        "cost_usd": 0.4,
    }
    assert by_model["small"]["total_tokens"] == 2


def test_what_is_counted_before_the_first_turn_is_told_once() -> None:
    play = Playing()
    usage = TurnUsage(input_tokens=20, output_tokens=30, cache_read_input_tokens=100)
    counted = ModelUsage(input_tokens=60, output_tokens=90, cache_read_input_tokens=300)
    play.end(Result(subtype="success", model_usage={"m": counted}, usage=usage))
    play.end(Result(subtype="success", model_usage={"m": counted}, usage=usage))
    (carried,) = play.carried
    assert carried == {
        "input_tokens": 240,
        "cached_tokens": 200,
        "cache_write_tokens": 0,
        "output_tokens": 60,
        "total_tokens": 300,
    }
