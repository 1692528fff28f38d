"""Sessions that have made room: on the disk, and read by their ids."""

from __future__ import annotations

import pytest

from sxhost.errors import UnknownSession
from sxhost.store.event_ring import weight
from sxhost.store.journalled import JournalledStore
from sxhost.store.recent_events import RECENT
from sxhost.testing import result_of, started
from tests.support.durable_stores import Open, Slow, append, draft, fill
from tests.support.stores import HERE


class TestArchive:
    """A session that made room is on the disk as it was, and read from there."""

    @pytest.fixture
    def store(self, reopen: Open) -> JournalledStore:
        store = reopen()
        fill(store)
        result_of(store.archive("a"))
        return store

    def test_it_is_read_by_its_id(self, store: JournalledStore) -> None:
        assert result_of(store.session("a")).event_count == 3
        assert [event.seq for event in result_of(store.read_events("a"))] == [1, 2, 3]
        assert [event.id for event in result_of(store.read_events("a", position=2))] == [4]
        assert result_of(store.count_waiting("a")) == 2
        assert len(result_of(store.peek_messages("a"))) == 3
        assert result_of(store.approvals("a")) == []
        assert (
            store.recent.since("a", 0),
            store.recent.since("a", 4),
            store.recent.pruned("a"),
        ) == (None, [], 0)

    def test_it_stays_so_over_a_restart(self, store: JournalledStore, reopen: Open) -> None:
        again = reopen()
        assert [session.id for session in result_of(again.sessions())] == ["b"]
        self.test_it_is_read_by_its_id(again)
        assert append(again, "a", draft()) == [(4, 5)]
        assert {s.id for s in result_of(reopen().sessions())} == {"a", "b"}

    def test_who_reads_all_misses_nothing_of_it(self, store: JournalledStore) -> None:
        assert [event.id for event in result_of(store.read_events(None))] == [1, 2, 3, 4]
        assert [event.id for event in store.recent.since(None, 0) or ()] == [1, 2, 3, 4]

    def test_what_memory_had_of_it_is_free(self, store: JournalledStore) -> None:
        append(store, "c", *[draft()] * RECENT)
        append(store, "c", *[draft()] * RECENT)
        assert store.recent.size == sum(
            map(weight, store.recent.since(None, RECENT + 4) or ())
        ) + weight(result_of(store.read_events("b"))[0])

    def test_two_writers_at_once_bring_it_back_once(self, store: JournalledStore) -> None:
        both = [started(store.append_events("a", [draft()], 7_000)) for _ in range(2)]
        assert [event.seq for one in both for event in result_of(one)] == [4, 5]

    def test_it_is_deleted_once(self, reopen: Open) -> None:
        slow = Slow()
        store = reopen(slow.threads)
        threads, slow.threads.write = slow.threads, HERE.write
        append(store, "a", draft())
        result_of(store.archive("a"))
        threads.write = slow.write
        first = started(store.append_events("b", [draft()], 7_000))
        both = [started(store.delete("a")) for _ in range(2)]  # they share a commit
        slow.go()
        slow.go()
        threads.write = HERE.write
        result_of(first)
        result_of(both[0])
        with pytest.raises(UnknownSession):
            result_of(both[1])
        assert not store.known.holds("a")

    def test_only_so_many_are_kept(self, reopen: Open) -> None:
        store = reopen(archived=2)
        for session_id in ("a", "b", "c"):
            append(store, session_id, draft())
            result_of(store.archive(session_id))
        assert [store.known.holds(session_id) for session_id in ("a", "b", "c")] == [
            False,
            True,
            True,
        ]
        assert reopen().known.holds("c")
        assert not reopen().known.holds("a")
