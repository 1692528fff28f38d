"""What one client can make many or large, at a tenth of the size: counted, not timed.

`python -m benchmarks.bounds` has the figures at full size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from sxhost.codec.frames import NDJSON
from sxhost.codec.json import SLICE as SLICE_SIZE
from sxhost.errors import StoreUnavailable, SubscriptionLimit
from sxhost.http.routes import NDJSON as NDJSON_TYPE
from sxhost.model.event import Event, EventDraft, LogQuery
from sxhost.model.limits import Limits
from sxhost.model.subscription import Selection
from sxhost.service import SessionService
from sxhost.store.contracts import Store
from sxhost.store.journalled import JournalledStore
from sxhost.store.memory import MemoryStore
from sxhost.store.recent_events import RecentEvents
from sxhost.store.sqlite.connection import SQLiteConnection
from sxhost.streams.notifier import LONGEST_TICK, SLICE, TICK
from sxhost.streams.reader import PAGE_SIZE
from sxhost.testing import HostInMemory, result_of, started, turn
from sxhost.testing.network import SOCKET, CableEnd
from tests.host.streams.test_subscription import Sink
from tests.support.stores import HERE

LARGE = "x" * 200_000


class CountingEvents(RecentEvents):
    """A cache that counts how often it is looked through."""

    looks = 0

    def since(self, session_id: str | None, position: int) -> list[Event] | None:
        self.looks += 1
        return super().since(session_id, position)


class CountingStore(MemoryStore):
    """A store whose cache of events counts."""

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        super().__init__(limits, seconds)
        self.events = self._state.recent = CountingEvents(limits, only_copy=True)


class Host:
    """A service whose long works take a turn for each step."""

    def __init__(self, store: Store | None = None, **limits: Any) -> None:
        self.clock = Clock()
        self.limits = Limits(**limits)
        self.store = store or MemoryStore(self.limits, self.clock.seconds)
        self.service = SessionService(self.store, self.clock, lambda: 0, self.limits)
        self.notifier = self.service._core.notifier
        self.service.slices.budget = 0

    def fire(self, session: str, name: str = "x", data: Any = None) -> None:
        result_of(self.service.fire(session, EventDraft.of(name, data)))

    def follow(self, **chosen: Any) -> Sink:
        sink = Sink()
        result_of(self.service.subscribe(Selection(**chosen), "now", NDJSON, sink))
        return sink


class CostlySink(Sink):
    """A sink whose every write takes so many seconds."""

    def __init__(self, clock: Clock, cost: float) -> None:
        super().__init__()
        self._clock = clock
        self._cost = cost

    def write(self, data: bytes) -> None:
        self._clock.rightNow += self._cost
        super().write(data)


# Memory.


def test_large_events_leave_memory_and_stay_on_disk(tmp_path: Path) -> None:
    limits = Limits(ring_bytes=1_000_000, hot_bytes=3_000_000)
    store = JournalledStore(limits, Clock().seconds, SQLiteConnection(tmp_path / "s.db"), HERE)
    store.open()
    host = Host(store, ring_bytes=1_000_000, hot_bytes=3_000_000)
    for number in range(60):
        host.fire(f"s{number % 6}", data=LARGE)
        assert store.recent.size <= limits.hot_bytes
    assert result_of(host.service.status()).memory.events == store.recent.size
    reading = started(host.service.log(LogQuery(after="0")))
    host.clock.advance(0)
    events = result_of(reading)
    assert [event.id for event in events] == list(range(1, 61))
    result_of(store.close())


def test_without_a_disk_the_oldest_events_become_a_gap() -> None:
    host = Host(hot_bytes=1_000_000)
    for _ in range(10):
        host.fire("a", data=LARGE)
    assert host.store.recent.size <= host.limits.hot_bytes
    sink = Sink()
    result_of(host.service.subscribe(Selection(frozenset("a")), "1", NDJSON, sink))
    assert sink.frames("gap")[0]["reason"] == "retention"
    assert sink.ids() == [7, 8, 9, 10]


# Reading.


class Reader:
    """A client of the site that takes what it gets only when it is told to."""

    def __init__(self, lab: HostInMemory, path: str) -> None:
        self.end = CableEnd()
        self._clock = lab.clock
        self.end.protocol = lab.site().buildProtocol(None)
        self.end.protocol.makeConnection(self.end)
        self.end.protocol.dataReceived(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())

    @property
    def waiting(self) -> int:
        return len(self.end.value())

    def body(self) -> bytes:
        """Read the answer to its end; return what its chunks hold."""
        whole = b""
        while piece := self.end.take(SOCKET):
            assert self.waiting <= ROOM
            whole += piece
            self._clock.advance(0)
        rest, body = whole.partition(b"\r\n\r\n")[2], b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return body


ROOM = SOCKET + PAGE_SIZE + len(LARGE) + 4096
"""Bytes that an answer may keep for its reader: what was full, and a page."""


@pytest.fixture
def lab() -> HostInMemory:
    lab = HostInMemory()
    for number in range(18):
        body = {"event": "x", "data": LARGE}
        lab.request("POST", f"/sessions/s{number % 3}/events", body)
    return lab


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/events?after=0", list(range(1, 19))),
        ("/events?after=0&limit=7", list(range(1, 8))),
        ("/events?after=0&session=s0,s1&limit=5", [1, 2, 4, 5, 7]),
        ("/sessions/s0/events", list(range(1, 19, 3))),
        ("/sessions/s0/events?after=2", list(range(7, 19, 3))),
    ],
)
def test_log_is_read_no_faster_than_the_client_reads(
    lab: HostInMemory, path: str, ids: list[int]
) -> None:
    reader = Reader(lab, path)
    assert reader.waiting <= ROOM
    events = [json.loads(line) for line in reader.body().splitlines()]
    assert [event["id"] for event in events] == ids


def test_disconnected_reader_causes_no_more_reads(lab: HostInMemory) -> None:
    reader = Reader(lab, "/events?after=0")
    read, reads = lab.store.read_events, []

    async def counted(*given: Any, **how: Any) -> Any:
        reads.append(given)
        return await read(*given, **how)

    lab.store.read_events = counted  # type: ignore[method-assign]
    reader.end.protocol.connectionLost(Failure(ConnectionLost()))
    reader.end.take(SOCKET)
    assert reads == []


def test_answer_cut_by_a_read_error_does_not_look_complete(
    lab: HostInMemory,
) -> None:
    reader = Reader(lab, "/events?after=0")

    async def refused(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("it hangs")

    lab.store.read_events = refused  # type: ignore[method-assign]
    whole = b""
    while piece := reader.end.take(SOCKET):
        whole += piece
    assert reader.end.disconnecting
    assert not whole.endswith(b"0\r\n\r\n")


# Live readers.


def test_write_wakes_only_matching_subscriptions() -> None:
    store = CountingStore(Limits(), Clock().seconds)
    host = Host(store)
    sinks = [host.follow(names=frozenset({f"t{n}"})) for n in range(1600)]
    store.events.looks = 0
    host.fire("a", "t7")
    host.clock.advance(TICK)
    assert [n for n, sink in enumerate(sinks) if sink.ids()] == [7]
    assert store.events.looks == 2, "the notifier once, and the one that it concerns"


def test_unmatched_subscription_still_advances_its_cursor() -> None:
    host = Host(events=4, retain=4)
    sink = host.follow(names=frozenset({"rare"}))
    for _ in range(5000):
        host.fire("a", "common")
        host.clock.advance(TICK)
    host.fire("a", "rare")
    host.clock.advance(TICK)
    assert (sink.ids(), sink.frames("gap")) == ([5001], [])
    host.fire("a", "common")
    host.clock.pump([1] * 16)
    (beat,) = sink.frames("heartbeat")[-1:]
    assert beat["cursor"].endswith(":5002")


def test_number_of_subscriptions_is_bounded() -> None:
    host = Host(subscriptions=3, token_subscriptions=2)
    notifier = host.notifier

    def follow(token: str | None) -> Any:
        return notifier.subscribe(Selection(), NDJSON, Sink(), token=token)

    readers = [follow("t"), follow("t")]
    with pytest.raises(SubscriptionLimit, match="This token has 2"):
        follow("t")
    follow(None)
    with pytest.raises(SubscriptionLimit, match="The host has 3"):
        follow("other")
    readers[0].close()
    follow("t")
    assert notifier.subscribers == 3


def turns(host: Host, sinks: list[Sink]) -> Iterator[int]:
    """Let turn after turn go by; yield how many were written to in each, until none is."""
    before = [sink.writes for sink in sinks]
    while True:
        turn(host.clock)
        after = [sink.writes for sink in sinks]
        served = sum(one != other for one, other in zip(before, after, strict=True))
        before = after
        if not served:
            return
        yield served


def test_many_subscriptions_are_served_in_slices() -> None:
    host = Host()
    sinks = [host.follow() for _ in range(1000)]
    host.fire("a")
    host.clock.rightNow += TICK
    turn(host.clock)
    first = sum(bool(sink.ids()) for sink in sinks)
    later = list(turns(host, sinks))
    assert max(first, *later) <= SLICE
    assert first + sum(later) == 1000
    assert all(sink.ids() == [1] for sink in sinks)


def test_events_written_during_a_slice_come_once_afterwards() -> None:
    host = Host()
    sinks = [host.follow() for _ in range(100)]
    for _ in range(5):
        host.fire("a")
        turn(host.clock)
    host.clock.pump([TICK] * 40)
    assert all(sink.ids() == [1, 2, 3, 4, 5] for sink in sinks)


@pytest.mark.parametrize(
    ("cost", "tick"), [(0.0, TICK), (0.001, TICK), (0.002, 0.008), (1.0, LONGEST_TICK)]
)
def test_events_are_gathered_longer_where_delivering_them_costs_more(
    cost: float, tick: float
) -> None:
    host = Host()
    sink = CostlySink(host.clock, cost)
    result_of(host.service.subscribe(Selection(), "now", NDJSON, sink))
    host.clock.advance(1)
    before = host.clock.seconds()
    host.fire("a")
    turn(host.clock)
    assert sink.ids() == [1], "at once: it was quiet"
    for _ in range(2):
        host.fire("a")
    host.clock.advance(max(0.0, before + tick - host.clock.seconds() - 1e-6))
    assert sink.ids() == ([1] if cost < LONGEST_TICK else [1, 2, 3])
    host.clock.advance(2e-6)
    assert sink.ids() == [1, 2, 3]
    host.clock.advance(1)
    host.fire("a")
    turn(host.clock)
    assert sink.ids() == [1, 2, 3, 4], "at once: it is quiet again"


@pytest.mark.parametrize("how", ["forget", "close"])
def test_many_subscriptions_are_ended_in_slices(how: str) -> None:
    host = Host()
    host.fire("a")
    sinks = [host.follow(sessions=frozenset("a")) for _ in range(1000)]
    before = host.notifier.subscribers
    work = started(host.service.forget("a")) if how == "forget" else host.notifier.close()
    host.clock.rightNow += TICK
    ended = sum(sink.over for sink in sinks)
    assert ended <= SLICE
    while ended < 1000:
        turn(host.clock)
        now = sum(sink.over for sink in sinks)
        assert now - ended <= SLICE
        ended = now
    turn(host.clock)
    assert (before, host.notifier.subscribers) == (1000, 0)
    assert work.called


# Batches.


def test_large_batch_is_decoded_in_slices_and_stored_whole() -> None:
    lab = HostInMemory()
    lab.service.slices.budget = 0
    line = json.dumps({"event": "x", "data": "y" * 1000}).encode() + b"\n"
    for last, status in ((b"", 200), (b"no JSON\n", 400)):
        session = f"/sessions/s{status}"
        body = line * 1000 + last
        work = lab.begin("POST", f"{session}/events", body, content_type=NDJSON_TYPE)
        taken = 0
        while not work.called:
            assert not lab.service.knows(f"s{status}")
            turn(lab.clock)
            lab.treq.flush()
            taken += 1
        assert taken >= len(body) // SLICE_SIZE - 1
        assert result_of(work).status == status
    assert lab.request("GET", "/sessions/s200").json()["event_count"] == 1000
    assert lab.request("GET", "/sessions/s400").status == 404


def test_batch_line_is_limited_like_a_body() -> None:
    lab = HostInMemory(body=100_000)
    body = b'{"event":"x"}\n' + json.dumps({"event": "x", "data": "y" * 100_000}).encode()
    answer = lab.request("POST", "/sessions/a/events", body, content_type=NDJSON_TYPE)
    assert (answer.status, answer.json()["error"]) == (413, "body_too_large")
    assert answer.json()["line"] == 2
