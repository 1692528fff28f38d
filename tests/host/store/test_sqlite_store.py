"""What only the durable store promises: it is all there again, or nothing was acknowledged."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from sxhost.errors import AlreadyAnswered, StorageFull, StoreUnavailable, UnknownSession
from sxhost.model.limits import Limits
from sxhost.model.session import Hosting, MessageDraft, Registration
from sxhost.model.turn import Launch, Process
from sxhost.store.contracts import Draft, StoreUnusable
from sxhost.store.event_ring import weight
from sxhost.store.recent_events import RECENT
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.store.sqlite.store import SQLiteStore, Threads
from sxhost.store.steady_clock import LOOKS
from sxhost.store.transaction import Transaction
from sxhost.testing import is_done, result_of, started
from tests.contracts.test_store import HERE, end, note, question, told

Open = Callable[..., SQLiteStore]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sxhost.db"


@pytest.fixture
def reopen(path: Path) -> Iterator[Open]:
    """Open the store; if it was open, close it before."""
    stores: list[SQLiteStore] = []

    def close() -> None:
        while stores:
            result_of(stores.pop().close())

    def reopen(threads: Threads = HERE, **limits: Any) -> SQLiteStore:
        close()
        store = SQLiteStore(Limits(**limits), Clock().seconds, SQLiteConnection(path), threads)
        store.open()
        stores.append(store)
        return store

    yield reopen
    close()


def draft(event: str = "thinking", key: str | None = None) -> Draft:
    return Draft(event, Raw(b'{"a":"b"}'), 5_000, key)


def append(store: SQLiteStore, session_id: str, *drafts: Draft) -> list[tuple[int, int]]:
    events = result_of(store.append_events(session_id, drafts, 7_000))
    return [(event.seq, event.id) for event in events]


def fill(store: SQLiteStore) -> None:
    result_of(store.register("a", Registration(model="m", labels={"k": "v"}), 1_000))
    append(store, "a", draft(key="k"), draft("tool-start"))
    append(store, "b", draft())
    append(store, "a", draft("usage"))
    for content in ("one", "two", "three"):
        result_of(store.put_message("a", MessageDraft(content=content, key=content), 7_000))
    result_of(store.ack_message("a", 1))
    result_of(store.take_messages("a", 60))


class TestReopening:
    def test_the_audit_is_there_again_and_numbers_go_on(self, reopen: Open) -> None:
        store = reopen(deeds=2)
        for number in range(5):
            note(store, f"{number}")
        again = reopen(deeds=2)
        assert told(again) == [(4, "3"), (5, "4")]
        note(again, "5")
        assert told(reopen(deeds=9)) == [(5, "4"), (6, "5")]

    def test_all_is_there_again(self, reopen: Open) -> None:
        store = reopen()
        fill(store)
        before = (
            store.epoch,
            result_of(store.sessions()),
            result_of(store.read_events(None)),
            result_of(store.counts()),
        )
        again = reopen()
        assert before == (
            again.epoch,
            result_of(again.sessions()),
            result_of(again.read_events(None)),
            result_of(again.counts()),
        )

    def test_leases_return_to_their_queue(self, reopen: Open) -> None:
        fill(reopen())
        again = reopen()
        states = [(m.content, m.state) for m in result_of(again.peek_messages("a"))]
        assert states == [("one", "delivered"), ("two", "queued"), ("three", "queued")]
        assert [m.content for m in result_of(again.take_messages("a", 0))] == ["two", "three"]

    def test_approvals_are_there_again_and_numbers_go_on(self, reopen: Open) -> None:
        store = reopen(closed_approvals=1)
        result_of(store.register("a", Registration(), 0))
        for key in ("one", "two", "three", "waits"):
            result_of(store.open_approval("a", question(key), 8_000, None))
        for number in (1, 2):
            result_of(store.close_approval("a", number, "answered", end()))
        result_of(store.close_approval("a", 3, "withdrawn", end("cancel")))
        before = result_of(store.approvals("a"))
        assert [(a.id, a.state) for a in before] == [(3, "withdrawn"), (4, "pending")]
        again = reopen(closed_approvals=1)
        assert result_of(again.approvals("a")) == before
        with pytest.raises(AlreadyAnswered):
            result_of(again.close_approval("a", 3, "answered", end()))
        assert result_of(again.open_approval("a", question("waits"), 9_000, None)).id == 4
        result_of(again.delete("a"))
        last = reopen()
        result_of(last.register("b", Registration(), 0))
        assert result_of(last.open_approval("b", question(), 9_000, None)).id == 5

    def test_what_the_host_noted_is_there_again(self, reopen: Open) -> None:
        store = reopen()
        launch = Launch(agent="pi", cwd="/w", env={"A": "b"}, native={"x": [1]})
        noted = Hosting(kind="hosted", launch=launch, native_id="n", process=Process(7, 8))
        result_of(store.register("a", noted, 0))
        before = result_of(store.session("a"))
        assert result_of(reopen().session("a")) == before

    def test_what_expired_stays_so(self, path: Path) -> None:
        clock = Clock()
        store = SQLiteStore(Limits(), clock.seconds, SQLiteConnection(path), HERE)
        store.open()
        fill(store)
        result_of(store.put_message("b", MessageDraft(content="late", ttl_s=5), 0))
        clock.advance(6)
        assert result_of(store.take_messages("b", 0)) == []
        result_of(store.close())
        store.open()
        assert [m.state for m in result_of(store.peek_messages("b"))] == ["expired"]
        result_of(store.close())

    def test_numbers_go_on(self, reopen: Open) -> None:
        fill(reopen())
        again = reopen()
        assert append(again, "a", draft()) == [(4, 5)]
        message, waiting = result_of(again.put_message("a", MessageDraft(content="four"), 0))
        assert (message.id, waiting) == (4, 3)

    def test_numbers_go_on_past_what_was_forgotten(self, reopen: Open) -> None:
        store = reopen()
        fill(store)
        result_of(store.delete("a"))
        result_of(store.delete("b"))
        again = reopen()
        assert append(again, "a", draft()) == [(1, 5)]
        assert result_of(again.put_message("a", MessageDraft(content="x"), 0))[0].id == 4

    def test_numbers_go_on_past_what_came_and_went_at_once(self, reopen: Open) -> None:
        store = reopen()
        fill(store)

        def come_and_go(transaction: Transaction) -> None:
            transaction.append_events("c", [draft()] * 5, 0, {})
            transaction.put_message("c", MessageDraft(content="x"), 0)
            transaction.delete("c")

        result_of(store._committer.run(come_and_go))
        again = reopen()
        assert append(again, "a", draft()) == [(4, 10)]
        assert result_of(again.put_message("a", MessageDraft(content="x"), 0))[0].id == 5

    def test_numbers_go_on_past_a_message_that_was_forgotten_first(self, reopen: Open) -> None:
        store = reopen(closed_messages=1)
        result_of(store.register("a", Registration(), 0))
        for words in "ab":
            result_of(store.put_message("a", MessageDraft(content=words), 0))
        result_of(store.withdraw("a", 2))
        result_of(store.withdraw("a", 1))
        again = reopen(closed_messages=1)
        assert [m.id for m in result_of(again.peek_messages("a"))] == [1]
        assert result_of(again.put_message("a", MessageDraft(content="x"), 0))[0].id == 3

    def test_a_message_that_a_look_has_forgotten_is_gone(self, path: Path) -> None:
        clock = Clock()
        store = SQLiteStore(
            Limits(closed_messages=1), clock.seconds, SQLiteConnection(path), HERE
        )
        store.open()
        result_of(store.register("a", Registration(), 0))
        for words in "abc":
            result_of(store.put_message("a", MessageDraft(content=words, ttl_s=5), 0))
        clock.advance(5)
        assert [m.id for m in result_of(store.peek_messages("a"))] == [3]
        assert result_of(store.take_messages("a", 0)) == []
        result_of(store.close())
        store = SQLiteStore(
            Limits(closed_messages=9), clock.seconds, SQLiteConnection(path), HERE
        )
        store.open()
        assert [(m.id, m.state) for m in result_of(store.peek_messages("a"))] == [
            (3, "expired")
        ]
        result_of(store.close())

    def test_a_page_is_no_larger_than_its_reader_wants(self, reopen: Open) -> None:
        large = Draft("x", Raw(b'"%s"' % (b"x" * 30_000)), 0)
        append(reopen(events=2), "a", *([large] * 100))
        again = reopen(events=2)
        for size in (1, 100_000, 200_000):
            found = result_of(again.read_events("a", position=10, limit=50, size=size))
            assert [e.seq for e in found] == list(range(11, 11 + len(found)))
            assert size <= sum(len(e.data) for e in found) < size + 256_000
        assert len(result_of(again.read_events("a", position=10, limit=50, size=10**9))) == 50
        assert len(result_of(again.read_events("a", position=10))) == 90

    def test_a_new_epoch_is_logged(self, reopen: Open, path: Path) -> None:
        fill(reopen())
        epoch = reopen().epoch
        append(reopen(), "a", draft())
        for part in ("", "-wal"):
            shutil.copy(f"{path}{part}", f"{path}{part}.copy")
        result_of(reopen().close())
        for part in ("", "-wal"):
            Path(f"{path}{part}.copy").rename(f"{path}{part}")
        with capturedLogs() as logged:
            assert reopen().epoch != epoch
        assert "the end of the log may be lost" in formatEvent(logged[0])

    def test_keys_are_remembered(self, reopen: Open) -> None:
        fill(reopen())
        again = reopen()
        assert append(again, "a", draft("other", key="k")) == [(1, 1)]
        assert (
            result_of(again.put_message("a", MessageDraft(content="two", key="two"), 0))[0].id
            == 2
        )

    def test_what_is_on_disk_is_read_in_pieces(self, reopen: Open) -> None:
        store = reopen(events=3)
        for n in range(10):
            append(store, "a", draft(f"e{n}"), draft())
        for again in (False, True):
            opened = reopen(events=3) if again else store
            found = result_of(opened.read_events("a"))
            assert [e.seq for e in found] == list(range(1, 21))
            assert [e.seq for e in result_of(opened.read_events("a", seq=5, limit=3))] == [
                6,
                7,
                8,
            ]
            names = frozenset({"e4", "e9"})
            assert [e.seq for e in result_of(opened.read_events("a", names=names))] == [9, 19]

    def test_what_was_pruned_is_known_to_be(self, reopen: Open) -> None:
        store = reopen(retain=5, events=5)
        for _ in range(20):
            append(store, "a", draft(key="k"))
            append(store, "b", draft())
        for _ in range(10):
            append(store, "a", draft())
        again = reopen(retain=5, events=5)
        assert [e.seq for e in result_of(again.read_events("a"))] == [7, 8, 9, 10, 11]
        assert again.recent.pruned("a") == store.recent.pruned("a") > 0

    def test_what_is_too_old_goes(self, reopen: Open) -> None:
        fill(reopen(retain_days=1))
        day = 86_400_000
        store = reopen(retain_days=1)
        result_of(store.append_events("b", [draft()], 7_000 + day))
        for _ in range(2 * LOOKS):
            result_of(store.sweep(7_000 + 2 * day))
        assert store.recent.pruned(None) == 0, "nothing is a day older than the newest"
        result_of(store.append_events("b", [draft()], 7_001 + day))
        for _ in range(LOOKS - 1):
            result_of(store.sweep(7_000 + day))
        assert store.recent.pruned(None) == 0
        for _ in range(LOOKS):
            result_of(store.sweep(7_001 + day))
        assert [e.id for e in result_of(reopen().read_events(None))] == [5, 6]
        result_of(reopen().delete("b"))
        assert append(reopen(), "a", draft()) == [(4, 7)]

    def test_a_clock_that_is_wrong_after_a_start_deletes_nothing(self, reopen: Open) -> None:
        fill(reopen())
        store = reopen()
        for at in (10**15, *[7_000] * LOOKS, 10**15):
            result_of(store.append_events("a", [draft()], at))
            result_of(store.sweep(at))
        assert len(result_of(reopen().read_events(None))) == 4 + LOOKS + 2

    def test_what_came_in_this_life_grows_old_with_it(self, path: Path) -> None:
        """A machine without a clock of its own begins in 1970."""
        clock = Clock()
        store = SQLiteStore(Limits(retain_days=1), clock.seconds, SQLiteConnection(path), HERE)
        store.open()
        result_of(store.append_events("a", [draft()], 0))
        day = 86_400_000
        for minute in range(2 * LOOKS):
            result_of(store.append_events("a", [draft()], 20_000 * day + minute * 60_000))
            result_of(store.sweep(20_000 * day + minute * 60_000))
            clock.advance(60)
        assert store.recent.pruned("a") == 0
        clock.advance(86_400)
        for minute in range(LOOKS):
            result_of(store.sweep(20_001 * day + minute * 60_000))
        assert store.recent.pruned("a") == 1
        result_of(store.close())

    def test_a_session_made_anew_in_one_change_begins_anew(self, reopen: Open) -> None:
        store = reopen()
        fill(store)
        result_of(store.delete("a"))
        assert append(store, "a", draft()) == [(1, 5)]
        assert [e.id for e in result_of(reopen().read_events("a"))] == [5]


class Slow:
    """Threads whose writes wait until they are let go, or fail."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.threads = Threads(self.write, HERE.read)

    def write(self, function: Callable[..., Any], *given: Any) -> Deferred[Any]:
        self.waiting.append((Deferred(), function, given))
        return self.waiting[-1][0]

    def go(self) -> None:
        done, function, given = self.waiting.pop(0)
        done.callback(function(*given))

    def fail(self, error: Exception) -> None:
        self.waiting.pop(0)[0].errback(error)


