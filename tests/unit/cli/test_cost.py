"""``sxhost cost``: a table for people that fits, and lines that stay for programs."""

from __future__ import annotations

from typing import Any

import pytest

from sxhost.cli.cost import cost_lines, cost_text, report_lines
from sxhost.cli.formats import columns_of
from sxhost.model.usage import UsageGroup, UsageReport

KNOWN = {"cost_usd": "1.25", "estimated_usd": "0", "unpriced_tokens": 0}


def group(name: str, **fields: Any) -> UsageGroup:
    counts = dict.fromkeys(("cached_tokens", "cache_write_tokens", "reasoning_tokens"), 0)
    counts |= {"input_tokens": 1_200_300, "output_tokens": 41_234, "total_tokens": 1_241_534}
    return UsageGroup(name=name, first_ms=0, last_ms=0, **{**counts, **KNOWN, **fields})


def report(*groups: UsageGroup, **fields: Any) -> UsageReport:
    given = {"by": "session", "omitted": 0, "unpriced_models": [], "prices": "a list, of today"}
    total = fields.pop("total", group(""))
    return UsageReport(groups=list(groups), total=total, **{**given, **fields})


def texts(found: UsageReport, width: int = 80) -> list[str]:
    return ["".join(text for text, _ in line) for line in cost_lines(found, width)]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "$1.25"),
        ({"cost_usd": "1234.567"}, "$1,234.57"),
        ({"cost_usd": "0.001"}, "<$0.01"),
        ({"cost_usd": "0"}, "$0.00"),
        ({"estimated_usd": "0.2"}, "~$1.25"),
        ({"unpriced_tokens": 5}, "$1.25+?"),
        ({"cost_usd": None, "unpriced_tokens": 5}, "unknown"),
    ],
)
def test_a_cost_says_how_sure_it_is(fields: Any, text: str) -> None:
    assert cost_text(group("a", **fields)) == text


def test_a_table_has_the_sum_and_says_what_is_unknown() -> None:
    unknown = group("b", cost_usd=None, unpriced_tokens=1_241_534)
    total = group("", estimated_usd="1", unpriced_tokens=1_241_534)
    found = report(
        *(group("a", title="Mend the parser"), unknown),
        total=total,
        omitted=3,
        unpriced_models=["mine", ""],
    )
    assert texts(found) == [
        "SESSION  TITLE            INPUT  OUTPUT  TOKENS      COST",
        "a        Mend the parser   1.2M   41.2k   1.24M     $1.25",
        "b                          1.2M   41.2k   1.24M   unknown",
        "all                        1.2M   41.2k   1.24M  ~$1.25+?",
        "3 more are in the sum and not listed.",
        "~ by the prices of a list, of today",
        "? 1.24M tokens have no price: mine, a model without a name",
    ]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_a_table_fits(width: int) -> None:
    long = group("01a1f9ee-cc47-7611-8b70-b53e30a72ef5", title="Mend the parser " * 9)
    found = report(long, group("another", cached_tokens=9, cache_write_tokens=9))
    assert max(map(columns_of, texts(found, width))) <= width


def test_what_has_no_name_is_said_to_have_none() -> None:
    assert texts(report(group(""), by="project"))[1].startswith("no project ")


def test_nothing_is_said_in_words() -> None:
    assert texts(report()) == ["Nothing was used."]


def test_a_pipe_gets_all_digits() -> None:
    unknown = group("b", cost_usd=None, unpriced_tokens=7)
    assert report_lines(report(group("a b", cost_usd="1.2500000001"), unknown)) == [
        "1200300 0 0 41234 0 1.2500000001 a b",
        "1200300 0 0 41234 7 unknown b",
    ]
