"""What every store does with events: the contract `EventLog`."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from sxhost.store.contracts import Store
from sxhost.store.recent_events import RECENT
from sxhost.testing import result_of
from tests.support.stores import MakeStore, append, draft


class TestLog:
    def test_events_are_numbered_in_their_session_and_over_all(self, store: Store) -> None:
        first = result_of(store.append_events("a", [draft(), draft()], 0))
        second = result_of(store.append_events("b", [draft()], 0))
        third = result_of(store.append_events("a", [draft()], 0))
        assert [e.seq for e in (*first, *second, *third)] == [1, 2, 1, 3]
        ids = [e.id for e in (*first, *second, *third)]
        assert ids == sorted(set(ids))

    def test_an_event_keeps_its_time_and_data(self, store: Store) -> None:
        (event,) = result_of(store.append_events("a", [draft("x", b'{"a":[1]}')], 0))
        assert (event.ts, event.ts_ms, event.value()) == (5, 5_000, {"a": [1]})

    def test_reading_after_a_number_a_position_and_of_some_kind(self, store: Store) -> None:
        append(store, "b", draft())
        append(store, "a", draft("x"), draft("y"), draft("x"))

        def read(**how: Any) -> list[int]:
            return [e.seq for e in result_of(store.read_events("a", **how))]

        assert read() == [1, 2, 3]
        assert read(seq=1) == [2, 3]
        assert read(seq=3) == read(seq=99) == []
        assert read(position=2) == [2, 3]
        assert read(limit=2) == [1, 2]
        assert read(names=frozenset({"x"})) == [1, 3]
        assert read(seq=1, names=frozenset({"x"}), limit=1) == [3]

    def test_only_the_newest_are_kept(self, make_store: MakeStore) -> None:
        store = make_store(events=3, retain=3)
        for n in range(5):
            append(store, "a", draft(f"e{n}"))
        assert [e.seq for e in result_of(store.read_events("a"))] == [3, 4, 5]
        assert [e.seq for e in result_of(store.read_events("a", seq=1))] == [3, 4, 5]
        assert result_of(store.session("a")).event_count == 5
        assert store.recent.pruned("a") == store.recent.pruned(None) == 2

    def test_a_key_is_kept_once(self, store: Store) -> None:
        assert append(store, "a", draft("x", key="k")) == [(1, "x")]
        assert append(store, "a", draft("other", key="k"), draft("y")) == [(1, "x"), (2, "y")]
        assert append(store, "a", draft("z", key="k")) == [(1, "x")]
        assert result_of(store.session("a")).last_event == "y"

    def test_a_key_twice_in_a_batch_is_kept_once(self, store: Store) -> None:
        assert append(store, "a", draft(key="k"), draft(key="k")) == [(1, "thinking")] * 2

    def test_a_key_is_forgotten_with_its_event(self, make_store: MakeStore) -> None:
        store = make_store(events=2, retain=2)
        for one in (draft("x", key="k"), draft(), draft()):
            append(store, "a", one)
        assert append(store, "a", draft("x", key="k")) == [(4, "x")]

    def test_all_sessions_are_read_in_the_order_of_their_ids(self, store: Store) -> None:
        for session_id in ("b", "a", "b"):
            append(store, session_id, draft())
        events = result_of(store.read_events(None))
        assert [(e.session, e.id) for e in events] == [("b", 1), ("a", 2), ("b", 3)]
        assert [e.id for e in result_of(store.read_events(None, position=1, limit=1))] == [2]

    def test_what_is_hot_is_there_at_once(self, store: Store) -> None:
        append(store, "a", draft())
        append(store, "b", draft())
        append(store, "a", draft())

        def hot(session_id: str | None, position: int) -> list[int]:
            return [event.id for event in store.recent.since(session_id, position) or ()]

        assert hot("a", 0) == [1, 3]
        assert hot("a", 1) == [3]
        assert hot("a", 3) == hot(None, 3) == []
        assert hot(None, 1) == [2, 3]

    def test_a_forgotten_session_is_out_of_every_log(self, store: Store) -> None:
        append(store, "a", draft())
        append(store, "b", draft())
        result_of(store.delete("a"))
        assert [e.session for e in result_of(store.read_events(None))] == ["b"]
        assert [e.session for e in store.recent.since(None, 0) or ()] == ["b"]

    def test_what_left_the_ring_is_hot_while_it_is_among_the_last_of_all(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(events=2)
        for session in "baaaa":
            append(store, session, draft())
        known = None if store.name == "memory" else [2, 3, 4, 5]  # there it is gone
        hot = store.recent.since("a", 0)
        assert (None if hot is None else [event.id for event in hot]) == known
        assert [event.id for event in store.recent.since("a", 3) or ()] == [4, 5]
        append(store, "a", *[draft()] * RECENT)
        assert store.recent.since("a", 0) is None

    def test_keys_of_two_sessions_are_apart(self, store: Store) -> None:
        append(store, "a", draft(key="k"))
        assert append(store, "b", draft(key="k")) == [(1, "thinking")]
        assert result_of(store.counts()).events == 2

    def test_events_move_the_session(self, store: Store) -> None:
        append(store, "a", draft("thinking"), draft("tool-start", b'"Bash"'))
        session = result_of(store.session("a"))
        assert (session.last_event, session.event_count) == ("tool-start", 2)
        assert (session.state.name, session.last_seen_ms) == ("working", 7_000)


# Retention.

MINUTE, DAY = 60_000, 86_400_000


@pytest.mark.parametrize("wrong", [10 * DAY, 10_000 * DAY, -10 * DAY])
@pytest.mark.parametrize("minute_of_it", [0, 80])
def test_a_clock_that_is_wrong_for_a_minute_deletes_nothing(
    store: Store, clock: Clock, wrong: int, minute_of_it: int
) -> None:
    """Neither by its sweep nor by what is written then, at the start or later."""
    for minute in range(150):
        at = 20_000 * DAY + minute * MINUTE + (wrong if minute == minute_of_it else 0)
        result_of(store.append_events("a", [draft()], at))
        result_of(store.sweep(at))
        clock.advance(60)
    assert (store.recent.pruned("a"), len(result_of(store.read_events("a")))) == (0, 150)
