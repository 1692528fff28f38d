"""A session's state as its log and its silence tell it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sxhost.model.event import Event
from sxhost.model.limits import Limits
from sxhost.model.session import Session, State
from sxhost.model.session_state import (
    apply_events,
    changes_by_silence,
    derive_state,
    state_since_boot,
)
from sxhost.model.turn import Launch, Turn

NAMES = [
    "thinking", "tool-start", "tool-done", "user-message", "compact", "message-delta",
    "approval-requested", "approval-resolved", "started", "complete", "error", "idle",
    "ended", "message", "usage", "custom",
]  # fmt: skip


def new_session(**fields: object) -> Session:
    state = State("idle", "registered", 0)
    return msgspec.structs.replace(
        Session(id="s", start_ms=0, last_seen_ms=0, state=state), **fields
    )


def told(*names: str, data: object = None, session: Session | None = None) -> Session:
    raw = msgspec.Raw(msgspec.json.encode(data))
    events = [Event(n, raw, i, i, i, i * 1000, "s") for i, n in enumerate(names, 1)]
    return apply_events(session or new_session(), events, 99)


@pytest.mark.parametrize(
    ("names", "state"),
    [
        (["thinking"], "working"),
        (["tool-start"], "working"),
        (["thinking", "complete"], "idle"),
        (["thinking", "error"], "idle"),
        (["idle"], "idle"),
        (["started"], "idle"),
        (["approval-requested"], "waiting"),
        (["approval-requested", "approval-resolved"], "working"),
        (["approval-requested", "approval-requested", "approval-resolved"], "waiting"),
        (["ended"], "ended"),
        (["ended", "thinking"], "working"),
        (["custom"], "idle"),
        (["thinking", "custom", "message", "usage"], "working"),
    ],
)
def test_events_change_the_state(names: list[str], state: str) -> None:
    assert told(*names).state.name == state


def test_the_reason_is_the_event_with_its_words() -> None:
    assert told("tool-start", data="Bash: make").state.reason == "tool-start: Bash: make"
    assert told("tool-start", data={"tool": "Bash"}).state.reason == "tool-start"
    assert len(told("error", data="x" * 5000).state.reason) == 160


def test_since_is_when_the_state_began() -> None:
    assert told("thinking", "tool-start", "tool-done").state.since_ms == 1000
    assert told("thinking", "complete").state.since_ms == 2000


def test_pending_approvals_are_counted() -> None:
    assert told("approval-requested", "approval-requested").pending_approvals == 2
    assert told("approval-resolved").pending_approvals == 0
    assert told("approval-requested", "complete").pending_approvals == 0


def test_messages_are_counted() -> None:
    session = told("user-message", "message-delta", "message", "tool-start", "tool-done")
    assert session.message_count == 3
    assert told("message", session=session).message_count == 4


def test_usage_is_the_latest() -> None:
    session = told("usage", data={"tokens": 7})
    assert session.usage == {"tokens": 7}
    assert told("thinking", session=session).usage == {"tokens": 7}


@given(st.lists(st.sampled_from(NAMES), min_size=1), st.data())
def test_folding_in_pieces_is_folding_at_once(names: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(names)))
    raw = msgspec.Raw(b"null")
    events = [Event(n, raw, i, i, i, i * 1000, "s") for i, n in enumerate(names, 1)]
    pieces = apply_events(new_session(), events[:cut], 99)
    if events[cut:]:
        pieces = apply_events(pieces, events[cut:], 99)
    assert pieces == apply_events(new_session(), events, 99)


LIMITS = Limits(stall_after=300, lost_after=1800)


@pytest.mark.parametrize(
    ("name", "heartbeat", "silent", "state"),
    [
        ("thinking", None, 300, "working"),
        ("thinking", None, 301, "stalled"),
        ("thinking", None, 1801, "lost"),
        ("complete", None, 10**6, "idle"),
        ("approval-requested", None, 10**6, "waiting"),
        ("ended", None, 10**6, "ended"),
        ("ended", 1, 10**6, "ended"),
        ("complete", 10, 10, "idle"),
        ("complete", 10, 11, "stalled"),
        ("thinking", 10, 31, "lost"),
        ("approval-requested", 10, 31, "lost"),
    ],
)
def test_silence_beyond_the_promise(
    name: str, heartbeat: float | None, silent: float, state: str
) -> None:
    session = told(name, session=new_session(heartbeat_s=heartbeat))
    assert derive_state(session, silent, LIMITS).name == state


def test_silence_has_a_reason_and_a_beginning() -> None:
    state = derive_state(told("thinking"), 400.4, LIMITS)
    assert state == State("stalled", "silent for 400 s", 99 + 300_000)


# Turns, of which only a host tells.

HOSTED: dict[str, Any] = {"kind": "hosted", "launch": Launch(agent="echo")}


def turns(*told_: tuple[str, object], session: Session | None = None) -> Turn | None:
    session = session or new_session(**HOSTED)
    for number, (name, data) in enumerate(told_, 1):
        raw = msgspec.Raw(msgspec.json.encode(data))
        event = Event(name, raw, number, number, number, number * 1000, "s")
        session = apply_events(session, [event], 99)
    return session.turn


BEGAN = ("turn-started", {"turn": 1, "native_id": "t"})


def test_a_turn_begins_and_ends() -> None:
    assert turns(BEGAN) == Turn(id=1, native_id="t", start_ms=1000)
    done = turns(BEGAN, ("complete", {"turn": 1, "status": "completed", "reason": ""}))
    assert done == Turn(id=1, status="completed", native_id="t", start_ms=1000, end_ms=2000)
    cut = turns(BEGAN, ("complete", {"turn": 1, "status": "interrupted", "reason": "enough"}))
    assert cut is not None
    assert (cut.status, cut.reason) == ("interrupted", "enough")
    failed = turns(BEGAN, ("error", {"turn": 1, "status": "failed", "reason": "no disk"}))
    assert failed is not None
    assert (failed.status, failed.reason) == ("failed", "no disk")


@pytest.mark.parametrize(
    "event",
    [
        ("complete", {"turn": 2, "status": "completed"}),
        ("complete", None),
        ("complete", "words"),
        ("complete", {"turn": "one"}),
        ("error", [1]),
        ("error", {"turn": None}),
        ("turn-started", {"turn": 1.5}),
        ("stalled", {"turn": 1, "status": "completed"}),
        ("message", {"turn": 1, "status": "completed"}),
    ],
)
def test_what_tells_of_no_such_turn_leaves_it(event: tuple[str, object]) -> None:
    assert turns(BEGAN, event) == turns(BEGAN)


def test_an_attached_agent_has_no_turns() -> None:
    assert turns(BEGAN, session=new_session()) is None


def test_the_last_turn_counts() -> None:
    turn = turns(BEGAN, ("error", {"turn": 1}), ("turn-started", {"turn": 2}))
    assert turn == Turn(id=2, start_ms=3000)


def test_a_host_tells_of_a_stall_and_any_word_ends_it() -> None:
    assert told("turn-started", "stalled").state.name == "stalled"
    for name in ("message", "native", "tool-output", "thinking", "custom"):
        assert told("turn-started", "stalled", name).state.name == "working"
    assert told("turn-started", "stalled", "approval-requested").state.name == "waiting"
    assert told("turn-started", "stalled", "complete").state.name == "idle"
    assert told("turn-started", "stalled", "ended").state.name == "ended"


def test_what_comes_after_its_turn_is_no_work() -> None:
    from sxhost.model.turn import Launch

    hosted = new_session(kind="hosted", launch=Launch(agent="echo"))
    begun = told("turn-started", data={"turn": 1}, session=hosted)
    assert begun.state.name == "working"
    over = told("complete", data={"turn": 1}, session=begun)
    assert told("message-delta", "tool-done", session=over).state.name == "idle"
    assert told("turn-started", data={"turn": 2}, session=over).state.name == "working"


# What runs in the background.

TASKS = {"tasks": [{"id": "b1", "kind": "command", "title": "npm run dev"}]}
RUNS_ON = {"background": TASKS["tasks"]}


def folded(session: Session, *events: tuple[str, object]) -> Session:
    for number, (name, data) in enumerate(events, session.event_count + 1):
        raw = msgspec.Raw(msgspec.json.encode(data))
        event = Event(name, raw, number, number, number, number * 1000, "s")
        session = apply_events(session, [event], 99)
    return session


def hosted(*events: tuple[str, object]) -> Session:
    return folded(new_session(**HOSTED), BEGAN, *events)


DONE = ("complete", {"turn": 1, "status": "completed"})
ASKED: tuple[str, object] = ("approval-requested", {})
DECIDED: tuple[str, object] = ("approval-resolved", {})
NOTHING: tuple[str, object] = ("background", {"tasks": []})


def shown(session: Session) -> tuple[str, str]:
    return session.state.name, session.state.reason


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([("background", TASKS)], ("working", "turn-started")),
        ([("background", TASKS), DONE], ("working", "background")),
        ([DONE, ("background", TASKS)], ("working", "background")),
        ([("background", TASKS), DONE, NOTHING], ("idle", "background")),
        ([("background", TASKS), NOTHING, DONE], ("idle", "complete")),
        ([("background", TASKS), DONE, ("tool-start", {})], ("working", "background")),
        ([("background", TASKS), DONE, ASKED], ("waiting", "approval-requested")),
        ([("background", TASKS), ASKED, DONE], ("waiting", "complete")),
        ([("background", TASKS), ASKED, DONE, DECIDED], ("working", "background")),
        ([("background", TASKS), ASKED, DONE, NOTHING, DECIDED], ("idle", "approval-resolved")),
        ([ASKED, DONE, DECIDED], ("idle", "approval-resolved")),
        ([ASKED, DECIDED, DONE], ("idle", "complete")),
        ([DONE, ASKED, ASKED, DECIDED], ("waiting", "approval-requested")),
        ([("background", TASKS), DONE, ("ended", {})], ("ended", "ended")),
        ([("background", TASKS), ASKED, ("ended", {}), DECIDED], ("ended", "ended")),
        ([("background", TASKS), ("error", {"turn": 1})], ("working", "background")),
        (
            [("background", TASKS), DONE, ("turn-started", {"turn": 2})],
            ("working", "turn-started"),
        ),
    ],
)
def test_hosted_session_works_while_something_runs(
    events: list[tuple[str, object]], state: tuple[str, str]
) -> None:
    assert shown(hosted(*events)) == state


def test_background_of_an_agent_ends_with_its_process() -> None:
    assert hosted(("background", TASKS), ("ended", {})).background == []
    assert hosted(("background", TASKS), ("ended", {}), ("started", {})).background == []


def attached(*events: tuple[str, object]) -> Session:
    return folded(new_session(), ("user-message", {}), *events)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([("complete", RUNS_ON)], ("working", "background")),
        ([("complete", RUNS_ON), ("complete", {})], ("idle", "complete")),
        ([("complete", RUNS_ON), ("idle", {})], ("working", "background")),
        ([("complete", RUNS_ON), ("tool-start", {"parent": "s1"})], ("working", "background")),
        ([("complete", RUNS_ON), ("tool-start", {})], ("working", "tool-start")),
        ([("complete", RUNS_ON), ASKED, DECIDED], ("working", "background")),
        ([ASKED, ("complete", RUNS_ON), DECIDED], ("working", "background")),
        ([("complete", RUNS_ON), ("ended", {})], ("ended", "ended")),
        (
            [("complete", RUNS_ON), ("started", {"reason": "compact"})],
            ("working", "background"),
        ),
        ([("complete", RUNS_ON), ("started", {"reason": "resume"})], ("idle", "started")),
        ([("complete", {}), ("tool-start", {"parent": "s1"})], ("working", "tool-start")),
        ([("complete", {"background": 7})], ("idle", "complete")),
        ([("complete", "words")], ("idle", "complete: words")),
    ],
)
def test_attached_session_works_while_something_runs(
    events: list[tuple[str, object]], state: tuple[str, str]
) -> None:
    assert shown(attached(*events)) == state


def test_what_runs_in_the_background_may_be_silent() -> None:
    session = attached(("complete", RUNS_ON))
    assert derive_state(session, 10**6, LIMITS).name == "working"
    assert state_since_boot(session, 10**6, 0, LIMITS) == session.state
    promised = folded(new_session(heartbeat_s=10), ("complete", RUNS_ON))
    assert derive_state(promised, 11, LIMITS).name == "stalled"


@given(
    names=st.lists(st.sampled_from([*NAMES, "stalled", "background"]), max_size=4),
    data=st.sampled_from([None, {"background": [{"id": "1"}]}, {"reason": "x"}]),
    heartbeat=st.sampled_from([None, 30.0]),
    seconds=st.floats(0, 1e6),
)
def test_silence_changes_only_what_is_said_to_change_by_it(
    names: list[str], data: object, heartbeat: float | None, seconds: float
) -> None:
    session = told("started", *names, data=data, session=new_session(heartbeat_s=heartbeat))
    limits = Limits()
    states = (
        derive_state(session, seconds, limits),
        state_since_boot(session, seconds, 0, limits),
    )
    assert changes_by_silence(session) or states == (session.state, session.state)
