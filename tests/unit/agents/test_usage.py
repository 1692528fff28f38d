"""What a conversation has used, over all of its processes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from sxhost.agents.usage import UsageTotals
from sxhost.model.event_types import UsageEvent
from sxhost.model.turn import Abilities

NOW = 1_000

ANEW = frozenset({"input_tokens", "cost_usd"})


def told(totals: UsageTotals, anew: frozenset[str] = ANEW, **counts: Any) -> Any:
    event = totals.total(UsageEvent(**counts), Abilities(counted_anew=anew))
    assert event.since_ms == NOW
    return msgspec.to_builtins(replace(event, since_ms=UNSET))


def test_what_a_new_process_counts_anew_is_added() -> None:
    totals = UsageTotals(None, NOW)
    totals.process_starts()
    assert told(totals, input_tokens=10, cost_usd=0.5) == {"input_tokens": 10, "cost_usd": 0.5}
    assert told(totals, input_tokens=30, cost_usd=1.0)["input_tokens"] == 30
    totals.process_starts()
    assert told(totals, input_tokens=50, cost_usd=0.5) == {"input_tokens": 80, "cost_usd": 1.5}
    totals.process_starts()
    assert told(totals, input_tokens=1)["input_tokens"] == 81


def test_what_an_agent_counts_on_is_not_added() -> None:
    totals = UsageTotals({"input_tokens": 10, "total_tokens": 15}, NOW)
    totals.process_starts()
    found = told(totals, frozenset(), input_tokens=12, total_tokens=14, context_window=100)
    assert found == {"input_tokens": 12, "total_tokens": 15, "context_window": 100}


def test_usage_that_a_log_has_beside_an_agents_own_message_counts() -> None:
    totals = UsageTotals({"input_tokens": 10, "native": {"total": {"inputTokens": 10}}}, NOW)
    totals.process_starts()
    assert told(totals, input_tokens=1) == {"input_tokens": 11}


@pytest.mark.parametrize("last", [None, {"input_tokens": 10.0, "cost_usd": 0.5}])
def test_tokens_are_whole_numbers_on_the_wire(last: object) -> None:
    totals = UsageTotals(last, 7)
    event = totals.total(UsageEvent(input_tokens=12, cost_usd=0.75), Abilities())
    assert msgspec.json.encode(event) == (b'{"input_tokens":12,"cost_usd":0.75,"since_ms":7}')
    assert msgspec.json.encode(totals.total(UsageEvent(input_tokens=2), Abilities())) == (
        b'{"input_tokens":12,"since_ms":7}'
    )


NOTHING = [None, "a text", [1], {}, {"input_tokens": None}, {"input_tokens": "10"}]


@pytest.mark.parametrize("last", NOTHING)
def test_usage_that_a_log_has_not_is_nothing(last: object) -> None:
    totals = UsageTotals(last, NOW)
    totals.process_starts()
    assert told(totals, input_tokens=1, cached_tokens=None) == {
        "input_tokens": 1,
        "cached_tokens": None,
    }


def test_a_conversation_says_in_every_life_of_the_host_when_it_began() -> None:
    first = UsageTotals(None, 5).total(UsageEvent(input_tokens=1), Abilities())
    again = UsageTotals(msgspec.to_builtins(first), NOW)
    assert again.total(UsageEvent(input_tokens=2), Abilities()).since_ms == 5


TOKENS = frozenset({"input_tokens", "total_tokens", "cost_usd"})


@pytest.mark.parametrize(
    ("carried", "counted", "expected"),
    [
        (100, 130, (130, 0.26)),  # it counts on
        (0, 30, (130, 0.26)),  # it counts from nothing
        (60, 90, (130, 0.26)),  # it counts on from where an earlier one has ended in order
        (110, 150, (150, 0.3)),  # it counts on, and its first turn has used more than it says
    ],
)
def test_what_a_process_counts_again_is_counted_once(
    carried: int, counted: int, expected: tuple[int, float]
) -> None:
    totals = UsageTotals({"input_tokens": 100, "total_tokens": 100, "cost_usd": 0.2}, NOW)
    totals.process_starts()
    can = Abilities(
        counted_anew=TOKENS, carried={"input_tokens": carried, "total_tokens": carried}
    )
    cost = counted * 0.002
    event = UsageEvent(input_tokens=counted, total_tokens=counted, cost_usd=cost)
    found = totals.total(event, can)
    assert found.input_tokens == found.total_tokens == expected[0]
    assert found.cost_usd == pytest.approx(expected[1])
