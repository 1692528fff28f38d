"""What every store does with pieces that its log has whole."""

from __future__ import annotations

from msgspec import Raw
from twisted.internet.task import Clock

from sxhost.codec.json import encode
from sxhost.model.limits import Limits
from sxhost.store.contracts import Draft, Store
from sxhost.store.superseded import LINGER_S
from sxhost.testing import result_of
from tests.support.stores import MakeStore


def event(name: str, item: str = "m", key: str | None = None) -> Draft:
    fields: dict[str, object] = {"item": item, "text": "x", "output": "x"}
    return Draft(name, Raw(encode(fields)), 5_000, key)


def append(store: Store, *drafts: Draft, session: str = "a") -> list[int]:
    return [e.seq for e in result_of(store.append_events(session, drafts, 7_000))]


def log(store: Store, session: str = "a", seq: int = 0) -> list[tuple[int, str]]:
    events = result_of(store.read_events(session, seq=seq))
    return [(e.seq, e.event) for e in events]


def linger(store: Store, clock: Clock) -> None:
    clock.advance(LINGER_S)
    result_of(store.sweep(7_000))


def test_pieces_linger_and_leave_once_their_whole_is_there(store: Store, clock: Clock) -> None:
    append(store, event("message-delta"), event("message-delta"), event("message"))
    assert len(log(store)) == 3, "live readers still get them"
    assert list(map(store.recent.superseded.has, result_of(store.read_events("a")))) == [
        *(True, True, False)
    ]
    linger(store, clock)
    assert log(store) == log(store, seq=1) == [(3, "message")]
    assert [e.seq for e in result_of(store.read_events(None))] == [3]
    assert store.recent.pruned("a") == 0, "nothing is missing"
    assert append(store, event("x")) == [4]


def test_they_leave_with_other_commits_too(store: Store, clock: Clock) -> None:
    append(store, event("tool-output"), event("tool-done"))
    clock.advance(LINGER_S)
    append(store, event("x"), session="b")
    assert log(store) == [(2, "tool-done")]
    assert store.recent.memory().superseded == 0


def test_pieces_of_other_items_stay(store: Store, clock: Clock) -> None:
    append(store, event("message-delta", "m"), event("message-delta", "n"))
    append(store, event("thinking-delta", "m"), event("message", "m"))
    linger(store, clock)
    assert [seq for seq, _ in log(store)] == [2, 3, 4]
    append(store, event("message", "n"), event("message-delta", "n"))
    linger(store, clock)
    assert [seq for seq, _ in log(store)] == [3, 4, 5, 6], "a later piece is another text's"


def test_the_end_of_a_turn_has_what_nothing_else_has(store: Store, clock: Clock) -> None:
    append(store, event("native"), event("message-delta"), event("complete"))
    linger(store, clock)
    assert log(store) == [(2, "message-delta"), (3, "complete")], "its text is nowhere else"


def test_a_call_that_ends_without_its_output_has_nothing_whole(
    store: Store, clock: Clock
) -> None:
    append(store, event("tool-output"), Draft("tool-done", Raw(b'{"item":"m"}'), 0))
    linger(store, clock)
    assert len(log(store)) == 2


def test_a_key_of_a_piece_that_has_left_is_known(store: Store, clock: Clock) -> None:
    assert append(store, event("message-delta", key="k"), event("message")) == [1, 2]
    linger(store, clock)
    (again,) = result_of(store.append_events("a", [event("message-delta", key="k")], 7_000))
    assert (again.seq, again.id) == (1, 1)
    assert result_of(store.session("a")).event_count == 2


def test_facts_alone_are_counted(make_store: MakeStore, clock: Clock) -> None:
    store = make_store(events=3, retain=3)
    for turn in range(4):
        append(store, *[event("message-delta", f"{turn}")] * 20, event("message", f"{turn}"))
        linger(store, clock)
    append(store, event("message-delta", "last"))
    facts = [seq for seq, name in log(store) if name == "message"]
    assert facts == [42, 63, 84]
    assert log(store)[-1] == (85, "message-delta")
    assert result_of(store.seq_before("a", 2)) == 62
    assert result_of(store.seq_before("a", 3)) == 41
    assert store.recent.floor("a").seq <= 42


def test_a_deleted_session_leaves_nothing_to_the_next_of_its_name(
    store: Store, clock: Clock
) -> None:
    append(store, event("message-delta"), event("message-delta"), event("message"))
    result_of(store.delete("a"))
    append(store, event("message-delta"), event("message-delta"))
    linger(store, clock)
    assert len(log(store)) == 2


def test_bytes_of_pieces_are_given_back(store: Store, clock: Clock) -> None:
    append(store, event("message"))
    alone = store.recent.size
    append(store, *[event("message-delta")] * 50, session="b")
    append(store, event("message"), session="b")
    assert store.recent.memory().largest > alone
    linger(store, clock)
    assert store.recent.size == 2 * alone
    assert store.recent.memory().largest == alone


def test_text_that_nothing_has_whole_is_bounded(make_store: MakeStore) -> None:
    store = make_store(retain_pieces=10, ring_bytes=10 * 600)
    for _ in range(40):
        append(store, event("message-delta"))
    assert len(log(store)) <= Limits(retain_pieces=10).retain_pieces * 1.2
    assert store.recent.pruned("a") > 0, "a reader is told so"
