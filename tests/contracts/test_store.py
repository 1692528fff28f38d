"""What every store must do: one suite over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from sxhost.errors import (
    AlreadyAnswered,
    MessageClosed,
    QueueFull,
    SessionLimit,
    UnknownApproval,
    UnknownMessage,
    UnknownSession,
)
from sxhost.model.approval import Approval, Question, Resolution
from sxhost.model.auth import AuditEntry, AuditQuery
from sxhost.model.limits import Limits
from sxhost.model.session import Hosting, MessageDraft, Registration
from sxhost.model.turn import Launch, Process
from sxhost.store.contracts import Draft, Store
from sxhost.store.memory import MemoryStore
from sxhost.store.recent_events import RECENT
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.store.sqlite.store import SQLiteStore, Threads
from sxhost.testing import result_of

MakeStore = Callable[..., Store]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def at_once(function: Callable[..., Any], *given: Any) -> Deferred[Any]:
    """Run what would run in a thread here and now."""
    return maybeDeferred(function, *given)


HERE = Threads(at_once, at_once)


@pytest.fixture(params=["memory", "sqlite"])
def make_store(
    request: pytest.FixtureRequest, clock: Clock, tmp_path: Path
) -> Iterator[MakeStore]:
    """Make a store of each kind with limits of the test's own."""
    stores: list[Store] = []

    def make(**limits: int) -> Store:
        if request.param == "memory":
            return MemoryStore(Limits(**limits), clock.seconds)
        journal = SQLiteConnection(tmp_path / f"{len(stores)}.db")
        store = SQLiteStore(Limits(**limits), clock.seconds, journal, HERE)
        store.open()
        stores.append(store)
        return store

    yield make
    for store in stores:
        result_of(store.close())


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()


def draft(event: str = "thinking", data: bytes = b"null", key: str | None = None) -> Draft:
    return Draft(event, Raw(data), 5_000, key)


def append(store: Store, session_id: str, *drafts: Draft) -> list[tuple[int, str]]:
    events = result_of(store.append_events(session_id, drafts, 7_000))
    return [(event.seq, event.event) for event in events]


def put(store: Store, content: str, **fields: Any) -> int:
    message, _ = result_of(
        store.put_message("a", MessageDraft(content=content, **fields), 7_000)
    )
    return message.id


def states(store: Store) -> list[tuple[str, str]]:
    return [(m.content, m.state) for m in result_of(store.peek_messages("a"))]


def take(store: Store, lease: float = 0) -> list[str]:
    return [message.content for message in result_of(store.take_messages("a", lease))]


class TestSessions:
    def test_registering_creates_then_updates(self, store: Store) -> None:
        session, created = result_of(store.register("a", Registration(model="m", pid=7), 1_000))
        assert (created, session.model, session.start_ms) == (True, "m", 1_000)
        session, created = result_of(store.register("a", Registration(title="t"), 2_000))
        assert (created, session.model, session.title, session.pid) == (False, "m", "t", 7)
        assert (session.start_ms, session.last_seen_ms) == (1_000, 2_000)

    def test_sessions_are_listed_by_id(self, store: Store) -> None:
        for session_id in ("b", "c", "a"):
            result_of(store.register(session_id, Registration(), 0))
        assert [s.id for s in result_of(store.sessions())] == ["a", "b", "c"]

    def test_one_too_many_is_refused(self, make_store: MakeStore) -> None:
        store = make_store(sessions=1)
        append(store, "a", draft())
        with pytest.raises(SessionLimit):
            append(store, "b", draft())
        with pytest.raises(SessionLimit):
            result_of(store.register("b", Registration(), 0))
        assert append(store, "a", draft()) == [(2, "thinking")]

    def test_deleting_forgets_everything(self, store: Store) -> None:
        append(store, "a", draft())
        put(store, "hello")
        result_of(store.delete("a"))
        with pytest.raises(UnknownSession):
            result_of(store.session("a"))
        assert append(store, "a", draft()) == [(1, "thinking")]
        assert states(store) == []

    def test_an_unknown_session_is_unknown_to_every_verb(self, store: Store) -> None:
        works = [
            store.session("x"),
            store.delete("x"),
            store.read_events("x"),
            store.peek_messages("x"),
            store.put_message("x", MessageDraft(content="m"), 0),
            store.take_messages("x", 0),
            store.count_waiting("x"),
            store.ack_message("x", 1),
            store.nack_message("x", 1),
            store.withdraw("x", 1),
        ]
        for work in works:
            with pytest.raises(UnknownSession):
                result_of(work)