class TestCommitting:
    @pytest.fixture
    def slow(self) -> Slow:
        return Slow()

    @pytest.fixture
    def store(self, reopen: Open, slow: Slow) -> Iterator[SQLiteStore]:
        store = reopen(slow.threads)
        yield store
        slow.threads.write = HERE.write

    def test_nothing_is_seen_before_it_is_committed(
        self, store: SQLiteStore, slow: Slow
    ) -> None:
        fired = started(store.append_events("a", [draft()], 0))
        assert not is_done(fired)
        with pytest.raises(UnknownSession):
            result_of(store.session("a"))
        slow.go()
        assert [e.id for e in result_of(fired)] == [1]
        assert [e.id for e in store.recent.since("a", 0) or ()] == [1]

    def test_what_arrives_meanwhile_shares_the_next_commit(
        self, store: SQLiteStore, slow: Slow
    ) -> None:
        fired = [started(store.append_events("a", [draft()], 0)) for _ in range(5)]
        slow.go()
        assert [is_done(one) for one in fired] == [True, False, False, False, False]
        slow.go()
        assert [result_of(one)[0].seq for one in fired] == [1, 2, 3, 4, 5]
        assert slow.waiting == []

    @pytest.mark.parametrize("error", [StorageFull(), StoreUnavailable("fsync failed")])
    def test_what_failed_never_was(
        self, store: SQLiteStore, slow: Slow, error: Exception
    ) -> None:
        fired = started(store.append_events("a", [draft()], 0))
        slow.fail(error)
        with pytest.raises(type(error)):
            result_of(fired)
        again = started(store.append_events("a", [draft()], 0))
        slow.go()
        assert [(e.seq, e.id) for e in result_of(again)] == [(1, 1)]

    def test_one_refusal_does_not_spoil_the_others(
        self, store: SQLiteStore, slow: Slow
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
        self, store: SQLiteStore, slow: Slow, reopen: Open
    ) -> None:
        fired = [started(store.append_events(s, [draft()], 0)) for s in "aabaa"]
        slow.go()
        slow.go()
        ids = [result_of(one)[0].id for one in fired]
        slow.threads.write = HERE.write
        assert [(e.id, e.session) for e in result_of(reopen().read_events(None))] == list(
            zip(ids, "aabaa", strict=True)
        )

    def test_who_left_takes_nothing(self, store: SQLiteStore, slow: Slow) -> None:
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
        self, store: SQLiteStore, slow: Slow, failure_log: Any
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
        threads = Threads(HERE.write, reads.write)
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
        self, store: SQLiteStore, slow: Slow
    ) -> None:
        started(store.register("a", Registration(), 0))
        slow.go()
        assert result_of(store.take_messages("a", 0)) == []
        assert slow.waiting == []


