"""Cumulative counters become what was spent in between, each token exactly once."""

from __future__ import annotations

from decimal import Decimal
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.model.usage import TokenCounts
from sxhost.store.metering import Spent, UsageReading, read_usage, share_out, spent_since

COUNTS = st.integers(0, 10**6)
SPENDINGS = st.builds(
    TokenCounts,
    input_tokens=COUNTS,
    cached_tokens=COUNTS,
    cache_write_tokens=COUNTS,
    output_tokens=st.integers(1, 10**6),
    reasoning_tokens=COUNTS,
)
PROCESSES = st.lists(st.lists(SPENDINGS, min_size=1, max_size=5), min_size=1, max_size=4)
"""What each turn of a process has used, of each process that a conversation has run in."""


def told(used: TokenCounts, **more: Any) -> dict[str, Any]:
    """Return the data of a ``usage`` event, in which the input includes the caches."""
    given, cached, written, answered = used.billed
    return {
        "input_tokens": given + cached + written,
        "cached_tokens": cached,
        "cache_write_tokens": written,
        "output_tokens": answered,
        "reasoning_tokens": used.reasoning_tokens,
        **more,
    }


def fold(*events: object) -> list[Spent]:
    """Return all that was spent by the events of a log."""
    reading: UsageReading | None = None
    spent: list[Spent] = []
    for data in events:
        now = read_usage(data)
        if now is not None:
            reading, more = spent_since(reading, now, "its model")
            spent += more
    return spent


def total(spent: list[Spent]) -> TokenCounts:
    return sum((each.tokens for each in spent), TokenCounts())


def cost(spent: list[Spent]) -> Decimal:
    return sum((each.cost or Decimal(0) for each in spent), Decimal(0))


@given(st.lists(SPENDINGS), st.integers(1, 3))
def test_a_conversation_is_counted_once_however_often_it_is_told(
    turns: list[TokenCounts], times: int
) -> None:
    events = [told(sum_, since_ms=1) for sum_ in accumulate(turns, initial=TokenCounts())]
    repeated = [event for event in events for _ in range(times)]
    assert total(fold(*repeated)) == sum(turns, TokenCounts())


@given(PROCESSES)
def test_a_process_that_counts_anew_adds_to_those_before(
    processes: list[list[TokenCounts]],
) -> None:
    """Counters that do not say when they began have begun anew where they fall."""
    events, expected, last = [], TokenCounts(), TokenCounts()
    for turns in processes:
        sums = list(accumulate(turns))
        if sums[0].output_tokens >= last.output_tokens:
            sums = [last + one for one in sums]  # this one goes on counting
        events += [told(one) for one in sums]
        expected, last = expected + sum(turns, TokenCounts()), sums[-1]
    assert total(fold(*events)) == expected


@given(PROCESSES, st.booleans())
def test_another_conversation_counts_from_nothing(
    conversations: list[list[TokenCounts]], retried: bool
) -> None:
    """Also where its first answer has more than all before, and where it is told again."""
    events = []
    for since, turns in enumerate(conversations, 1):
        events += [told(one, since_ms=since) for one in accumulate(turns)]
        if retried:
            events.append(events[-1])
    everything = [one for turns in conversations for one in turns]
    assert total(fold(*events)) == sum(everything, TokenCounts())


@given(st.lists(SPENDINGS, min_size=1, max_size=8), st.data())
def test_no_part_of_a_log_is_counted_twice_where_a_host_begins_again(
    turns: list[TokenCounts], data: st.DataObject
) -> None:
    """The reading is all that lasts: what was before it is read again, and adds nothing."""
    events = [told(one, since_ms=7) for one in accumulate(turns)]
    at = data.draw(st.integers(0, len(events) - 1))
    assert total(fold(*events[: at + 1], *events[at:])) == sum(turns, TokenCounts())


@given(st.lists(st.tuples(st.sampled_from("abc"), SPENDINGS), min_size=1))
def test_models_that_an_agent_counts_apart_are_entered_apart(
    turns: list[tuple[str, TokenCounts]],
) -> None:
    models: dict[str, TokenCounts] = {}
    events = []
    for model, used in turns:
        models[model] = models.get(model, TokenCounts()) + used
        by_model = {name: told(one) for name, one in models.items()}
        events.append(told(sum(models.values(), TokenCounts()), models=by_model, since_ms=1))
    spent = fold(*events)
    for name, used in models.items():
        assert total([each for each in spent if each.model == name]) == used


