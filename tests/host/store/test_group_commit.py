"""Commits that are shared: who sees what when, and who is told of a failure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.errors import StorageFull, StoreUnavailable, UnknownSession
from sxhost.model.message import MessageDraft
from sxhost.model.session import Registration
from sxhost.store.group_commit import Threads
from sxhost.store.journalled import JournalledStore
from sxhost.store.transaction import Transaction
from sxhost.testing import is_done, result_of, started
from tests.support.durable_stores import Open, Slow, append, draft
from tests.support.stores import HERE


class TestCommitting:
    @pytest.fixture
    def slow(self) -> Slow:
        return Slow()

    @pytest.fixture
    def store(self, reopen: Open, slow: Slow) -> Iterator[JournalledStore]:
        store = reopen(slow.threads)
        yield store
        slow.threads.write = HERE.write

    def test_nothing_is_seen_before_it_is_committed(
        self, store: JournalledStore, slow: Slow
    ) -> None:
        fired = started(store.append_events("a", [draft()], 0))
        assert not is_done(fired)
        with pytest.raises(UnknownSession):
            result_of(store.session("a"))
        slow.go()
        assert [e.id for e in result_of(fired)] == [1]
        assert [e.id for e in store.recent.since("a", 0) or ()] == [1]

    def test_what_arrives_meanwhile_shares_the_next_commit(
        self, store: JournalledStore, slow: Slow
    ) -> None:
        fired = [started(store.append_events("a", [draft()], 0)) for _ in range(5)]
        slow.go()
        assert [is_done(one) for one in fired] == [True, False, False, False, False]
        slow.go()
        assert [result_of(one)[0].seq for one in fired] == [1, 2, 3, 4, 5]
        assert slow.waiting == []

    def test_what_arrives_in_one_turn_shares_one_commit(
        self, store: JournalledStore, slow: Slow
    ) -> None:
        clock = Clock()
        slow.threads.soon = partial(clock.callLater, 0)
        fired = [started(store.append_events("a", [draft()], 0)) for _ in range(5)]
        assert slow.waiting == []
        clock.advance(0)
        slow.go()
        assert [result_of(one)[0].seq for one in fired] == [1, 2, 3, 4, 5]
        assert slow.waiting == []

    def test_what_waits_for_the_end_of_its_turn_is_committed_by_a_stop(
        self, store: JournalledStore, slow: Slow, reopen: Open
    ) -> None:
        slow.threads.soon = lambda _act: None
        fired = started(store.append_events("a", [draft()], 0))
        closed = started(store.close())
        slow.go()
        assert [event.id for event in result_of(fired)] == [1]
        slow.go()
        assert is_done(closed)

    @pytest.mark.parametrize("error", [StorageFull(), StoreUnavailable("fsync failed")])
    def test_what_failed_never_was(
        self, store: JournalledStore, slow: Slow, error: Exception
    ) -> None:
        fired = started(store.append_events("a", [draft()], 0))
        slow.fail(error)
        with pytest.raises(type(error)):
            result_of(fired)
        again = started(store.append_events("a", [draft()], 0))
        slow.go()
        assert [(e.seq, e.id) for e in result_of(again)] == [(1, 1)]

    def test_one_refusal_does_not_spoil_the_others(
        self, store: JournalledStore, slow: Slow
    ) -> None:
        first = started(store.append_events("a", [draft()], 0))
        refused = started(store.put_message("x", MessageDraft(content="m"), 0))
        last = started(store.append_events("b", [draft()], 0))
        slow.go()
        slow.go()
        assert is_done(first)
        assert [e.id for e in result_of(last)] == [2]
        with pytest.raises(UnknownSession):
            result_of(refused)

    def test_interleaved_sessions_keep_their_ids(
        self, store: JournalledStore, slow: Slow, reopen: Open
    ) -> None:
        fired = [started(store.append_events(s, [draft()], 0)) for s in "aabaa"]
        slow.go()
        slow.go()
        ids = [result_of(one)[0].id for one in fired]
        slow.threads.write = HERE.write
        assert [(e.id, e.session) for e in result_of(reopen().read_events(None))] == list(
            zip(ids, "aabaa", strict=True)
        )

    def test_who_left_takes_nothing(self, store: JournalledStore, slow: Slow) -> None:
        registered = started(store.register("a", Registration(), 0))
        put = started(store.put_message("a", MessageDraft(content="m"), 0))
        taken = started(store.take_messages("a", 0))
        taken.addErrback(lambda _: None)
        taken.cancel()
        slow.go()
        slow.go()
        assert is_done(registered)
        assert is_done(put)
        assert [m.state for m in result_of(store.peek_messages("a"))] == ["queued"]

    def test_a_defect_is_told_to_all_who_share_its_commit(
        self, store: JournalledStore, slow: Slow, failure_log: Any
    ) -> None:
        def defect(transaction: Transaction) -> None:
            raise ZeroDivisionError

        first = started(store.append_events("a", [draft()], 0))
        others: list[Deferred[Any]] = [
            started(store._committer.run(defect)),
            started(store.append_events("a", [draft()], 0)),
        ]
        slow.go()
        assert is_done(first)
        for one in others:
            with pytest.raises(ZeroDivisionError):
                result_of(one)
        assert len(failure_log.flush()) == 1
        again = started(store.append_events("a", [draft()], 0))
        slow.go()
        assert [e.id for e in result_of(again)] == [2]

    def test_a_drop_that_fails_waits_for_the_next_commit(
        self, reopen: Open, slow: Slow
    ) -> None:
        store = reopen(slow.threads, events=2, retain=2)
        for _ in range(3):
            started(store.append_events("a", [draft()], 0))
            slow.go()
        while slow.waiting:
            slow.go()
        for _ in range(2):
            appended = started(store.append_events("a", [draft()], 0))
            slow.go()
            assert is_done(appended)
            slow.fail(StorageFull())
            assert not slow.waiting
        slow.threads.write = HERE.write

    def test_a_key_that_cools_down_meanwhile_is_known_all_the_same(
        self, reopen: Open, slow: Slow
    ) -> None:
        store = reopen(slow.threads, events=3)
        first = started(store.append_events("a", [draft(key="k")], 0))
        slow.go()
        others = started(store.append_events("a", [draft()] * 2, 0))
        more = started(store.append_events("a", [draft()] * 3, 0))
        slow.go()
        again = started(store.append_events("a", [draft(key="k")], 0))
        slow.go()
        assert is_done(others)
        assert is_done(more)
        assert result_of(again) == result_of(first)
        slow.threads.write = HERE.write

    def test_a_close_waits_for_the_read_that_runs(self, reopen: Open) -> None:
        reads = Slow()
        threads = Threads(HERE.write, reads.write, HERE.index)
        store = reopen(threads)
        append(store, "a", draft())
        closing = started(store.close())
        assert not is_done(closing)
        append(store, "a", draft())
        reads.go()
        assert is_done(closing)
        with pytest.raises(StoreUnavailable):
            append(store, "a", draft())
        threads.read = HERE.read

    def test_a_pull_of_nothing_does_not_trouble_the_disk(
        self, store: JournalledStore, slow: Slow
    ) -> None:
        started(store.register("a", Registration(), 0))
        slow.go()
        assert result_of(store.take_messages("a", 0)) == []
        assert slow.waiting == []
