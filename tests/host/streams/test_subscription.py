"""Subscriptions: past and present in one loop, for readers quick, slow and gone."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sxhost.codec.compact import compact_encoding
from sxhost.codec.frames import NDJSON
from sxhost.errors import Stopping, StoreUnavailable
from sxhost.model.event import EventDraft, EventQuery, LogQuery
from sxhost.model.limits import Limits
from sxhost.model.message import MessageDraft
from sxhost.model.session import Registration
from sxhost.model.subscription import Selection, Subscription
from sxhost.service import SessionService
from sxhost.store.contracts import Store
from sxhost.store.group_commit import Threads
from sxhost.store.journalled import JournalledStore
from sxhost.store.memory import MemoryStore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.streams.notifier import TICK
from sxhost.streams.subscription import PAGE, LogSubscription, Position
from sxhost.testing import finished, result_of
from tests.support.stores import HERE

HEARTBEATS = 15


class Sink:
    """A reader that keeps what it gets."""

    def __init__(self) -> None:
        self.data = b""
        self.writes = 0
        self.over = False
        self.room = 10**9
        self.tag: Mapping[str, object] = {}
        self.producer: Subscription | None = None

    def begin(self, reader: Subscription) -> None:
        assert not self.data
        self.producer = reader

    def write(self, data: bytes) -> None:
        assert not self.over
        self.data += data
        self.writes += 1
        if self.producer is not None and len(self.data) > self.room:
            self.producer.pauseProducing()

    def end(self) -> None:
        self.over = True

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.data.splitlines()]

    def ids(self) -> list[int]:
        return [line["id"] for line in self.lines() if "frame" not in line]

    def frames(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line.get("frame") == name]


class Bench:
    """A service whose log can be followed, on one clock."""

    def __init__(self, store: Store, clock: Clock, limits: Limits) -> None:
        self.clock = clock
        self.store = store
        store.open()
        self.service = SessionService(store, clock, lambda: 0, limits)
        self.notifier = self.service._core.notifier

    def fire(self, session_id: str, *names: str) -> None:
        drafts = [EventDraft(event=name) for name in names or ("x",)]
        finished(self.service.fire_batch(session_id, drafts), self.clock)

    def tick(self) -> None:
        self.clock.advance(TICK)

    def follow(
        self,
        *sessions: str,
        after: str = "0",
        states: bool = False,
        summaries: bool = False,
        **chosen: Any,
    ) -> tuple[Sink, Subscription]:
        sink = Sink()
        wanted = Selection(frozenset(sessions), **chosen)
        work = self.service.subscribe(
            wanted, after, NDJSON, sink, states=states, summaries=summaries
        )
        return sink, result_of(work)


class LateReads:
    """Threads whose reads wait until they are let go."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.threads = Threads(HERE.write, self._read, HERE.index)

    def _read(self, function: Callable[..., Any], *given: Any) -> Deferred[Any]:
        self.waiting.append((Deferred(), function, given))
        return self.waiting[-1][0]

    def read(self) -> None:
        """Read now, but tell what was read only when it is let go."""
        waiting, self.waiting = self.waiting, []
        for done, function, given in waiting:
            self.waiting.append((done, lambda found: found, (function(*given),)))

    def go(self) -> None:
        while self.waiting:
            done, function, given = self.waiting.pop(0)
            done.callback(function(*given))

    def fail(self, error: Exception) -> None:
        self.waiting.pop(0)[0].errback(error)

    def at_once(self) -> None:
        """Wait no more."""
        self.threads.read = HERE.read


Make = Callable[..., Bench]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    benches: list[Bench] = []

    def make(**given: int) -> Bench:
        clock, limits = Clock(), Limits(**given)
        store: Store = MemoryStore(limits, clock.seconds)
        if request.param == "sqlite":
            store = JournalledStore(
                limits, clock.seconds, SQLiteConnection(tmp_path / "s.db"), HERE
            )
        benches.append(Bench(store, clock, limits))
        return benches[-1]

    yield make
    for bench in benches:
        result_of(bench.service.close())


@pytest.fixture
def bench(make: Make) -> Bench:
    return make()