class TestArchive:
    """What makes room: gone from the memory store, read by its id in a durable one."""

    def test_it_is_in_no_list_and_its_place_is_free(self, make_store: MakeStore) -> None:
        store = make_store(sessions=1)
        append(store, "a", draft("x"), draft("y"))
        result_of(store.archive("a"))
        assert result_of(store.sessions()) == []
        assert store.known.get("a") is None
        assert append(store, "b", draft()) == [(1, "thinking")]
        assert store.known.holds("a") is (store.name != "memory")

    def test_whoever_writes_to_it_has_it_back(self, make_store: MakeStore) -> None:
        store = make_store()
        append(store, "a", draft("x", key="k"), draft("y"))
        put(store, "hello")
        result_of(store.archive("a"))
        known = store.known.holds("a")
        assert append(store, "a", draft("x", key="k"), draft("z")) == (
            [(1, "x"), (3, "z")] if known else [(1, "x"), (2, "z")]
        )
        assert [s.id for s in result_of(store.sessions())] == ["a"]
        assert states(store) == ([("hello", "queued")] if known else [])

    def test_it_comes_back_only_into_a_free_place(self, make_store: MakeStore) -> None:
        store = make_store(sessions=1)
        append(store, "a", draft())
        result_of(store.archive("a"))
        append(store, "b", draft())
        with pytest.raises(SessionLimit):
            append(store, "a", draft())

    def test_it_can_be_deleted_also_while_there_is_no_room(self, make_store: MakeStore) -> None:
        store = make_store(sessions=1)
        append(store, "a", draft())
        result_of(store.archive("a"))
        append(store, "b", draft())
        if store.known.holds("a"):
            result_of(store.delete("a"))
        with pytest.raises(UnknownSession):
            result_of(store.session("a"))
        result_of(store.delete("b"))
        assert append(store, "a", draft()) == [(1, "thinking")]


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


class TestInbox:
    @pytest.fixture(autouse=True)
    def _session(self, store: Store) -> None:
        result_of(store.register("a", Registration(), 0))

    def test_taking_clears(self, store: Store) -> None:
        put(store, "one")
        put(store, "two", mode="interrupt", sender="me")
        assert take(store) == ["one", "two"]
        assert take(store) == []
        assert states(store) == [("one", "delivered"), ("two", "delivered")]

    def test_what_is_not_acknowledged_is_back_at_the_head(
        self, store: Store, clock: Clock
    ) -> None:
        put(store, "one")
        put(store, "two")
        assert take(store, lease=30) == ["one", "two"]
        put(store, "three")
        assert take(store, lease=60) == ["three"]
        clock.advance(30)
        assert take(store) == ["one", "two"]

    def test_acknowledged_is_delivered(self, store: Store, clock: Clock) -> None:
        one = put(store, "one")
        take(store, lease=30)
        assert states(store) == [("one", "leased")]
        assert result_of(store.ack_message("a", one)).state == "delivered"
        assert result_of(store.ack_message("a", one)).state == "delivered"
        clock.advance(60)
        assert take(store) == []

    def test_a_late_acknowledgement_counts(self, store: Store, clock: Clock) -> None:
        one = put(store, "one")
        take(store, lease=30)
        clock.advance(31)
        assert result_of(store.ack_message("a", one)).state == "delivered"
        assert take(store) == []

    def test_given_back_is_queued_in_its_place(self, store: Store) -> None:
        one = put(store, "one")
        put(store, "two")
        take(store, lease=30)
        result_of(store.nack_message("a", one))
        result_of(store.nack_message("a", one))
        assert states(store) == [("one", "queued"), ("two", "leased")]
        assert take(store) == ["one"]

    def test_withdrawn_is_not_delivered(self, store: Store) -> None:
        one = put(store, "one")
        result_of(store.withdraw("a", one))
        result_of(store.withdraw("a", one))
        assert take(store) == []
        with pytest.raises(MessageClosed):
            result_of(store.ack_message("a", one))
        with pytest.raises(MessageClosed):
            result_of(store.nack_message("a", one))

    def test_what_was_taken_cannot_be_withdrawn(self, store: Store) -> None:
        one = put(store, "one")
        take(store, lease=30)
        with pytest.raises(MessageClosed, match="already leased"):
            result_of(store.withdraw("a", one))
        result_of(store.ack_message("a", one))
        with pytest.raises(MessageClosed, match="already delivered"):
            result_of(store.withdraw("a", one))

    def test_a_full_queue_refuses_until_one_is_delivered(self, make_store: MakeStore) -> None:
        store = make_store(messages=2)
        result_of(store.register("a", Registration(), 0))
        one = put(store, "one")
        put(store, "two")
        take(store, lease=30)
        with pytest.raises(QueueFull):
            put(store, "three")
        result_of(store.ack_message("a", one))
        assert put(store, "three")

    def test_a_key_is_put_once(self, store: Store) -> None:
        one = put(store, "one", key="k")
        assert put(store, "again", key="k") == one
        assert take(store) == ["one"]
        assert put(store, "again", key="k") == one
        assert take(store) == []

    def test_closed_messages_are_remembered_for_a_while(self, make_store: MakeStore) -> None:
        store = make_store(closed_messages=1)
        result_of(store.register("a", Registration(), 0))
        one, two = put(store, "one", key="k"), put(store, "two")
        take(store)
        assert states(store) == [("two", "delivered")]
        with pytest.raises(UnknownMessage):
            result_of(store.ack_message("a", one))
        assert put(store, "new", key="k") > two

    def test_what_nobody_takes_in_time_expires(self, store: Store, clock: Clock) -> None:
        one = put(store, "one", ttl_s=10)
        put(store, "two")
        clock.advance(10)
        assert take(store) == ["two"]
        assert states(store) == [("one", "expired"), ("two", "delivered")]
        for closing in (store.ack_message, store.nack_message, store.withdraw):
            with pytest.raises(MessageClosed, match="already expired"):
                result_of(closing("a", one))

    def test_what_is_on_lease_expires_only_once_it_is_back(
        self, store: Store, clock: Clock
    ) -> None:
        put(store, "one", ttl_s=10)
        take(store, lease=20)
        clock.advance(15)
        assert states(store) == [("one", "leased")]
        clock.advance(5)
        assert states(store) == [("one", "expired")]

    def test_waiting_counts_what_is_not_over(self, store: Store) -> None:
        put(store, "one")
        put(store, "two")
        take(store, lease=30)
        put(store, "three")
        assert result_of(store.count_waiting("a")) == 3
        assert result_of(store.counts()).messages == 3


