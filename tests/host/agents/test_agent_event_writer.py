"""The way of an agent's events into its log: nothing is lost, nothing comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.json import decode
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.agents.event_writer import (
    BATCH,
    BATCH_BYTES,
    GATHER_S,
    HIGH,
    HIGH_BYTES,
    LOW,
    LOW_BYTES,
    RETRY_S,
    EventWriter,
    fitting,
)
from sxhost.codec.json import encode
from sxhost.errors import HostError, SessionLimit, StoreUnavailable, UnknownSession
from sxhost.model.event import EventDraft
from sxhost.model.event_types import CustomEvent, ToolDoneEvent, encode_data, raw_json
from sxhost.testing import is_done, result_of, started


class Rig:
    """An outlet into a log that may be slow, or refuse."""

    def __init__(self, most: int = 100_000) -> None:
        self.clock = Clock()
        self.log: list[Any] = []
        self.batches: list[int] = []
        self.commits: list[list[str]] = []
        self.held: list[bool] = []
        self.refuse: HostError | None = None
        self.slow: Deferred[None] | None = None
        self.outlet = EventWriter(
            "a", self._append, self.clock, most=most, hold=self.held.append
        )

    async def _append(self, session_id: str, drafts: Sequence[EventDraft]) -> None:
        assert session_id == "a"
        if self.refuse is not None:
            raise self.refuse
        taken = [(draft.event, decode(draft.data)) for draft in drafts]
        if self.slow is not None:
            await self.slow
        self.batches.append(len(taken))
        self.commits.append([draft.event for draft in drafts])
        self.log += taken

    def put(self, *numbers: int) -> None:
        for number in numbers:
            self.outlet.put(CustomEvent("n", raw_json(number)))

    def tell(self, *names: str) -> None:
        for name in names:
            self.outlet.put(CustomEvent(name, raw_json({"text": "x"})))

    def numbers(self) -> list[Any]:
        return [data for _, data in self.log]


PIECE = "message-delta"


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_events_of_one_turn_share_a_commit(rig: Rig) -> None:
    rig.put(1, 2, 3)
    assert rig.log == []
    rig.clock.advance(0)
    assert rig.log == [("n", 1), ("n", 2), ("n", 3)]
    assert rig.batches == [3]


def test_events_during_a_commit_go_with_the_next(rig: Rig) -> None:
    commit: Deferred[None] = Deferred()
    rig.slow = commit
    rig.put(1)
    rig.clock.advance(0)
    rig.slow = None
    rig.put(2, 3)
    commit.callback(None)
    rig.clock.advance(0)
    assert rig.numbers() == [1, 2, 3]
    assert rig.batches == [1, 2]


def test_batch_is_bounded(rig: Rig) -> None:
    rig.put(*range(2 * BATCH + 1))
    rig.clock.advance(0)
    assert rig.batches == [BATCH, BATCH, 1]
    assert rig.numbers() == list(range(2 * BATCH + 1))


def test_backlog_pauses_the_agent_until_it_shrinks(rig: Rig) -> None:
    rig.slow = Deferred()
    rig.put(*range(HIGH))
    assert rig.held == []
    rig.put(*range(HIGH, HIGH + 500))
    assert rig.held == [True]
    rig.clock.advance(0)
    while len(rig.log) <= HIGH + 500 - LOW:
        assert rig.held == [True]
        commit, rig.slow = rig.slow, Deferred()
        commit.callback(None)
        rig.clock.advance(0)
    assert rig.held == [True, False]


def test_backlog_counts_bytes_of_large_events(rig: Rig) -> None:
    rig.slow = Deferred()
    size, most = 50_002, HIGH_BYTES // 50_002
    for _ in range(most):
        rig.outlet.put(CustomEvent(PIECE, raw_json("x" * (size - 2))))
    assert rig.held == []
    rig.outlet.put(CustomEvent(PIECE, raw_json("x" * (size - 2))))
    assert rig.held == [True]
    rig.clock.advance(0)
    while rig.held == [True]:
        commit, rig.slow = rig.slow, Deferred()
        commit.callback(None)
        rig.clock.advance(0)
    assert set(rig.batches) == {BATCH_BYTES // size}
    assert (most + 1 - sum(rig.batches)) * size < LOW_BYTES
    commit, rig.slow = rig.slow, None
    commit.callback(None)
    rig.clock.advance(0)
    assert len(rig.log) == most + 1


def test_oversized_event_has_a_commit_of_its_own() -> None:
    rig = Rig(most=3 * BATCH_BYTES)
    for _ in range(2):
        rig.outlet.put(CustomEvent("n", raw_json("x" * 2 * BATCH_BYTES)))
    rig.clock.advance(0)
    assert rig.batches == [1, 1]


def test_refused_events_are_retried_once(rig: Rig) -> None:
    rig.refuse = StoreUnavailable("The disk is full.")
    rig.put(1, 2)
    rig.clock.advance(0)
    rig.put(3)
    flushed = started(rig.outlet.flushed())
    rig.clock.pump([RETRY_S] * 5)
    assert rig.log == []
    assert not is_done(flushed)
    rig.refuse = None
    rig.clock.advance(RETRY_S)
    assert rig.numbers() == [1, 2, 3]
    assert is_done(flushed)
    rig.put(4)
    rig.clock.advance(0)
    assert rig.numbers() == [1, 2, 3, 4]


def test_flush_without_events_is_done_at_once(rig: Rig) -> None:
    result_of(rig.outlet.flushed())


def test_flush_during_a_flood_is_not_delayed(rig: Rig) -> None:
    first: Deferred[None] = Deferred()
    rig.slow = first
    rig.put(1)
    waiting = started(rig.outlet.flushed())
    rig.clock.advance(0)
    rig.slow = Deferred()
    rig.put(*range(2, 2 * BATCH))
    later = started(rig.outlet.flushed())
    first.callback(None)
    assert is_done(waiting)
    rig.clock.advance(0)
    assert not is_done(later)
    commit, rig.slow = rig.slow, None
    commit.callback(None)
    rig.clock.advance(0)
    assert is_done(later)


@pytest.mark.parametrize("error", [UnknownSession("a"), SessionLimit(1)])
def test_events_of_a_forgotten_session_are_dropped(rig: Rig, error: HostError) -> None:
    rig.put(*range(HIGH + 1))
    flushed = started(rig.outlet.flushed())
    rig.refuse = error
    rig.clock.advance(0)
    assert rig.held == [True, False], "nobody is held for what nobody writes"
    assert is_done(flushed)
    rig.refuse = None
    rig.put(1)
    rig.clock.advance(RETRY_S)
    assert rig.log == []


def test_close_resumes_a_paused_agent(rig: Rig) -> None:
    rig.put(*range(HIGH + 1))
    rig.outlet.close()
    rig.clock.advance(0)
    assert rig.held == [True, False]
    assert rig.log == []


class TestGathering:
    """Pieces of a text wait a moment for those that follow; what is urgent takes them along."""

    @pytest.fixture(autouse=True)
    def quiet(self, rig: Rig) -> None:
        rig.clock.advance(1000 + GATHER_S / 5)

    def test_first_delta_is_written_at_once_and_later_ones_are_collected(
        self, rig: Rig
    ) -> None:
        rig.tell(PIECE)
        rig.clock.advance(0)
        rig.tell(PIECE)
        rig.clock.advance(GATHER_S / 5)
        rig.tell(PIECE)
        assert rig.commits == [[PIECE]]
        rig.clock.advance(GATHER_S)
        assert rig.commits == [[PIECE], [PIECE, PIECE]]

    def test_urgent_event_flushes_waiting_deltas(self, rig: Rig) -> None:
        rig.tell(PIECE)
        rig.clock.advance(0)
        rig.tell(PIECE, "complete")
        rig.clock.advance(0)
        assert rig.commits == [[PIECE], [PIECE, "complete"]]

    def test_urgent_event_waits_only_for_the_running_commit(self, rig: Rig) -> None:
        slow = rig.slow = Deferred()
        rig.tell(PIECE)
        rig.clock.advance(0)
        rig.tell("complete")
        rig.slow = None
        slow.callback(None)
        rig.clock.advance(0)
        assert rig.commits == [[PIECE], ["complete"]]

    def test_flush_waits_for_no_later_events(self, rig: Rig) -> None:
        rig.tell(PIECE)
        rig.clock.advance(0)
        rig.tell(PIECE)
        flushed = started(rig.outlet.flushed())
        rig.clock.advance(0)
        assert is_done(flushed)
        assert rig.commits == [[PIECE], [PIECE]]


@pytest.mark.parametrize(
    ("data", "left"),
    [
        ({"text": "x", "native": {"a": 1}}, {"text": "x", "native": {"a": 1}}),
        ({"text": "x", "native": "n" * 2000}, {"text": "x", "cut": True}),
        ({"text": ["x" * 2000]}, {"text": '{"text":["' + "x" * 474, "cut": True}),
        ("x" * 2000, {"text": '"' + "x" * 483, "cut": True}),
    ],
)
def test_oversized_event_loses_native_data_first(data: Any, left: Any) -> None:
    assert decode(fitting(raw_json(data), 1000)) == left


def test_oversized_data_is_shortened() -> None:
    rig = Rig(most=1000)
    native = raw_json({"raw": "y" * 5000})
    rig.outlet.put(ToolDoneEvent(item="i", tool="t", status="failed", output="x" * 5000))
    rig.outlet.put(ToolDoneEvent(tool="t", status="failed", output="short", native=native))
    rig.outlet.put(CustomEvent("tool-done", raw_json("fits")))
    rig.clock.advance(0)
    (_, large), (_, without_native), (_, fits) = rig.log
    assert large["cut"]
    assert len(encode(large)) <= 1000
    assert without_native == {"tool": "t", "status": "failed", "output": "short", "cut": True}
    assert fits == "fits"


def test_oversized_event_keeps_what_it_is_about() -> None:
    for output in (["x" * 400] * 30, "x" * 5000, {"a": ["字"] * 5000}):
        done = ToolDoneEvent(item="i", tool="t", status="failed", output=output)
        fit = decode(fitting(encode_data(done), 1000))
        about = {name: fit[name] for name in fit if name != "output"}
        assert about == {"item": "i", "tool": "t", "status": "failed", "cut": True}
        assert fit["output"].endswith(f"… ({len(encode(output))} bytes)")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=400),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(JSON, st.integers(64, 2000))
def test_any_event_fits_its_limit(data: Any, most: int) -> None:
    fit = bytes(fitting(raw_json(data), most))
    assert len(fit) <= most
    assert fit == encode(data) or len(encode(data)) > most


@pytest.mark.parametrize(
    "text", ['"' * 1000, "\\" * 1000, "\0" * 1000, "\u2028" * 1000, "é" * 999]
)
@pytest.mark.parametrize("most", [64, 65, 66, 67, 500])
def test_data_that_grows_when_encoded_fits(text: str, most: int) -> None:
    assert len(bytes(fitting(raw_json({"text": text}), most))) <= most