class TestReading:
    def test_hello_is_the_first_frame(self, bench: Bench) -> None:
        bench.fire("a")
        sink, _ = bench.follow("a")
        hello, event = sink.lines()
        assert (hello["frame"], hello["heartbeat_s"]) == ("hello", HEARTBEATS)
        assert hello["epoch"] == bench.store.epoch
        assert hello["cursor"] == f"{bench.store.epoch}:0"
        assert hello["session"]["id"] == "a"
        assert event["id"] == 1

    def test_past_and_live_events_are_one_stream(self, bench: Bench) -> None:
        bench.fire("a", "x", "y")
        sink, _ = bench.follow("a")
        bench.fire("a", "z")
        bench.tick()
        assert sink.ids() == [1, 2, 3]

    @pytest.mark.parametrize(
        ("after", "ids"), [("0", [1, 2, 4]), ("1", [2, 4]), ("3", []), ("now", [])]
    )
    def test_plain_number_is_a_seq_of_the_session(
        self, bench: Bench, after: str, ids: list[int]
    ) -> None:
        bench.fire("a", "x", "y")
        bench.fire("b")
        bench.fire("a")
        sink, _ = bench.follow("a", after=after)
        assert sink.ids() == ids
        bench.fire("a")
        bench.tick()
        assert sink.ids() == [*ids, 5]

    def test_cursor_is_a_position_in_the_whole_log(self, bench: Bench) -> None:
        bench.fire("a", "x", "y")
        bench.fire("b", "z")
        sink, _ = bench.follow(after=f"{bench.store.epoch}:1")
        assert sink.ids() == [2, 3]

    def test_without_a_cursor_the_stream_begins_with_memory(self, make: Make) -> None:
        bench = make(events=2)
        for _ in range(5):
            bench.fire("a")
        sink, _ = bench.follow("a", after="")
        assert sink.ids() == [4, 5]

    def test_restart_does_not_move_the_beginning_of_a_stream_of_all(
        self, tmp_path: Path
    ) -> None:
        clock, path = Clock(), tmp_path / "s.db"
        for _ in range(2):
            store = JournalledStore(Limits(), clock.seconds, SQLiteConnection(path), HERE)
            bench = Bench(store, clock, Limits())
            bench.fire("a", "x", "y")
            sink, _ = bench.follow(after="")
            ids = [event.id for event in result_of(bench.service.log(LogQuery()))]
            result_of(bench.service.close())
        assert sink.ids() == ids == [1, 2, 3, 4]

    def test_filters_select_events(self, bench: Bench) -> None:
        result_of(bench.service.register("a", Registration(labels={"team": "x"})))
        for session_id in ("a", "b", "c"):
            bench.fire(session_id, "x", "y")
        assert bench.follow()[0].ids() == [1, 2, 3, 4, 5, 6]
        assert bench.follow("a", "c")[0].ids() == [1, 2, 5, 6]
        assert bench.follow(names=frozenset({"y"}))[0].ids() == [2, 4, 6]
        assert bench.follow(labels=frozenset({("team", "x")}))[0].ids() == [1, 2]
        assert bench.follow("a", "unknown", names=frozenset({"y"}))[0].ids() == [2]

    def test_events_of_one_commit_leave_in_one_write(self, bench: Bench) -> None:
        bench.fire("a")
        sink, _ = bench.follow("a")
        bench.tick()
        before = sink.writes
        bench.fire("a")
        bench.clock.advance(0)
        assert sink.writes == before + 1
        for _ in range(10):
            bench.fire("a")
        bench.clock.advance(0)
        assert sink.writes == before + 1
        bench.tick()
        assert sink.writes == before + 2
        assert sink.ids() == list(range(1, 13))

    def test_long_past_is_read_in_pages(self, make: Make) -> None:
        bench = make(events=10, retain=10_000)
        for _ in range(60):
            bench.fire("a", *["x"] * 20)
        sink, _ = bench.follow("a")
        first = sink.ids()[0]
        assert sink.ids() == list(range(first, 1201))
        assert first == (1 if bench.store.name == "sqlite" else 1191)

    def test_equal_subscriptions_share_encoded_bytes(self, bench: Bench) -> None:
        bench.fire("a")
        (_, one), _ = bench.follow("a"), bench.follow("a")
        assert len({reader.feed for reader in bench.notifier.readers()}) == 1
        assert bench.notifier.subscribers == 2
        one.close()
        assert bench.notifier.subscribers == 1