def test_models_that_a_new_process_counts_anew_are_told_from_those_that_go_on() -> None:
    one = TokenCounts(input_tokens=10, output_tokens=1)
    much = TokenCounts(input_tokens=50, output_tokens=9)
    spent = fold(
        told(one, models={"a": told(one)}),
        told(one + much, models={"a": told(much)}),
    )
    assert spent == [Spent("a", one, None), Spent("a", much, None)]


def test_models_that_do_not_add_up_are_no_account_of_it() -> None:
    one = TokenCounts(input_tokens=10, output_tokens=1)
    two = {"a": told(TokenCounts(output_tokens=1)), "b": told(TokenCounts(output_tokens=3))}
    assert fold(told(one, models=two)) == [Spent("its model", one, None)]
    assert fold(told(one, models={"a": two["a"]})) == [Spent("a", one, None)]
    assert fold(told(one, model="told")) == [Spent("told", one, None)]


def test_money_that_agents_add_up_as_floats_is_exact() -> None:
    costs = [0.1, 0.1 + 0.2, 0.1 + 0.2 + 0.3]
    spent = fold(
        *(told(TokenCounts(output_tokens=n + 1), cost_usd=c) for n, c in enumerate(costs))
    )
    assert [str(each.cost) for each in spent] == ["0.1", "0.2", "0.3"]


def test_a_price_of_nothing_is_none() -> None:
    spent = fold(
        told(TokenCounts(output_tokens=1), cost_usd=0), told(TokenCounts(output_tokens=2))
    )
    assert [each.cost for each in spent] == [None, None]


def test_a_process_that_adds_up_its_own_cost_adds_to_those_before() -> None:
    events = [told(TokenCounts(output_tokens=n), cost_usd=c) for n, c in ((1, 0.5), (2, 0.2))]
    assert cost(fold(*events)) == Decimal("0.7")


def test_what_one_event_leaves_out_the_next_goes_on_from() -> None:
    spent = fold(
        {"input_tokens": 5, "output_tokens": 2},
        {"cost_usd": 0.25},
        {"input_tokens": 5, "output_tokens": None},
        {"input_tokens": 6, "output_tokens": 3},
    )
    assert total(spent) == TokenCounts(input_tokens=6, output_tokens=3)
    assert cost(spent) == Decimal("0.25")


NONSENSE: list[object] = [
    *(None, 5, "much", [], {}, {"input_tokens": True}, {"input_tokens": -1}),
    *({"input_tokens": "5"}, {"input_tokens": 1.5}, {"output_tokens": 10**40}),
    *({"cost_usd": "1"}, {"cost_usd": -0.1}, {"cost_usd": 1e300}, {"cost_usd": True}),
    {"models": {"a": {"input_tokens": 5}}},
]


@pytest.mark.parametrize("data", NONSENSE)
def test_what_says_nothing_adds_nothing(data: object) -> None:
    assert fold(data) == []
    assert fold({"output_tokens": 1}, data, {"output_tokens": 1})[1:] == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.dictionaries(
            st.sampled_from(
                ["input_tokens", "cached_tokens", "cost_usd", "models", "since_ms"]
            ),
            inner,
        ),
        max_leaves=8,
    )
)
def test_whatever_anybody_writes_is_read_or_left(data: object) -> None:
    for each in fold({"output_tokens": 1}, data, data):
        assert min(each.tokens.billed) >= 0
        assert each.cost is None or each.cost > 0


@given(
    st.integers(0, 10**16).map(lambda n: Decimal(n).scaleb(-10)),
    st.lists(SPENDINGS | st.just(TokenCounts()), min_size=1),
)
def test_a_cost_that_is_shared_out_is_shared_to_the_last_digit(
    whole: Decimal, among: list[TokenCounts]
) -> None:
    shares = share_out(whole, among)
    assert sum(shares) == whole
    assert min(shares) >= 0
