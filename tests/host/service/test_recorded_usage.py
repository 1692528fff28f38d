"""What real agents have used, by their own files: as ccusage counts it, to the digit."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from sxhost.model.usage import TokenCounts
from sxhost.prices import Prices
from tests.support.places import RECORDINGS
from tests.support.recorded_usage import ledger_of, told_costs

EXPECTED = json.loads((RECORDINGS / "ccusage-20.0.24.json").read_text(encoding="utf-8"))
"""What ``python -m benchmarks.ccusage`` has printed of that peer."""

NOT_IN_FILES = {
    "237e4ef2-d934-43df-8ff8-9dc94f2cfea4": "an answer that was cut in its stream",
    "10f9aa60-5fc8-4ff6-91ca-f4b1b10fcd0f": "the summary of a compaction",
}
"""Sessions of Claude that have cost more than what their files say was used."""


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_tokens_are_those_that_ccusage_counts(agent: str) -> None:
    assert ledger_of(agent) == EXPECTED[agent]


@pytest.mark.parametrize("session", EXPECTED["claude"])
def test_the_table_of_prices_says_what_claude_says(session: str) -> None:
    """Claude writes down what a session has cost: the table makes that of the tokens."""
    table = Decimal(0)
    for model, counts in EXPECTED["claude"][session].items():
        names = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens")
        cost = Prices().cost(model, TokenCounts(**dict(zip(names, counts, strict=False))))
        assert cost is not None
        table += cost
    told = told_costs("claude")[session]
    if session in NOT_IN_FILES:
        assert told > table
    else:
        assert told == table
