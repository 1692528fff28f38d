"""What every store does with what agents have used: the contract `Ledger`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec import Raw

from sxhost.codec.json import encode
from sxhost.errors import SessionLimit
from sxhost.model.session import Hosting
from sxhost.model.turn import Launch
from sxhost.model.usage import TokenCounts, UsageEntry
from sxhost.store.contracts import Draft, Store
from sxhost.testing import result_of
from tests.support.stores import MakeStore

HOUR = 3_600_000
DAY = 24 * HOUR
EVER = 10**18


def usage(at: int = 0, key: str | None = None, **data: Any) -> Draft:
    return Draft("usage", Raw(encode(data)), at, key)


def turn(number: int) -> Draft:
    return Draft("turn-started", Raw(encode({"turn": number})), 0)


def append(store: Store, session: str, *drafts: Draft) -> None:
    result_of(store.append_events(session, drafts, 7_000))


def host(store: Store, session: str, model: str = "gpt") -> None:
    given = Hosting(
        kind="hosted", agent="codex", model=model, cwd="/p", launch=Launch(agent="codex")
    )
    result_of(store.register(session, given, 0))


def entries(store: Store, since: int = 0, until: int = EVER) -> list[UsageEntry]:
    return result_of(store.usage_entries(since, until))


def output(store: Store, since: int = 0, until: int = EVER) -> list[int]:
    return [entry.tokens.output_tokens for entry in entries(store, since, until)]


class TestEntries:
    def test_each_turn_of_a_hosted_session_has_its_own(self, store: Store) -> None:
        host(store, "a")
        append(
            store, "a", turn(1), usage(1000, input_tokens=10, cached_tokens=4, output_tokens=1)
        )
        append(store, "a", usage(2000, input_tokens=20, cached_tokens=4, output_tokens=2))
        append(
            store, "a", turn(2), usage(3000, input_tokens=25, cached_tokens=4, output_tokens=7)
        )
        first, second = entries(store)
        assert first == UsageEntry(
            session="a",
            number=1,
            turn=1,
            agent="codex",
            model="gpt",
            cwd="/p",
            at_ms=1000,
            until_ms=2000,
            tokens=TokenCounts(input_tokens=16, cached_tokens=4, output_tokens=2),
        )
        assert (second.number, second.turn, second.tokens.billed) == (2, 2, (5, 0, 0, 5))

    def test_a_turn_that_runs_over_an_hour_has_one_for_each(self, store: Store) -> None:
        host(store, "a")
        append(
            store, "a", turn(1), usage(HOUR - 1, output_tokens=1), usage(HOUR, output_tokens=3)
        )
        assert output(store) == [1, 2]
        assert output(store, since=HOUR) == [2]
        assert output(store, until=HOUR) == [1]

    def test_another_model_has_its_own(self, store: Store) -> None:
        host(store, "a")
        append(store, "a", turn(1), usage(output_tokens=1))
        result_of(store.register("a", Hosting(model="other"), 0))
        append(store, "a", usage(output_tokens=3))
        assert [(one.model, one.tokens.output_tokens) for one in entries(store)] == [
            *(("gpt", 1), ("other", 2))
        ]

    def test_an_event_under_a_key_that_is_known_adds_nothing(self, store: Store) -> None:
        append(store, "a", usage(output_tokens=1, key="k"), usage(output_tokens=3, key="l"))
        append(store, "a", usage(output_tokens=2, key="k"))
        assert output(store) == [3]

    def test_events_that_say_nothing_add_nothing(self, store: Store) -> None:
        append(store, "a", Draft("usage", Raw(b'"much"'), 0), usage(input_tokens=None))
        append(store, "a", Draft("tokens", Raw(b'{"output_tokens":5}'), 0))
        assert entries(store) == []


class TestCost:
    def test_a_cost_that_is_told_later_pays_for_what_came_before(self, store: Store) -> None:
        append(store, "a", usage(0, output_tokens=10), usage(HOUR, output_tokens=40))
        assert [entry.cost for entry in entries(store)] == [None, None]
        append(store, "a", usage(2 * HOUR, output_tokens=40, cost_usd=0.4))
        assert [entry.cost for entry in entries(store)] == [Decimal("0.1"), Decimal("0.3")]
        append(store, "a", usage(2 * HOUR, output_tokens=50, cost_usd=0.5))
        assert sum(entry.cost or 0 for entry in entries(store)) == Decimal("0.5")

    def test_a_cost_that_comes_before_its_tokens_pays_for_them(self, store: Store) -> None:
        """As agents tell it by ACP."""
        host(store, "a")
        append(store, "a", turn(1), usage(cost_usd=0.1), usage(cost_usd=0.1, output_tokens=5))
        append(store, "a", turn(2), usage(cost_usd=0.3, output_tokens=5))
        append(store, "a", usage(cost_usd=0.3, output_tokens=9))
        found = [(entry.tokens.output_tokens, entry.cost) for entry in entries(store)]
        assert found == [(5, Decimal("0.1")), (4, Decimal("0.2"))]


class TestWhatLasts:
    def test_it_outlives_its_session(self, store: Store) -> None:
        """And the agent, which goes on counting, is not counted twice."""
        append(store, "a", usage(output_tokens=5))
        result_of(store.delete("a"))
        assert output(store) == [5]
        append(store, "a", usage(output_tokens=7))
        assert output(store) == [7]

    def test_another_conversation_of_the_same_name_counts_from_nothing(
        self, store: Store
    ) -> None:
        host(store, "a")
        append(store, "a", usage(output_tokens=5, since_ms=1))
        result_of(store.delete("a"))
        host(store, "a")
        append(store, "a", usage(output_tokens=7, since_ms=2))
        assert output(store) == [12]

    def test_it_outlives_the_log(self, make_store: MakeStore) -> None:
        store = make_store(retain=1, events=1)
        append(store, "a", usage(output_tokens=5))
        for _ in range(30):
            append(store, "a", Draft("note", Raw(b"1"), 0))
        assert output(store) == [5]

    def test_it_outlives_an_archived_session_and_goes_on_with_it(self, store: Store) -> None:
        append(store, "a", usage(output_tokens=5))
        result_of(store.archive("a"))
        append(store, "a", usage(output_tokens=6))
        assert output(store) == [6]

    def test_a_refused_commit_adds_nothing(self, make_store: MakeStore) -> None:
        store = make_store(sessions=1)
        append(store, "a", usage(output_tokens=5))
        with pytest.raises(SessionLimit):
            append(store, "b", usage(output_tokens=5))
        assert output(store) == [5]


class TestBounds:
    def test_what_is_older_than_the_host_keeps_is_dropped(self, make_store: MakeStore) -> None:
        store = make_store(usage_days=2)
        append(store, "a", usage(0, output_tokens=1), usage(5 * DAY, output_tokens=3))
        append(store, "b", usage(0, output_tokens=1))
        result_of(store.drop_usage(6 * DAY))
        assert output(store) == [2]
        append(store, "b", usage(6 * DAY, output_tokens=2))
        assert output(store) == [2, 1], "what was counted is counted still"

    def test_older_turns_of_a_long_session_are_joined_by_days(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(usage_entries=8)
        host(store, "a")
        for number in range(1, 40):
            append(store, "a", turn(number), usage(number * HOUR, output_tokens=number))
        found = entries(store)
        assert len(found) <= 8
        assert sum(output(store)) == 39, "nothing is lost"
        assert [one.number for one in found] == sorted(one.number for one in found)
        assert [one.turn for one in found][-4:] == [36, 37, 38, 39]
        assert found[0].turn is None

    def test_the_oldest_of_all_make_room(self, make_store: MakeStore) -> None:
        store = make_store(usage_total=20)
        for number in range(100):
            append(store, f"s{number}", usage(number, output_tokens=1))
        assert 19 <= len(entries(store)) <= 21
        assert entries(store)[-1].session == "s99"