def on_disk(path: Path, limits: Limits, late: LateReads, *batches: Sequence[str]) -> Bench:
    """Return a service in its second life; of the events of `a` only the disk has any."""
    clock = Clock()
    before = Bench(
        JournalledStore(limits, clock.seconds, SQLiteConnection(path), HERE), clock, limits
    )
    for names in batches:
        before.fire("a", *names)
    result_of(before.service.close())
    store = JournalledStore(limits, clock.seconds, SQLiteConnection(path), late.threads)
    return Bench(store, clock, limits)


class TestGaps:
    def test_cursor_of_another_epoch_gets_a_gap(self, bench: Bench) -> None:
        bench.fire("a", "x", "y")
        sink, _ = bench.follow("a", after="0ther:7")
        (gap,) = sink.frames("gap")
        assert gap == {
            "frame": "gap", "from": "0ther:7", "to": f"{bench.store.epoch}:0",
            "reason": "another epoch",
        }  # fmt: skip
        assert sink.ids() == [1, 2]

    @pytest.mark.parametrize("sessions", [["a"], []])
    @pytest.mark.parametrize("after", ["{}:9", "9"])
    def test_a_cursor_beyond_the_end_gets_a_gap_and_the_oldest(
        self, bench: Bench, sessions: list[str], after: str
    ) -> None:
        bench.fire("a", "x", "y")
        epoch = bench.store.epoch
        sink, _ = bench.follow(*sessions, after=after.format(epoch))
        (gap,) = sink.frames("gap")
        assert (gap["from"], gap["to"]) == (after.format(epoch), f"{epoch}:0")
        bench.fire("a")
        bench.tick()
        assert sink.ids() == [1, 2, 3]

    @pytest.mark.parametrize("after", ["cursor", "number"])
    def test_cursor_before_retention_gets_a_gap(self, make: Make, after: str) -> None:
        bench = make(events=3, retain=3)
        for _ in range(10):
            bench.fire("a")
        cursor = f"{bench.store.epoch}:2" if after == "cursor" else "2"
        sink, _ = bench.follow("a", after=cursor)
        (gap,) = sink.frames("gap")
        assert (gap["to"], gap["reason"]) == (f"{bench.store.epoch}:7", "retention")
        assert sink.ids() == [8, 9, 10]

    def test_slow_reader_passed_by_retention_gets_a_gap(self, make: Make) -> None:
        bench = make(events=3, retain=3)
        bench.fire("a")
        sink, reader = bench.follow("a")
        reader.pauseProducing()
        for _ in range(10):
            bench.fire("a")
            bench.tick()
        reader.resumeProducing()
        assert len(sink.frames("gap")) == 1
        assert sink.ids() == [1, 9, 10, 11]

    def test_reader_that_missed_nothing_gets_no_gap(self, make: Make) -> None:
        bench = make(events=3, retain=3)
        bench.fire("a")
        sink, _ = bench.follow("a")
        for _ in range(10):
            bench.fire("b")
            bench.fire("a")
            bench.tick()
        assert sink.frames("gap") == []
        assert len(sink.ids()) == 11

    def test_reader_of_all_gets_no_gap_while_memory_has_everything(self, make: Make) -> None:
        bench = make(events=3, retain=3)
        sink, _ = bench.follow()
        for _ in range(10):
            bench.fire("a", "x", "x")
        bench.tick()
        assert sink.frames("gap") == []
        assert sink.ids() == list(range(1, 21))

    def test_events_dropped_during_a_disk_read_are_a_gap(self, tmp_path: Path) -> None:
        limits, late = Limits(events=2, retain=2), LateReads()
        bench = on_disk(tmp_path / "s.db", limits, late, ["x", "x", "x"], ["x", "x", "x"])
        sink = Sink()
        reader = bench.notifier.subscribe(Selection(frozenset("a")), NDJSON, sink)
        reader.start(Position(3), {})
        bench.fire("a", *"xxxx")
        assert sink.ids() == []
        late.go()
        (gap,) = sink.frames("gap")
        assert gap["to"] == f"{bench.store.epoch}:6"
        assert sink.ids() == [7, 8, 9, 10]
        late.at_once()
        result_of(bench.service.close())

    def test_events_dropped_around_a_disk_read_are_a_gap(self, tmp_path: Path) -> None:
        limits, late = Limits(events=2, retain=4), LateReads()
        bench = on_disk(tmp_path / "s.db", limits, late, *["x"] * 6)
        sink = Sink()
        reader = bench.notifier.subscribe(Selection(frozenset("a")), NDJSON, sink)
        reader.start(Position(2), {})
        bench.fire("a")
        late.read()
        bench.fire("a", "x", "x")
        late.go()
        (gap,) = sink.frames("gap")
        epoch = bench.store.epoch
        assert (gap["from"], gap["to"]) == (f"{epoch}:2", f"{epoch}:5")
        assert sink.ids() == [6, 7, 8, 9]
        late.at_once()
        result_of(bench.service.close())

    def test_subscriptions_behind_together_share_a_disk_read(self, tmp_path: Path) -> None:
        late = LateReads()
        bench = on_disk(tmp_path / "s.db", Limits(), late, ["x", "x"], ["x", "x"])
        sinks = [Sink(), Sink(), Sink()]
        for sink, place in zip(sinks, (0, 0, 1), strict=True):
            reader = bench.notifier.subscribe(Selection(frozenset("a")), NDJSON, sink)
            reader.start(Position(place), {})
        assert len(late.waiting) == 1
        late.go()
        assert [sink.ids() for sink in sinks] == [[1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4]]
        late.at_once()
        result_of(bench.service.close())

    def test_subscription_more_than_a_page_behind_loses_nothing(self, tmp_path: Path) -> None:
        late = LateReads()
        bench = on_disk(tmp_path / "s.db", Limits(), late, *[["x"] * 100] * 7)
        places = (0, 0, 100, PAGE, 400, 699)
        sinks = [Sink() for _ in places]
        for sink, place in zip(sinks, places, strict=True):
            reader = bench.notifier.subscribe(Selection(frozenset("a")), NDJSON, sink)
            reader.start(Position(place), {})
        late.go()
        for sink, place in zip(sinks, places, strict=True):
            assert sink.ids() == list(range(place + 1, 701)), place
        late.at_once()
        result_of(bench.service.close())

    def test_failed_shared_read_fails_every_subscription(self, tmp_path: Path) -> None:
        late = LateReads()
        bench = on_disk(tmp_path / "s.db", Limits(), late, ["x", "x"])
        sinks = [Sink(), Sink()]
        for sink in sinks:
            reader = bench.notifier.subscribe(Selection(frozenset("a")), NDJSON, sink)
            reader.start(Position(0), {})
        late.fail(StoreUnavailable("it is wet"))
        assert all(sink.over and sink.frames("end")[0]["reconnect"] for sink in sinks)
        late.at_once()
        result_of(bench.service.close())

    def test_events_dropped_from_one_session_during_a_read_of_all_are_a_gap(
        self, tmp_path: Path
    ) -> None:
        limits, late, clock = Limits(events=2, retain=2), LateReads(), Clock()
        path = tmp_path / "s.db"
        before = JournalledStore(limits, clock.seconds, SQLiteConnection(path), HERE)
        first = Bench(before, clock, limits)
        for session in "baab":
            first.fire(session)
        result_of(first.service.close())
        store = JournalledStore(limits, clock.seconds, SQLiteConnection(path), late.threads)
        bench = Bench(store, clock, limits)
        sink, _ = bench.follow()
        bench.fire("a", "x", "x")
        late.go()
        (gap,) = sink.frames("gap")
        assert gap["to"] == f"{store.epoch}:3"
        assert sink.ids() == [4, 5, 6]
        late.at_once()
        result_of(bench.service.close())

    def test_event_appended_during_an_empty_disk_read_is_not_lost(self, tmp_path: Path) -> None:
        limits, late, clock = Limits(), LateReads(), Clock()
        path = tmp_path / "s.db"
        before = JournalledStore(limits, clock.seconds, SQLiteConnection(path), HERE)
        first = Bench(before, clock, limits)
        first.fire("a")
        first.fire("b")
        result_of(first.service.close())
        store = JournalledStore(limits, clock.seconds, SQLiteConnection(path), late.threads)
        bench = Bench(store, clock, limits)
        sink = Sink()
        reader = bench.notifier.subscribe(Selection(frozenset("a")), NDJSON, sink)
        reader.start(Position(1), {})
        bench.fire("a")
        bench.tick()
        late.go()
        assert sink.ids() == [3]
        late.at_once()
        result_of(bench.service.close())


