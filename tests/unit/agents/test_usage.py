"""What a conversation has used, over all of its processes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sxhost.agents.usage import UsageTotals
from sxhost.model.event_types import UsageEvent

ANEW = frozenset({"input_tokens", "cost_usd"})


def told(totals: UsageTotals, anew: frozenset[str] = ANEW, **counts: Any) -> Any:
    return msgspec.to_builtins(totals.total(UsageEvent(**counts), anew))


def test_what_a_new_process_counts_anew_is_added() -> None:
    totals = UsageTotals(None)
    totals.process_starts()
    assert told(totals, input_tokens=10, cost_usd=0.5) == {"input_tokens": 10, "cost_usd": 0.5}
    assert told(totals, input_tokens=30, cost_usd=1.0)["input_tokens"] == 30
    totals.process_starts()
    assert told(totals, input_tokens=50, cost_usd=0.5) == {"input_tokens": 80, "cost_usd": 1.5}
    totals.process_starts()
    assert told(totals, input_tokens=1)["input_tokens"] == 81


def test_what_an_agent_counts_on_is_not_added() -> None:
    totals = UsageTotals({"input_tokens": 10, "total_tokens": 15})
    totals.process_starts()
    found = told(totals, frozenset(), input_tokens=12, total_tokens=14, context_window=100)
    assert found == {"input_tokens": 12, "total_tokens": 15, "context_window": 100}


def test_usage_that_a_log_has_beside_an_agents_own_message_counts() -> None:
    totals = UsageTotals({"input_tokens": 10, "native": {"total": {"inputTokens": 10}}})
    totals.process_starts()
    assert told(totals, input_tokens=1) == {"input_tokens": 11}


NOTHING = [None, "a text", [1], {}, {"input_tokens": None}, {"input_tokens": "10"}]


@pytest.mark.parametrize("last", NOTHING)
def test_usage_that_a_log_has_not_is_nothing(last: object) -> None:
    totals = UsageTotals(last)
    totals.process_starts()
    assert told(totals, input_tokens=1, cached_tokens=None) == {
        "input_tokens": 1,
        "cached_tokens": None,
    }
