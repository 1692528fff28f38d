"""The cache of all sessions, as a store feeds it."""

from __future__ import annotations

from sxhost.model.session import Session, State
from sxhost.store.known_sessions import KnownSessions


def session(session_id: str, title: str = "") -> Session:
    return Session(
        id=session_id,
        title=title,
        start_ms=0,
        last_seen_ms=0,
        state=State("idle", "registered", 0),
    )


def test_the_last_that_was_put_counts() -> None:
    known = KnownSessions()
    known.put(session("a"))
    known.put(session("b"))
    known.put(session("a", "new"))
    assert sorted((s.id, s.title) for s in known) == [("a", "new"), ("b", "")]
    assert len(known) == 2
    assert known.get("c") is None


def test_an_archived_one_is_held_and_in_no_list() -> None:
    known = KnownSessions()
    known.put(session("a"))
    known.archive("a")
    assert (known.get("a"), list(known), known.holds("a")) == (None, [], True)
    known.put(session("a"))
    assert known.get("a") is not None
    known.archive("a")
    known.remove("a")
    assert not known.holds("a")


def test_who_goes_through_them_sees_them_as_they_were() -> None:
    known = KnownSessions()
    for session_id in "ab":
        known.put(session(session_id))
    for each in known:
        known.remove(each.id)
    assert len(known) == 0


def test_who_watches_is_told_of_each_that_is_put_or_goes() -> None:
    known, seen = KnownSessions(), list[str]()
    known.put(session("before"))
    known.watch(seen.append)
    known.put(session("a"))
    known.archive("a")
    known.remove("a")
    known.unwatch(seen.append)
    known.put(session("after"))
    assert seen == ["a", "a", "a"]
