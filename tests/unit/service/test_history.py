"""Figures over time: what is spent is added up, whatever sessions come and go."""

from __future__ import annotations

from sxhost.history import SAMPLES, SPANS, ActivityRecorder, HistoryRecorder
from sxhost.model.history import Sample
from sxhost.model.session import Session, State, StateName


def session(
    name: str,
    tokens: object = 0,
    cost: object = None,
    *,
    start: int = 0,
    state: StateName = "idle",
) -> Session:
    return Session(
        id=name,
        start_ms=start,
        last_seen_ms=start,
        state=State(state, "", 0),
        usage={"input_tokens": tokens, "output_tokens": 1, "cost_usd": cost},
    )


def newest(recorder: HistoryRecorder) -> Sample:
    return recorder.after(0).samples[-1]


def test_what_is_added_is_summed_and_nothing_is_taken_away() -> None:
    recorder = HistoryRecorder(10)
    recorder.note(1000, 5, [session("a", 100, 1.0)])
    assert (newest(recorder).tokens, newest(recorder).cost_usd) == (0, 0.0)
    recorder.note(2000, 9, [session("a", 150, 1.5), session("b", 9, 0.25, start=1500)])
    assert (newest(recorder).tokens, newest(recorder).cost_usd) == (60, 0.75)
    recorder.note(3000, 9, [session("a", 20, 0.1)])  # counts anew; the other was deleted
    assert (newest(recorder).tokens, newest(recorder).cost_usd) == (60, 0.75)
    recorder.note(4000, 9, [session("a", 30, 0.2), session("old", 900, 9.0)])
    assert (newest(recorder).tokens, newest(recorder).cost_usd) == (70, 0.85)


def test_usage_of_any_shape_counts_as_none() -> None:
    recorder = HistoryRecorder(10)
    recorder.note(1, 0, [])
    recorder.note(2, 0, [session("a", "many", "much", start=2), session("b", None, start=2)])
    assert (newest(recorder).tokens, newest(recorder).cost_usd) == (2, 0.0)


def test_sessions_are_counted_by_what_they_do() -> None:
    states: tuple[StateName, ...] = ("working", "working", "idle", "waiting")
    sessions = [session(str(n), state=state) for n, state in enumerate(states)]
    recorder = HistoryRecorder(10)
    recorder.note(1, 7, sessions)
    found = newest(recorder)
    assert (found.events, found.sessions, found.working, found.waiting) == (7, 4, 2, 1)


def test_as_many_are_kept_as_may_be() -> None:
    recorder = HistoryRecorder(3)
    for at in range(10):
        recorder.note(at, at, [])
    assert [sample.at_ms for sample in recorder.after(0).samples] == [7, 8, 9]
    assert [sample.at_ms for sample in recorder.after(8).samples] == [9]


def test_events_are_counted_by_session_for_an_hour() -> None:
    recorder = ActivityRecorder()

    def note(**events: int) -> None:
        recorder.note([counted(name, count) for name, count in events.items()])

    note(a=100)  # nobody knows when these were
    assert recorder.current().sessions == {}
    note(a=103, b=2)
    assert recorder.current().sessions == {"a": [0] * 11 + [3], "b": [0] * 11 + [2]}
    for _ in range(SAMPLES):
        note(a=104, b=2, c=0)
    assert recorder.current().sessions == {"a": [0] * 10 + [4, 0], "b": [0] * 10 + [2, 0]}
    note(a=104)  # the other was deleted
    assert recorder.current().sessions.keys() == {"a"}
    for _ in range(SPANS * SAMPLES):
        note(a=104)
    assert recorder.current().sessions == {}


def counted(name: str, events: int) -> Session:
    return Session(
        id=name, start_ms=0, last_seen_ms=0, state=State("idle", "", 0), event_count=events
    )
