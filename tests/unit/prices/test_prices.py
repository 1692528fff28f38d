"""What tokens cost by the table: exact, overridden by a file, and never nothing by mistake."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.codec.json import encode
from sxhost.model.usage import TokenCounts
from sxhost.prices import BadPrices, Prices

PRICES = Prices()


@pytest.mark.parametrize(
    ("model", "tokens", "cost"),
    [
        ("claude-opus-5-5", TokenCounts(input_tokens=12_459, output_tokens=3), "0.049896"),
        (
            "claude-opus-5-5",
            TokenCounts(input_tokens=1, cached_tokens=10, cache_write_tokens=100),
            "0.000506",
        ),
        ("gpt-5.5", TokenCounts(input_tokens=1_000_000, cached_tokens=1), "5.0000005"),
        ("gpt-5.5", TokenCounts(cache_write_tokens=2), "0.00001"),
    ],
)
def test_each_kind_of_token_has_its_price(model: str, tokens: TokenCounts, cost: str) -> None:
    assert PRICES.cost(model, tokens) == Decimal(cost)


@pytest.mark.parametrize(
    "name",
    [
        *("claude-opus-5-5[1m]", "anthropic/claude-opus-5-5", "claude-opus-5-5-20261001"),
        *("claude-opus-5-5-2026-10-01", "openrouter/anthropic/claude-opus-5-5"),
    ],
)
def test_one_model_may_be_called_in_several_ways(name: str) -> None:
    assert PRICES.cost(name, TokenCounts(output_tokens=1)) == Decimal("0.00002")


@pytest.mark.parametrize("name", ["", "fake-model", "claude-opus", "claude-opus-5-55", "gpt"])
def test_a_model_that_is_in_no_table_has_no_price(name: str) -> None:
    assert PRICES.cost(name, TokenCounts(output_tokens=1)) is None


def test_the_table_says_where_it_comes_from() -> None:
    assert PRICES.source == "LiteLLM 1.110.2, 2026-11-30"


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_costs_add_up_to_the_last_digit(one: int, two: int) -> None:
    def cost(number: int) -> Decimal:
        found = PRICES.cost("gpt-6-luna", TokenCounts(cached_tokens=number))
        assert found is not None
        return found

    assert cost(one) + cost(two) == cost(one + two)


def test_prices_of_a_file_come_first(tmp_path: Path) -> None:
    file = tmp_path / "ours.json"
    ours = {"gpt-5.5": {"input": 0.1, "output": "2"}, "x": {"input": 0, "output": 0}}
    file.write_bytes(encode({"models": ours}))
    prices = Prices(file)
    assert prices.cost("gpt-5.5", TokenCounts(input_tokens=1)) == Decimal("0.0000001")
    assert prices.cost("gpt-5.5", TokenCounts(cached_tokens=1)) == Decimal("0.0000001")
    assert prices.cost("x", TokenCounts(input_tokens=1)) == 0, "somebody says so"
    assert prices.cost("claude-opus-5-5", TokenCounts(output_tokens=1)) == Decimal("0.00002")
    assert prices.source == "ours.json, then LiteLLM 1.110.2, 2026-11-30"


WRONG = {
    "": "is wrong: Input data was truncated.",
    "[]": "Expected `object`, got `array`.",
    '{"models": {"m": {"input": 1}}}': "missing required field `output`",
    '{"models": {"m": {"input": "one", "output": 1}}}': "Invalid decimal string",
    '{"models": {"m": {"input": -1, "output": 1}}}': "a price is from 0 to 999999",
    '{"models": {"m": {"input": "NaN", "output": 1}}}': "a price is from 0 to 999999",
    '{"models": {"m": {"input": 1, "output": 1, "outptu": 1}}}': "unknown field `outptu`",
    '{"modles": {}}': "`mod",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_is_refused_in_a_sentence(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(BadPrices) as caught:
        Prices(file)
    assert str(caught.value).startswith(f"{file}")
    assert str(caught.value).endswith(".")
    assert WRONG[text].removeprefix("is wrong: ") in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        BadPrices, match=r"nothing cannot be read: No such file or directory\.$"
    ):
        Prices(tmp_path / "nothing")