class TestTheLink:
    def test_first_burst_stops_when_the_transport_pauses(self, bench: Bench) -> None:
        for _ in range(40):
            bench.fire("a", *["x" * 60] * 100)
        sink = Sink()
        sink.room = 100_000
        result_of(bench.service.subscribe(Selection(), "0", NDJSON, sink))
        assert len(sink.data) < 400_000
        assert sink.producer is not None
        sink.room = 10**9
        sink.producer.resumeProducing()
        assert sink.ids()[-1] == 4000

    def test_subscription_after_the_close_is_refused(self, bench: Bench) -> None:
        bench.notifier.close()
        with pytest.raises(Stopping):
            bench.follow()
        assert bench.notifier.subscribers == 0

    def test_paused_subscription_reads_nothing(self, bench: Bench) -> None:
        bench.fire("a")
        sink, reader = bench.follow("a")
        reader.pauseProducing()
        before = sink.data
        for _ in range(100):
            bench.fire("a")
            bench.tick()
        assert sink.data == before
        reader.resumeProducing()
        assert sink.ids() == list(range(1, 102))

    def test_every_subscription_gets_heartbeats(self, bench: Bench) -> None:
        bench.fire("a")
        readers = [bench.follow("a") for _ in range(5)]
        readers[0][1].pauseProducing()
        for _ in range(HEARTBEATS):
            bench.clock.advance(1)
        beats = [len(sink.frames("heartbeat")) for sink, _ in readers]
        assert beats == [0, 1, 1, 1, 1]

    def test_closed_subscription_is_forgotten(self, bench: Bench) -> None:
        bench.fire("a")
        sink, reader = bench.follow("a")
        reader.stopProducing()
        bench.fire("a")
        bench.tick()
        assert sink.ids() == [1]
        assert bench.notifier.subscribers == 0
        assert bench.clock.getDelayedCalls() == []

    def test_stop_ends_the_stream_with_reconnect(self, bench: Bench) -> None:
        bench.fire("a")
        sink, _ = bench.follow("a")
        result_of(bench.service.close())
        (end,) = sink.frames("end")
        assert (end["reconnect"], sink.over) == (True, True)

    def test_forgotten_session_ends_the_stream_without_reconnect(self, bench: Bench) -> None:
        bench.fire("a")
        sink, _ = bench.follow("a")
        result_of(bench.service.forget("a"))
        bench.tick()
        (end,) = sink.frames("end")
        assert (end["reconnect"], sink.over) == (False, True)


