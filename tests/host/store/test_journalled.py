"""What is peculiar to the durable store: it is there again, whole or not at all."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from sxhost.errors import AlreadyAnswered
from sxhost.model.limits import Limits
from sxhost.model.message import MessageDraft
from sxhost.model.session import Hosting, Registration
from sxhost.model.turn import Launch, Process
from sxhost.store.contracts import Draft, StoreUnusable
from sxhost.store.group_commit import Threads
from sxhost.store.journal import ReadLimit
from sxhost.store.journalled import JournalledStore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.store.transaction import Transaction
from sxhost.testing import result_of
from tests.support.durable_stores import Open, append, draft, fill
from tests.support.stores import HERE, at_once, audited, end, note, question


class TestReopening:
    def test_the_audit_is_there_again_and_numbers_go_on(self, reopen: Open) -> None:
        store = reopen(deeds=2)
        for number in range(5):
            note(store, f"{number}")
        again = reopen(deeds=2)
        assert audited(again) == [(4, "3"), (5, "4")]
        note(again, "5")
        assert audited(reopen(deeds=9)) == [(5, "4"), (6, "5")]

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

    def test_whoever_wants_few_events_has_few_read(self, reopen: Open) -> None:
        append(reopen(), "a", *(draft() for _ in range(100)))
        bounds: list[int] = []

        def read(function: Callable[..., Any], *given: Any) -> Deferred[Any]:
            bounds.extend(one.events for one in given if isinstance(one, ReadLimit))
            return at_once(function, *given)

        store = reopen(Threads(at_once, read, at_once))
        events = result_of(store.read_events("a", seq=7, limit=10))
        assert [event.seq for event in events] == list(range(8, 18))
        assert bounds == [10]

    def test_leases_return_to_their_queue(self, reopen: Open) -> None:
        fill(reopen())
        again = reopen()
        states = [(m.content, m.state) for m in result_of(again.peek_messages("a"))]
        assert states == [("one", "delivered"), ("two", "queued"), ("three", "queued")]
        assert [m.content for m in result_of(again.take_messages("a", 0))] == ["two", "three"]

    def test_a_lease_of_one_returns_to_its_queue(self, reopen: Open) -> None:
        fill(reopen())
        store = reopen()
        assert result_of(store.lease_message("a", 2, 60)).state == "leased"
        messages = result_of(reopen().peek_messages("a"))
        assert [(m.content, m.state) for m in messages[1:]] == [
            ("two", "queued"),
            ("three", "queued"),
        ]

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
        store = JournalledStore(Limits(), clock.seconds, SQLiteConnection(path), HERE)
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
        store = JournalledStore(
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
        store = JournalledStore(
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

    @pytest.mark.parametrize("reopen", ["sqlite"], indirect=True)
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

    def test_a_session_made_anew_in_one_change_begins_anew(self, reopen: Open) -> None:
        store = reopen()
        fill(store)
        result_of(store.delete("a"))
        assert append(store, "a", draft()) == [(1, 5)]
        assert [e.id for e in result_of(reopen().read_events("a"))] == [5]


def damaged(content: bytes, seed: int) -> bytes:
    """Flip a bit somewhere, or cut the end off."""
    dice = random.Random(seed)
    place = dice.randrange(len(content))
    if dice.random() < 0.1:
        return content[:place]
    flipped = content[place] ^ (1 << dice.randrange(8))
    return content[:place] + bytes([flipped]) + content[place + 1 :]


def everything(store: JournalledStore) -> Any:
    """Return all that a store says; it may also refuse."""
    messages = [result_of(store.peek_messages(s.id)) for s in result_of(store.sessions())]
    keyed = append(store, "a", draft("other", key="k"))
    return result_of(store.sessions()), result_of(store.read_events(None)), messages, keyed


def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    def opened(path: Path) -> JournalledStore:
        store = JournalledStore(Limits(), Clock().seconds, SQLiteConnection(path), HERE)
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
