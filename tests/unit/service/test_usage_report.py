"""Entries of the ledger, summed up: by what was asked, and nothing unknown as nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sxhost.model.usage import TokenCounts, UsageEntry, UsageQuery, UsageReport
from sxhost.prices import Prices
from sxhost.usage_report import UsageSums

DAY = 86_400_000
NOON = 1_796_040_000_000


def entry(session: str, output: int, **fields: Any) -> UsageEntry:
    at = fields.pop("at_ms", NOON)
    tokens = TokenCounts(input_tokens=100, output_tokens=output)
    fields = {"agent": "codex", "model": "gpt-5.5", "cwd": "/w/site", **fields}
    return UsageEntry(
        session=session, number=1, at_ms=at, until_ms=at + 1, tokens=tokens, **fields
    )


ENTRIES = [
    entry("a", 1000),
    entry("a", 1000, at_ms=NOON + 2 * DAY, cost=Decimal("0.25")),
    entry("b", 10, agent="claude", model="claude-opus-5-5", cost=Decimal("1.5")),
    entry("c", 500, agent="pi", model="mine", cwd="/w/app"),
]


def report(**query: Any) -> UsageReport:
    sums = UsageSums(UsageQuery(**query), Prices(), lambda cwd: cwd.rpartition("/")[2])
    for each in ENTRIES:
        sums.add(each)
    return sums.report(lambda name: f"Title of {name}")


def costs(found: UsageReport) -> dict[str, str | None]:
    return {group.name: group.cost_usd for group in found.groups}


def test_the_agents_word_counts_and_else_the_table() -> None:
    found = report(session="a")
    (group,) = found.groups
    assert group.title == "Title of a"
    assert (group.cost_usd, group.estimated_usd) == ("0.2805", "0.0305")
    assert (group.input_tokens, group.output_tokens, group.total_tokens) == (200, 2000, 2200)
    assert (group.first_ms, group.last_ms) == (NOON, NOON + 2 * DAY + 1)
    assert found.prices.startswith("LiteLLM")


def test_what_has_no_price_is_unknown_and_in_no_sum() -> None:
    found = report()
    assert costs(found) == {"b": "1.5", "a": "0.2805", "c": None}
    assert found.groups[-1].unpriced_tokens == found.total.unpriced_tokens == 600
    assert found.total.cost_usd == "1.7805"
    assert found.unpriced_models == ["mine"]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("project", ["site", "app"]),
        ("model", ["claude-opus-5-5", "gpt-5.5", "mine"]),
        ("agent", ["claude", "codex", "pi"]),
    ],
)
def test_groups_come_by_their_cost(by: Any, expected: list[str]) -> None:
    assert [group.name for group in report(by=by).groups] == expected


def test_days_come_by_date() -> None:
    names = [group.name for group in report(by="day").groups]
    assert len(names) == 2
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"project": "app"}, ["c"]),
        ({"agent": "codex"}, ["a"]),
        ({"model": "claude-opus-5-5"}, ["b"]),
        ({"session": "nobody"}, []),
    ],
)
def test_only_what_is_chosen_is_summed_up(chosen: Any, expected: list[str]) -> None:
    assert [group.name for group in report(**chosen).groups] == expected


def test_what_has_no_room_is_in_the_sum() -> None:
    found = report(limit=1)
    assert [group.name for group in found.groups] == ["b"]
    assert found.omitted == 2
    assert found.total.cost_usd == "1.7805"


def test_nothing_costs_nothing_that_is_known() -> None:
    found = report(agent="nobody")
    assert (found.groups, found.total.cost_usd, found.total.total_tokens) == ([], None, 0)