class TestStates:
    def states(self, sink: Sink) -> list[tuple[str, str]]:
        return [(f["session"], f["detail_state"]) for f in sink.frames("state")]

    def test_states_come_at_once_and_on_change(self, bench: Bench) -> None:
        bench.fire("a", "thinking")
        sink, _ = bench.follow(states=True)
        assert self.states(sink) == [("a", "working")]
        bench.fire("a", "complete")
        bench.fire("b", "thinking")
        bench.clock.advance(1)
        assert self.states(sink)[1:] == [("a", "idle"), ("b", "working")]
        bench.clock.advance(301)
        assert self.states(sink)[3:] == [("b", "stalled")]

    def test_states_of_selected_sessions_only(self, bench: Bench) -> None:
        bench.fire("a", "thinking")
        bench.fire("b", "thinking")
        sink, _ = bench.follow("a", states=True)
        assert self.states(sink) == [("a", "working")]

    def test_states_are_not_watched_without_a_reader(self, bench: Bench) -> None:
        _, reader = bench.follow(states=True)
        reader.close()
        bench.clock.advance(1)
        assert bench.clock.getDelayedCalls() == []


class TestLess:
    def test_names_that_are_not_wanted_poke_nobody(self, bench: Bench) -> None:
        sink, reader = bench.follow(without=frozenset({"message-delta"}))
        bench.fire("a", "message-delta", "x", "message-delta")
        bench.tick()
        assert [line["event"] for line in sink.lines() if "frame" not in line] == ["x"]
        bench.clock.advance(1)
        served: list[str] = []
        assert isinstance(reader, LogSubscription)
        reader.poke = lambda: served.append("poke")  # type: ignore[method-assign]
        bench.fire("a", "message-delta")
        bench.clock.advance(1)
        assert served == []
        bench.fire("a", "x")
        bench.clock.advance(1)
        assert served == ["poke"]

    def test_a_live_reader_gets_pieces_of_one_write_as_one(self, bench: Bench) -> None:
        sink = Sink()
        encoding = compact_encoding(NDJSON, EventQuery(native=False, deltas="merged"))
        work = bench.service.subscribe(Selection(), "now", encoding, sink)
        result_of(work)
        for texts in ("ab", "cd"):
            drafts = [EventDraft.of("message-delta", {"text": t, "native": 1}) for t in texts]
            finished(bench.service.fire_batch("a", drafts), bench.clock)
            bench.clock.advance(1)
        lines = [line for line in sink.lines() if "frame" not in line]
        assert [(e["from_seq"], e["seq"], e["data"]) for e in lines] == [
            (1, 2, {"text": "ab"}),
            (3, 4, {"text": "cd"}),
        ]