def damaged(content: bytes, seed: int) -> bytes:
    """Flip a bit somewhere, or cut the end off."""
    dice = random.Random(seed)
    place = dice.randrange(len(content))
    if dice.random() < 0.1:
        return content[:place]
    flipped = content[place] ^ (1 << dice.randrange(8))
    return content[:place] + bytes([flipped]) + content[place + 1 :]


def everything(store: SQLiteStore) -> Any:
    """Return all that a store says; it may also refuse."""
    messages = [result_of(store.peek_messages(s.id)) for s in result_of(store.sessions())]
    keyed = append(store, "a", draft("other", key="k"))
    return result_of(store.sessions()), result_of(store.read_events(None)), messages, keyed


def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    def opened(path: Path) -> SQLiteStore:
        store = SQLiteStore(Limits(), Clock().seconds, SQLiteConnection(path), HERE)
        store.open()
        return store

    whole = tmp_path / "whole.db"
    store = opened(whole)
    fill(store)
    result_of(store.close())
    content = whole.read_bytes()
    store = opened(whole)
    truth = everything(store)
    result_of(store.close())
    refused = 0
    for seed in range(500):
        path = tmp_path / f"{seed}.db"
        path.write_bytes(damaged(content, seed))
        try:
            store = opened(path)
        except StoreUnusable:
            refused += 1
            continue
        try:
            assert everything(store) == truth
        finally:
            result_of(store.close())
            path.unlink()
    assert refused > 50


