"""Whoever reads a log, whenever and however slowly, gets each fact once, in order, and of every
text all of its pieces or the whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec import Raw
from twisted.internet.task import Clock

from sxhost.codec.frames import NDJSON
from sxhost.codec.json import encode
from sxhost.model.cursor import Cursor
from sxhost.model.event import EventDraft, EventQuery, LogQuery
from sxhost.model.limits import Limits
from sxhost.model.subscription import Selection
from sxhost.store.contracts import Store
from sxhost.store.journalled import JournalledStore
from sxhost.store.memory import MemoryStore
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.store.superseded import LINGER_S
from sxhost.testing import finished, result_of
from tests.host.streams.test_subscription import Bench, Sink
from tests.support.stores import HERE

Line = dict[str, Any]


def draft(name: str, item: str = "", text: str = "") -> EventDraft:
    return EventDraft(event=name, data=Raw(encode({"item": item, "text": text})))


def fire(bench: Bench, session: str, *drafts: EventDraft) -> None:
    finished(bench.service.fire_batch(session, drafts), bench.clock)


def linger(bench: Bench) -> None:
    bench.clock.advance(LINGER_S)
    result_of(bench.store.sweep(0))


@pytest.fixture
def bench() -> Bench:
    clock = Clock()
    return Bench(MemoryStore(Limits(), clock.seconds), clock, Limits())


ANSWER = (draft("message-delta", "m", "Hel"), draft("message-delta", "m", "lo"))
WHOLE = draft("message", "m", "Hello")


def names(lines: Sequence[Line]) -> list[str]:
    return [line["event"] for line in lines if "frame" not in line]


def read(bench: Bench, **query: Any) -> list[tuple[int, str]]:
    events = result_of(bench.service.events("a", EventQuery(**query)))
    return [(event.seq, event.event) for event in events]


def test_live_readers_get_pieces_and_whole(bench: Bench) -> None:
    fire(bench, "a", draft("x"))
    sink, _ = bench.follow("a")
    fire(bench, "a", *ANSWER, WHOLE)
    bench.tick()
    assert names(sink.lines()) == ["x", "message-delta", "message-delta", "message"]
    linger(bench)
    assert sink.frames("gap") == []


def test_a_cursor_among_superseded_pieces_goes_on_with_the_whole(bench: Bench) -> None:
    fire(bench, "a", *ANSWER, WHOLE, draft("x"))
    linger(bench)
    for after in ("1", f"{bench.store.epoch}:1"):
        sink, _ = bench.follow("a", after=after)
        assert names(sink.lines()) == ["message", "x"]
        assert sink.frames("gap") == []
    assert read(bench, after="1") == read(bench) == [(3, "message"), (4, "x")]


def test_a_read_shows_superseded_pieces_only_if_asked(bench: Bench) -> None:
    fire(bench, "a", *ANSWER)
    assert len(read(bench)) == 2, "an answer that is being written is in its pieces"
    fire(bench, "a", WHOLE)
    assert read(bench) == [(3, "message")]
    assert [seq for seq, _ in read(bench, pieces=True)] == [1, 2, 3]
    every = result_of(bench.service.log(LogQuery()))
    assert [event.event for event in every] == ["message"]
    linger(bench)
    assert read(bench, pieces=True) == [(3, "message")]


def test_recent_events_are_facts(bench: Bench) -> None:
    fire(bench, "a", draft("x"), *ANSWER * 20)
    assert [event.event for event in result_of(bench.service.session("a")).events] == ["x"]


class Reader:
    """One that follows a session, or all, from where it has come to."""

    def __init__(self, session: str | None, *, follows_from: int) -> None:
        self.session = session
        self.at = self.begun = follows_from
        self.sink: Sink | None = None
        self.got: list[Line] = []
        self.gaps: list[tuple[int, int]] = []

    def take(self) -> None:
        """Take what has come, and note where the reader is."""
        for line in self.sink.lines() if self.sink is not None else ():
            frame = line.get("frame")
            if frame is None:
                self.got.append(line)
                self.at = line["id"]
            elif frame == "gap":
                end = int(line["to"].partition(":")[2])
                self.gaps.append((self.at, end))
                self.at = end
        if self.sink is not None:
            self.sink.data = b""


ITEMS = st.sampled_from(["", "m", "n"])
SESSIONS = st.sampled_from("ab")
KINDS = {"message-delta": "message", "thinking-delta": "thinking"}


class PiecesMachine(RuleBasedStateMachine):
    """Pieces and wholes come, readers come, sleep and go, retention and restarts pass by."""

    durable = False

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.folder = TemporaryDirectory()
        self.limits = Limits(events=4, retain=12, retain_pieces=30)
        self.bench = self.open()
        self.log: list[Line] = []
        self.readers: list[Reader] = []

    def open(self) -> Bench:
        store: Store = MemoryStore(self.limits, self.clock.seconds)
        if self.durable:
            journal = SQLiteConnection(Path(self.folder.name) / "s.db")
            store = JournalledStore(self.limits, self.clock.seconds, journal, HERE)
        return Bench(store, self.clock, self.limits)

    @rule(
        session=SESSIONS,
        events=st.lists(
            st.tuples(st.sampled_from([*KINDS, *KINDS.values(), "complete", "x"]), ITEMS),
            min_size=1,
            max_size=6,
        ),
    )
    def fire(self, session: str, events: list[tuple[str, str]]) -> None:
        first, drafts = len(self.log), []
        for number, (name, item) in enumerate(events):
            drafts.append(draft(name, item, "."))
            known = {"session": session, "event": name, "item": item}
            self.log.append({**known, "id": first + 1 + number})
        fire(self.bench, session, *drafts)

    @rule()
    def time_passes(self) -> None:
        linger(self.bench)
        self.deliver()

    @rule(session=st.sampled_from(["a", "b", None]), part=st.floats(0, 1))
    def begin_to_read(self, session: str | None, part: float) -> None:
        if session is None or self.bench.service.knows(session):
            reader = Reader(session, follows_from=int(part * len(self.log)))
            self.readers.append(reader)
            self.connect(reader)

    def connect(self, reader: Reader) -> None:
        reader.sink = Sink()
        chosen = Selection(frozenset({reader.session} if reader.session else ()))
        after = str(Cursor(reader.at, self.bench.store.epoch))
        result_of(self.bench.service.subscribe(chosen, after, NDJSON, reader.sink))

    @rule(which=st.integers(0, 9))
    def pause(self, which: int) -> None:
        if self.readers:
            sink = self.readers[which % len(self.readers)].sink
            if sink is not None and sink.producer is not None:
                sink.producer.pauseProducing()

    @rule(which=st.integers(0, 9))
    def resume(self, which: int) -> None:
        if self.readers:
            sink = self.readers[which % len(self.readers)].sink
            if sink is not None and sink.producer is not None:
                sink.producer.resumeProducing()

    @rule()
    def restart(self) -> None:
        if not self.durable:
            return
        self.deliver()
        for reader in self.readers:
            reader.take()
        result_of(self.bench.service.close())
        self.bench = self.open()
        for reader in self.readers:
            self.connect(reader)

    def deliver(self) -> None:
        self.clock.advance(1)

    def teardown(self) -> None:
        if not hasattr(self, "readers"):
            return
        self.deliver()
        for reader in self.readers:
            if reader.sink is not None and reader.sink.producer is not None:
                reader.sink.producer.resumeProducing()
            reader.take()
            self.check(reader)
        result_of(self.bench.service.close())
        self.folder.cleanup()

    def check(self, reader: Reader) -> None:
        ids = [line["id"] for line in reader.got]
        assert ids == sorted(set(ids)), "each once, in order"
        had = set(ids)
        for event in self.log:
            number = event["id"]
            if number <= reader.begun or number in had or self.in_gap(reader, number):
                continue
            if reader.session not in (None, event["session"]):
                continue
            assert event["event"] in KINDS, f"a fact is missing: {event}"
            assert self.has_whole_after(event, reader, had), f"a text is missing: {event}"

    def in_gap(self, reader: Reader, number: int) -> bool:
        return any(start < number <= end for start, end in reader.gaps)

    def has_whole_after(self, piece: Line, reader: Reader, had: set[int]) -> bool:
        """Tell whether the reader has, or is told that it lacks, a whole of a piece."""
        wholes = (
            event["id"]
            for event in self.log[piece["id"] :]
            if event["session"] == piece["session"]
            and event["event"] == KINDS[piece["event"]]
            and (event["item"] == piece["item"] or not piece["item"])
        )
        return any(n in had or self.in_gap(reader, n) for n in wholes)


class DurablePiecesMachine(PiecesMachine):
    """The same on disk, with restarts."""

    durable = True


TestInMemory = PiecesMachine.TestCase
TestInMemory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOnDisk = DurablePiecesMachine.TestCase
TestOnDisk.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