class TestAudit:
    def test_entries_are_numbered_and_read_in_order(self, store: Store) -> None:
        for what in ("send", "delete", "stop"):
            note(store, what)
        assert told(store) == [(1, "send"), (2, "delete"), (3, "stop")]
        assert told(store, limit=2) == [(2, "delete"), (3, "stop")]
        assert told(store, after=0, limit=2) == [(1, "send"), (2, "delete")]
        assert told(store, after=2) == [(3, "stop")]

    def test_the_oldest_make_room(self, make_store: MakeStore) -> None:
        store = make_store(deeds=2)
        for number in range(5):
            note(store, f"{number}")
        assert told(store) == [(4, "3"), (5, "4")]


def note(store: Store, what: str) -> None:
    result_of(store.record_entry(AuditEntry(0, what, "a", "", "admin", 1000, "127.0.0.1", 7)))


def told(store: Store, **query: int) -> list[tuple[int, str]]:
    return [
        (deed.id, deed.what) for deed in result_of(store.audit_entries(AuditQuery(**query)))
    ]


def question(key: str = "q1") -> Question:
    return Question(key=key, kind="command", title=f"Run {key}", choices=["approve", "deny"])


def end(decision: str = "approve") -> Resolution:
    return Resolution(decision=decision, by="own", at_ms=9_000)