class TestSummaries:
    def titles(self, sink: Sink) -> list[tuple[str, str]]:
        return [(f["session"], f["summary"]["title"]) for f in sink.frames("summary")]

    def name(self, bench: Bench, session_id: str, title: str) -> None:
        result_of(bench.service.register(session_id, Registration(title=title)))

    def test_summaries_come_at_once_and_on_change(self, bench: Bench) -> None:
        self.name(bench, "b", "one")
        self.name(bench, "a", "two")
        sink, _ = bench.follow(summaries=True)
        assert self.titles(sink) == [("a", "two"), ("b", "one")]
        assert [line.get("frame") for line in sink.lines()][-1] == "listed"
        self.name(bench, "a", "three")
        self.name(bench, "c", "new")
        bench.clock.advance(0.6)
        assert self.titles(sink)[2:] == [("a", "three"), ("c", "new")]
        bench.clock.advance(60)
        assert len(sink.frames("summary")) == 4
        assert len(sink.frames("listed")) == 1

    def test_what_changes_without_an_event_is_told(self, bench: Bench) -> None:
        self.name(bench, "a", "one")
        sink, _ = bench.follow(summaries=True)
        result_of(bench.service.send("a", MessageDraft(content="go")))
        bench.clock.advance(0.6)
        assert sink.frames("summary")[-1]["summary"]["queued_messages"] == 1

    def test_a_session_that_goes_is_told(self, bench: Bench) -> None:
        self.name(bench, "a", "one")
        sink, _ = bench.follow(summaries=True)
        finished(bench.service.forget("a"), bench.clock)
        bench.clock.advance(0.6)
        assert [frame["session"] for frame in sink.frames("forgotten")] == ["a"]

    def test_counts_alone_are_told_now_and_then(self, bench: Bench) -> None:
        bench.fire("a", "message-delta")
        sink, _ = bench.follow(summaries=True)
        for _ in range(20):
            bench.fire("a", "message-delta")
            bench.clock.advance(0.5)
        counts = [frame["summary"]["event_count"] for frame in sink.frames("summary")]
        assert counts == [1, 11, 21]

    def test_a_reader_that_pauses_is_told_of_each_session_once(self, bench: Bench) -> None:
        self.name(bench, "a", "0")
        sink, reader = bench.follow(summaries=True)
        reader.pauseProducing()
        for number in range(1, 10):
            self.name(bench, "a", f"{number}")
            bench.clock.advance(0.6)
        assert self.titles(sink) == [("a", "0")]
        reader.resumeProducing()
        bench.clock.advance(0.6)
        assert self.titles(sink) == [("a", "0"), ("a", "9")]

    def test_summaries_of_selected_sessions_only(self, bench: Bench) -> None:
        self.name(bench, "a", "one")
        self.name(bench, "b", "two")
        sink, _ = bench.follow("b", summaries=True)
        assert self.titles(sink) == [("b", "two")]
        self.name(bench, "a", "three")
        bench.clock.advance(0.6)
        assert self.titles(sink) == [("b", "two")]

    def test_many_sessions_are_all_told_before_the_end_of_the_list(self, bench: Bench) -> None:
        for number in range(120):
            self.name(bench, f"s{number}", "x")
        sink = Sink()
        work = bench.service.subscribe(Selection(), "0", NDJSON, sink, summaries=True)
        finished(work, bench.clock)
        assert len(self.titles(sink)) == 120
        assert sink.lines()[-1] == {"frame": "listed"}

    def test_summaries_are_not_made_without_a_reader(self, bench: Bench) -> None:
        _, reader = bench.follow(summaries=True)
        reader.close()
        bench.clock.advance(1)
        assert bench.clock.getDelayedCalls() == []