class TestArchive:
    """A session that made room is on the disk as it was, and read from there."""

    @pytest.fixture
    def store(self, reopen: Open) -> SQLiteStore:
        store = reopen()
        fill(store)
        result_of(store.archive("a"))
        return store

    def test_it_is_read_by_its_id(self, store: SQLiteStore) -> None:
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

    def test_it_stays_so_over_a_restart(self, store: SQLiteStore, reopen: Open) -> None:
        again = reopen()
        assert [session.id for session in result_of(again.sessions())] == ["b"]
        self.test_it_is_read_by_its_id(again)
        assert append(again, "a", draft()) == [(4, 5)]
        assert {s.id for s in result_of(reopen().sessions())} == {"a", "b"}

    def test_who_reads_all_misses_nothing_of_it(self, store: SQLiteStore) -> None:
        assert [event.id for event in result_of(store.read_events(None))] == [1, 2, 3, 4]
        assert [event.id for event in store.recent.since(None, 0) or ()] == [1, 2, 3, 4]

    def test_what_memory_had_of_it_is_free(self, store: SQLiteStore) -> None:
        append(store, "c", *[draft()] * RECENT)
        append(store, "c", *[draft()] * RECENT)
        assert store.recent.size == sum(
            map(weight, store.recent.since(None, RECENT + 4) or ())
        ) + weight(result_of(store.read_events("b"))[0])

    def test_two_writers_at_once_bring_it_back_once(self, store: SQLiteStore) -> None:
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

    def test_it_goes_once_retention_has_taken_all_its_events(self, reopen: Open) -> None:
        fill(reopen(retain_days=1))
        store, later = reopen(retain_days=1), 7_000 + 3 * 86_400_000
        result_of(store.archive("b"))
        for _ in range(LOOKS):
            result_of(store.sweep(7_000))
        assert store.known.holds("b")
        result_of(store.append_events("a", [draft()], later))
        for _ in range(2 * LOOKS):
            result_of(store.sweep(later))
        assert not store.known.holds("b")
