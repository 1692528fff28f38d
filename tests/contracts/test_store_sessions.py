"""What every store does with sessions: the contract `Sessions`."""

from __future__ import annotations

import pytest

from sxhost.errors import (
    SessionLimit,
    UnknownSession,
)
from sxhost.model.message import MessageDraft
from sxhost.model.session import Hosting, Registration, SeenDraft
from sxhost.model.turn import Launch, Process
from sxhost.store.contracts import Store
from sxhost.testing import result_of
from tests.support.stores import MakeStore, append, draft, put, states


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

    def test_what_was_seen_never_goes_back(self, store: Store) -> None:
        append(store, "a", draft(), draft(), draft())
        for seq, seen in ((2, 2), (1, 2), (99, 3), (None, 3)):
            marked = result_of(store.mark_seen("a", SeenDraft(seq=seq)))
            assert (marked.seen_seq, marked.flagged) == (seen, False)
        marked = result_of(store.mark_seen("a", SeenDraft(seq=0, flag=True)))
        assert (marked.seen_seq, marked.flagged) == (3, True)
        append(store, "a", draft())
        marked = result_of(store.mark_seen("a", SeenDraft()))
        assert (marked.seen_seq, marked.flagged) == (4, True)
        assert not result_of(store.mark_seen("a", SeenDraft(flag=False))).flagged
        with pytest.raises(UnknownSession):
            result_of(store.mark_seen("b", SeenDraft()))

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