class Following(RuleBasedStateMachine):
    """Whatever happens in whatever order, a reader gets each event once, or is told."""

    def __init__(self) -> None:
        super().__init__()
        clock, limits = Clock(), Limits(events=4)
        self.bench = Bench(MemoryStore(limits, clock.seconds), clock, limits)
        self.bench.fire("a")
        self.sinks: list[Sink] = []
        self.paused = False
        self.reader: Subscription | None = None

    @rule(session=st.sampled_from("ab"), count=st.integers(1, 6))
    def fire(self, session: str, count: int) -> None:
        self.bench.fire(session, *["x"] * count)

    @rule()
    def tick(self) -> None:
        self.bench.tick()

    @precondition(lambda self: self.reader is None)
    @rule()
    def follow(self) -> None:
        seen = [i for sink in self.sinks for i in sink.ids()]
        after = f"{self.bench.store.epoch}:{seen[-1]}" if seen else "0"
        sink, self.reader = self.bench.follow(after=after)
        self.sinks.append(sink)

    @precondition(lambda self: self.reader is not None)
    @rule(what=st.sampled_from(["pause", "resume", "leave"]))
    def reader_does(self, what: str) -> None:
        assert self.reader is not None
        if what == "pause":
            self.reader.pauseProducing()
        elif what == "resume":
            self.reader.resumeProducing()
        else:
            self.reader.stopProducing()
            self.reader = None

    @invariant()
    def each_event_once_or_a_gap(self) -> None:
        expected = 1
        for line in (line for sink in self.sinks for line in sink.lines()):
            if line.get("frame") == "gap":
                expected = max(expected, int(line["to"].partition(":")[2]) + 1)
            elif "frame" not in line:
                assert line["id"] == expected
                expected += 1


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=60, stateful_step_count=40)


class Crowd(RuleBasedStateMachine):
    """Many readers of a past that only the disk has: each gets each event once, in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.place = TemporaryDirectory()
        self.late = LateReads()
        path = Path(self.place.name) / "s.db"
        limits = Limits(events=4, retain=10**6)
        self.bench = on_disk(path, limits, self.late, *[["x"] * 150] * 5)
        self.readers: list[tuple[int, Sink, LogSubscription]] = []

    @rule(position=st.integers(0, 750))
    def follow(self, position: int) -> None:
        sink = Sink()
        reader = self.bench.notifier.subscribe(Selection(frozenset("a")), NDJSON, sink)
        reader.start(Position(position), {})
        self.readers.append((position, sink, reader))

    @rule(count=st.sampled_from([1, 200, 2500]))
    def fire(self, count: int) -> None:
        self.bench.fire("a", *["x"] * count)
        self.bench.tick()

    @rule()
    def the_disk_answers(self) -> None:
        if self.late.waiting:
            done, function, given = self.late.waiting.pop(0)
            done.callback(function(*given))

    @precondition(lambda self: self.readers)
    @rule(which=st.integers(0), room=st.sampled_from([0, 60_000]))
    def a_reader_falls_behind(self, which: int, room: int) -> None:
        _, sink, _ = self.readers[which % len(self.readers)]
        sink.room = len(sink.data) + room

    @precondition(lambda self: self.readers)
    @rule(which=st.integers(0))
    def a_reader_goes_on(self, which: int) -> None:
        _, sink, reader = self.readers[which % len(self.readers)]
        sink.room = len(sink.data) + 500_000
        reader.resumeProducing()

    def teardown(self) -> None:
        for _, sink, reader in self.readers:
            sink.room = 10**9
            reader.resumeProducing()
        self.late.go()
        end = self.bench.store.recent.position
        for position, sink, _ in self.readers:
            assert sink.ids() == list(range(position + 1, end + 1))
        self.late.at_once()
        result_of(self.bench.service.close())
        self.place.cleanup()


TestCrowd = Crowd.TestCase
TestCrowd.settings = settings(max_examples=25, stateful_step_count=20)


def test_reader_cut_anywhere_gets_each_event_once(bench: Bench) -> None:
    dice = random.Random(3)
    bench.fire("a")
    seen: list[int] = []
    for _ in range(100):
        after = f"{bench.store.epoch}:{seen[-1]}" if seen else "0"
        sink, reader = bench.follow("a", after=after)
        for _ in range(dice.randrange(4)):
            bench.fire("a", *["x"] * dice.randrange(1, 5))
            bench.tick()
        whole = sink.data[: dice.randrange(len(sink.data) + 1)].rpartition(b"\n")[0]
        lines = [json.loads(line) for line in whole.splitlines()]
        seen += [line["id"] for line in lines if "frame" not in line]
        reader.stopProducing()
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) > 100