class TestApprovals:
    @pytest.fixture(autouse=True)
    def _session(self, store: Store) -> None:
        result_of(store.register("a", Registration(), 0))

    @staticmethod
    def ask(store: Store, key: str = "q1", session: str = "a") -> Approval:
        return result_of(store.open_approval(session, question(key), 8_000, 18_000))

    @staticmethod
    def settle(store: Store, number: int, decision: str = "approve") -> Approval:
        return result_of(store.close_approval("a", number, "answered", end(decision)))

    @staticmethod
    def listed(store: Store, session: str | None = "a") -> list[tuple[int, str, str]]:
        return [(a.id, a.key, a.state) for a in result_of(store.approvals(session))]

    def test_what_is_asked_is_in_the_log_and_waits(self, store: Store) -> None:
        approval = self.ask(store)
        assert (approval.id, approval.state, approval.title) == (1, "pending", "Run q1")
        assert (approval.opened_ms, approval.expires_ms) == (8_000, 18_000)
        (event,) = result_of(store.read_events("a"))
        assert event.event == "approval-requested"
        assert event.value()["id"] == 1
        session = result_of(store.session("a"))
        assert (session.pending_approvals, session.state.name) == (1, "waiting")

    def test_the_first_decision_stands(self, store: Store) -> None:
        approval = self.ask(store)
        closed = self.settle(store, approval.id, "deny")
        assert (closed.state, closed.resolution) == ("answered", end("deny"))
        with pytest.raises(AlreadyAnswered) as caught:
            self.settle(store, approval.id, "approve")
        assert caught.value.details["decision"] == "deny"
        assert result_of(store.approvals("a")) == [closed]
        events = [event.event for event in result_of(store.read_events("a"))]
        assert events == ["approval-requested", "approval-resolved"]
        assert result_of(store.session("a")).pending_approvals == 0

    def test_it_is_closed_with_its_deed_or_not_at_all(self, store: Store) -> None:
        approval = self.ask(store)
        deed = AuditEntry(0, "answer", "a", "approval 1: approve", "t", None, "", 9_000)
        result_of(store.close_approval("a", approval.id, "answered", end(), deed))
        with pytest.raises(AlreadyAnswered):
            result_of(store.close_approval("a", approval.id, "answered", end(), deed))
        assert len(result_of(store.audit_entries(AuditQuery()))) == 1

    def test_a_pending_one_is_asked_once(self, store: Store) -> None:
        first, again = self.ask(store), self.ask(store)
        assert first == again
        assert len(result_of(store.read_events("a"))) == 1

    def test_asked_again_after_its_end_it_is_open_again(self, store: Store) -> None:
        first = self.ask(store)
        self.settle(store, first.id)
        again = self.ask(store)
        assert (again.id, again.state, again.resolution) == (first.id, "pending", None)
        assert len(result_of(store.read_events("a"))) == 3
        self.settle(store, again.id, "deny")

    def test_keys_are_of_their_session(self, store: Store) -> None:
        result_of(store.register("b", Registration(), 0))
        self.ask(store)
        other = self.ask(store, session="b")
        assert other.id == 2
        assert self.listed(store) == [(1, "q1", "pending")]
        assert self.listed(store, None) == [(1, "q1", "pending"), (2, "q1", "pending")]

    def test_only_the_last_closed_are_remembered(self, make_store: MakeStore) -> None:
        store = make_store(closed_approvals=2)
        result_of(store.register("a", Registration(), 0))
        waiting = self.ask(store, "waits")
        for number in range(4):
            self.settle(store, self.ask(store, f"k{number}").id)
        assert self.listed(store) == [
            (waiting.id, "waits", "pending"),
            (4, "k2", "answered"),
            (5, "k3", "answered"),
        ]
        with pytest.raises(UnknownApproval):
            self.settle(store, 2)

    def test_numbers_are_never_used_again(self, store: Store) -> None:
        self.ask(store)
        result_of(store.delete("a"))
        result_of(store.register("a", Registration(), 0))
        assert self.listed(store) == []
        assert self.ask(store).id == 2

    def test_unknown_ones(self, store: Store) -> None:
        with pytest.raises(UnknownApproval):
            self.settle(store, 1)
        for work in (
            store.open_approval("nobody", question(), 0, None),
            store.close_approval("nobody", 1, "answered", end()),
            store.approvals("nobody"),
        ):
            with pytest.raises(UnknownSession):
                result_of(work)


class TestHosting:
    def test_what_the_host_notes_adds_to_what_it_knows(self, store: Store) -> None:
        launch = Launch(agent="pi", cwd="/w", labels={"k": "v"})
        noted = Hosting(kind="hosted", agent="pi", model="m", cwd="/w", launch=launch)
        _, created = result_of(store.register("a", noted, 1_000))
        more = Hosting(native_id="n", process=Process(7, 8))
        session, again = result_of(store.register("a", more, 2_000))
        assert (created, again) == (True, False)
        assert (session.kind, session.agent, session.model) == ("hosted", "pi", "m")
        assert (session.native_id, session.process) == ("n", Process(7, 8))
        assert session.launch == launch

    def test_no_process_is_noted_as_well(self, store: Store) -> None:
        result_of(store.register("a", Hosting(kind="hosted", process=Process(7, 8)), 0))
        session, _ = result_of(store.register("a", Hosting(process=Process(0)), 0))
        assert session.process == Process(0)


class TestLeaseOfOne:
    @pytest.fixture(autouse=True)
    def _session(self, store: Store) -> None:
        result_of(store.register("a", Registration(), 0))

    def test_one_is_leased_and_the_others_wait(self, store: Store) -> None:
        numbers = [put(store, text) for text in "abc"]
        assert result_of(store.lease_message("a", numbers[1], 60)).state == "leased"
        assert states(store) == [("a", "queued"), ("b", "leased"), ("c", "queued")]
        assert take(store) == ["a", "c"]
        result_of(store.ack_message("a", numbers[1]))

    def test_its_time_ends(self, store: Store, clock: Clock) -> None:
        number = put(store, "a")
        result_of(store.lease_message("a", number, 60))
        clock.advance(61)
        assert states(store) == [("a", "queued")]

    def test_what_is_not_queued_cannot_be(self, store: Store) -> None:
        number = put(store, "a")
        result_of(store.lease_message("a", number, 60))
        with pytest.raises(MessageClosed):
            result_of(store.lease_message("a", number, 60))
        with pytest.raises(UnknownMessage):
            result_of(store.lease_message("a", 99, 60))


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
